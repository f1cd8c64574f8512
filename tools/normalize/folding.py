"""Fold weights that are only moved about: Slice, Transpose, Reshape, Concat … of initializers.

Before: an LSTM whose weight passes through Slice and Transpose, so that dynamic quantization silently leaves it
alone. After: the weight itself is an initializer. Only data movement is folded, and a Cast to a type that is no wider,
never arithmetic, so a weight that is stored small and unfolded by Cast and Mul stays small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from ..onnx_model import is_standard, iter_graphs, node_graphs, opset, tensor_bytes, to_array, to_tensor
from .sharing import content_key

MOVEMENTS = frozenset(
    {"Concat", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)

_NUMBERS = frozenset({TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64})

# Folding may not grow the model: what a Slice takes from a weight that stays is a copy.
_GROWTH = 1.005
_SLACK_BYTES = 2048


@dataclass(frozen=True)
class _Fold:
    graph: GraphProto
    index: int
    values: dict[str, np.ndarray]


def fold_movements(model: ModelProto) -> str | None:
    """Fold in place; return a note, or None where there was nothing to fold."""
    folds: list[_Fold] = []
    _collect(model.graph, {}, opset(model), folds)
    if not folds:
        return None
    stored = sum(tensor_bytes(each) for graph in iter_graphs(model) for each in graph.initializer)
    if _growth(model, folds) > stored * (_GROWTH - 1) + _SLACK_BYTES:
        return "moved weights were left as they are: folding them would grow the model"
    for fold in reversed(folds):  # later nodes first, so that indices stay valid
        fold.graph.initializer.extend(to_tensor(value, name) for name, value in fold.values.items())
        del fold.graph.node[fold.index]
    return f"{len(folds)} moves of weights folded"


def _collect(graph: GraphProto, outer: dict[str, TensorProto | np.ndarray], version: int, folds: list[_Fold]) -> None:
    outputs = {each.name for each in graph.output}
    hidden = {each.name for each in graph.input}
    known = {name: value for name, value in outer.items() if name not in hidden}
    known.update({each.name: each for each in graph.initializer if each.name not in hidden})
    for index, node in enumerate(graph.node):
        for inner in node_graphs(node):
            _collect(inner, known, version, folds)
        if _foldable(node, known) and not outputs.intersection(node.output):
            values = _evaluate(node, known, version)
            known.update(values)
            if values:
                folds.append(_Fold(graph, index, values))


def _foldable(node: NodeProto, known: dict[str, TensorProto | np.ndarray]) -> bool:
    return (
        (node.op_type in MOVEMENTS or _narrows(node, known))
        and is_standard(node)
        and bool(node.input)
        and all(name in known and _plain(known[name]) for name in node.input if name)
    )


def _narrows(node: NodeProto, known: dict[str, TensorProto | np.ndarray]) -> bool:
    """Tell whether `node` casts a known value, kept as numbers of its kind, to a type of as many bits or fewer."""
    if node.op_type != "Cast" or len(node.input) != 1 or node.input[0] not in known:
        return False
    value = known[node.input[0]]
    given = value.dtype if isinstance(value, np.ndarray) else helper.tensor_dtype_to_np_dtype(value.data_type)
    target = next((each.i for each in node.attribute if each.name == "to"), TensorProto.UNDEFINED)
    wanted = np.dtype(helper.tensor_dtype_to_np_dtype(target)) if target in _NUMBERS else None
    return wanted is not None and wanted.kind == given.kind and wanted.itemsize <= given.itemsize


def _plain(value: TensorProto | np.ndarray) -> bool:
    """Tell whether numpy itself can hold the values; 4-bit and 8-bit floating types are left to the runtime."""
    return isinstance(value, np.ndarray) or helper.tensor_dtype_to_np_dtype(value.data_type).kind in "biuf"


def _evaluate(node: NodeProto, known: dict[str, TensorProto | np.ndarray], version: int) -> dict[str, np.ndarray]:
    feeds = {name: _array(known[name]) for name in node.input if name}
    try:
        results = ReferenceEvaluator(node, opsets={"": version}).run(None, feeds)
    except (ValueError, IndexError, TypeError):
        return {}  # indices or shapes that do not fit: a branch that never runs may hold such a node
    return {name: np.asarray(value) for name, value in zip(node.output, results, strict=True) if name}


def _array(value: TensorProto | np.ndarray) -> np.ndarray:
    return to_array(value) if isinstance(value, TensorProto) else value


def _growth(model: ModelProto, folds: list[_Fold]) -> int:
    """Bytes that folding adds: values that are still read, minus initializers that nothing reads any more."""
    gone = {id(fold.graph): set[int]() for fold in folds}
    for fold in folds:
        gone[id(fold.graph)].add(fold.index)
    read: set[str] = set()
    for graph in iter_graphs(model):
        read.update(each.name for each in graph.output)
        skipped = gone.get(id(graph), set())
        read.update(name for index, node in enumerate(graph.node) if index not in skipped for name in node.input)
    kept = [value for fold in folds for name, value in fold.values.items() if name in read]
    added = sum({content_key(value): value.nbytes for value in kept}.values())  # equal ones will be shared
    freed = sum(
        tensor_bytes(each) for graph in iter_graphs(model) for each in graph.initializer if each.name not in read
    )
    return added - freed
