"""State that the operands of a sum have the same shape, where the operators before them show it.

Before: `Add(a, b)` of two values between convolutions with free sizes, both made from one value by steps that change
height and width alike. After: the same, and the file says of `a` and `b` that their sizes, whatever they are, are the
same. onnxruntime then adds inside the convolution that makes one of them; it follows sizes by itself only as far as
its blocked layout reaches without a break, and otherwise gives both another shape and back around the sum (see its
`nchwc_transformer.cc`). No operator changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto

from ..onnx_model import is_standard, iter_graphs
from .scope import Scope, rewrite_graphs
from .sizes import PLACES, Sizes, Sizing

_SUMS = frozenset({"Add", "Sum"})


def state_shapes(model: ModelProto) -> int:
    """State shapes in place and return of how many sums."""
    taken = {dim.dim_param for graph in iter_graphs(model) for value in _values(graph) for dim in _dims(value)}
    fresh = (name for at in itertools.count(1) if (name := f"size_{at}") not in taken)
    return rewrite_graphs(model, lambda scope: _state(scope, fresh))


def _values(graph: GraphProto) -> Iterator[ValueInfoProto]:
    yield from (*graph.input, *graph.value_info, *graph.output)


def _dims(value: ValueInfoProto) -> Sequence[TensorShapeProto.Dimension]:
    return value.type.tensor_type.shape.dim


def _state(scope: Scope, fresh: Iterator[str]) -> int:
    sizing, stated = Sizing(scope), {value.name: value for value in _values(scope.graph)}
    names: dict[Hashable, str] = {}
    count = 0
    for node in scope.nodes:
        sizes = _alike(node, sizing)
        if sizes is None or _is_said(node, stated):
            continue
        words = [each if isinstance(each, int) else names.get(each) or next(fresh) for each in sizes]
        names.update((each, word) for each, word in zip(sizes, words, strict=True) if isinstance(word, str))
        for name in node.input:
            if name not in stated:
                stated[name] = scope.graph.value_info.add(name=name)
            _say(stated[name], words)
        count += 1
    return count


def _alike(node: NodeProto, sizing: Sizing) -> Sizes | None:
    """Return the sizes of both operands of a sum, where they are different values of the same sizes, not all known."""
    if node.op_type not in _SUMS or not is_standard(node) or len(node.input) != 2 or node.input[0] == node.input[1]:
        return None
    first, second = map(sizing.of, node.input)
    return first if first == second and first is not None and not all(isinstance(each, int) for each in first) else None


def _is_said(node: NodeProto, stated: Mapping[str, ValueInfoProto]) -> bool:
    """Tell whether the file says already that both operands have the same sizes."""
    said = [[(dim.dim_value, dim.dim_param) for dim in _dims(stated[name])] for name in node.input if name in stated]
    return (
        len(said) == 2
        and all(len(each) == 4 for each in said)
        and all(any(said[0][at]) and said[0][at] == said[1][at] for at in PLACES)
    )


def _say(value: ValueInfoProto, words: Sequence[int | str]) -> None:
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    dims = value.type.tensor_type.shape.dim
    while len(dims) < 4:
        dims.add()
    for at, word in zip(PLACES, words, strict=True):
        if isinstance(word, str) and not dims[at].HasField("dim_value"):
            dims[at].dim_param = word
