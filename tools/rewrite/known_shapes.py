"""Compute no shape that is known, or that a Reshape can take over from what it reshapes.

Exporters of transformers write head sizes and Reshape targets as `Shape → Gather → Unsqueeze → Concat`, which takes a
tenth of the time of a small encoder in int8. Before → after:

- `Gather(Shape(x), i)`, or `Slice(Shape(x), …)`, of dimensions that inference knows → those numbers
- arithmetic of such numbers → its result
- `Reshape(x, Concat(…))` → `Reshape(x, (0, 0, 12, 32))` where inference knows each dimension of the result, or that it
  is the one that x has at the same place, which 0 stands for

Symbols count as equal only where inference made them so from one input: callers are not held to what two inputs name
alike. What nothing reads any more goes. Only the main graph is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto
from onnx.reference import ReferenceEvaluator

from ..quantize.graphs import attribute, int_attribute
from .inferred_dims import Dims, inferred_dims
from .scope import Scope, rewrite_graphs

_ROUNDS = 3
_FEW = 16
_ARITHMETIC = {"Add", "Cast", "Concat", "Div", "Mul", "Pow", "Sqrt", "Squeeze", "Sub", "Unsqueeze"}
_PURE = _ARITHMETIC | {"Gather", "Reshape", "Shape", "Slice"}


def fold_known_shapes(model: ModelProto) -> int:
    """Rewrite in place and return how many dimensions and targets became constants."""
    total = 0
    # What becomes known may make more known: head sizes are quotients of dimensions.
    for _ in range(_ROUNDS):
        if not any(node.op_type == "Shape" for node in model.graph.node):
            break
        shapes = inferred_dims(model)
        count = rewrite_graphs(model, partial(_rewrite, shapes=shapes, graph=model.graph))
        total += count
        if not count:
            break
    return total


def _rewrite(scope: Scope, shapes: Mapping[str, Dims], graph: GraphProto) -> int:
    if scope.graph is not graph:
        return 0
    count = 0
    for node in scope.nodes:
        if node.op_type in {"Gather", "Slice"}:
            count += _dimension(scope, node, shapes)
        elif node.op_type == "Reshape":
            count += _target(scope, node, shapes)
        elif node.op_type in _ARITHMETIC:
            count += _number(scope, node)
    if count:
        sweep_shapes(scope)
    return count


def _dimension(scope: Scope, node: NodeProto, shapes: Mapping[str, Dims]) -> int:
    """Replace dimensions that are picked out of a shape by their numbers."""
    picked = _picked(scope, node, shapes)
    if picked is None or any(isinstance(each, str) for each in picked[0]):
        return 0
    return _become(scope, node, np.array(picked[0], np.int64).reshape(picked[1]))


def _picked(scope: Scope, node: NodeProto, shapes: Mapping[str, Dims]) -> tuple[Dims, tuple[int, ...]] | None:
    """Return the dimensions that a node gives out of a shape, and what shape it gives them; None where it is none."""
    if node.op_type == "Shape":
        whole = not int_attribute(node, "start", 0) and attribute(node, "end") is None
        dims = shapes.get(node.input[0], ()) if whole else ()
        return (dims, (len(dims),)) if dims else None
    source = scope.producer(node.input[0]) if node.op_type in {"Gather", "Slice"} else None
    inner = None if source is None else _picked(scope, source, shapes)
    if inner is None or len(inner[1]) != 1:
        return None
    return _gathered(scope, node, inner[0]) if node.op_type == "Gather" else _sliced(scope, node, inner[0])


def _gathered(scope: Scope, node: NodeProto, dims: Dims) -> tuple[Dims, tuple[int, ...]] | None:
    index = scope.constant(node.input[1])
    if index is None or not index.size or not all(-len(dims) <= int(at) < len(dims) for at in index.reshape(-1)):
        return None
    return tuple(dims[int(at)] for at in index.reshape(-1)), index.shape


def _sliced(scope: Scope, node: NodeProto, dims: Dims) -> tuple[Dims, tuple[int, ...]] | None:
    bounds = [scope.integers(name) for name in node.input[1:]]
    if len(bounds) < 2 or bounds[2:] not in ([], [(0,)], [(-1,)], [(0,), (1,)], [(-1,), (1,)]):
        return None
    starts, ends = bounds[:2]
    picked = dims[starts[0] : ends[0]] if starts and ends else ()
    return (picked, (len(picked),)) if picked else None


def _number(scope: Scope, node: NodeProto) -> int:
    """Compute what is made of a few constants, as head sizes are."""
    operands = {name: scope.constant(name) for name in node.input if name}
    known = {name: value for name, value in operands.items() if value is not None and value.size <= _FEW}
    if len(known) < len(operands) or len(node.output) != 1:
        return 0
    try:
        with np.errstate(all="ignore"):
            (value,) = ReferenceEvaluator(node, opsets={"": scope.version}).run(None, known)
    except (ValueError, IndexError, TypeError):
        return 0  # operands that do not fit: a node that never runs may have such
    return _become(scope, node, np.asarray(value))


def _become(scope: Scope, node: NodeProto, value: np.ndarray) -> int:
    """Let those who read `node` read a constant, if it is nobody else's business."""
    if any(reader is None for reader in scope.readers(node.output[0])):
        return 0
    scope.replace_reads(node.output[0], scope.store(value, "known"))
    return 1


def _target(scope: Scope, node: NodeProto, shapes: Mapping[str, Dims]) -> int:
    """Replace a computed target by one that takes dimensions over."""
    before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
    computed = scope.producer(node.input[1]) is not None
    if not computed or before is None or after is None or int_attribute(node, "allowzero", 0):
        return 0
    target = [_kept(before, at, dim) for at, dim in enumerate(after)]
    unknown = [at for at, each in enumerate(target) if each is None]
    if len(unknown) == 1 and _is_rest(before, after, unknown[0]):
        target[unknown.pop()] = 0
    if len(unknown) == 1 and _is_open(scope, node.input[1], unknown[0], shapes):
        target[unknown.pop()] = -1
    if unknown or not target:
        return 0
    scope.set_inputs(node, [node.input[0], scope.store(np.array(target, np.int64), "target")])
    return 1


def _kept(before: Dims, at: int, dim: int | str) -> int | None:
    """The number that stands for a dimension of the result, None where none does."""
    if isinstance(dim, int):
        return dim or None
    return 0 if dim and at < len(before) and before[at] == dim else None


def _is_rest(before: Dims, after: Dims, at: int) -> bool:
    """Tell whether dimension `at` is the same in both because all others are, and both have as many elements."""
    if at >= len(before) or {"", 0} & {*before, *after}:
        return False
    return _others(before, at) == _others(after, at)


def _is_open(scope: Scope, target: str, at: int, shapes: Mapping[str, Dims]) -> bool:
    """Tell whether the number at `at` of a computed target is the constant -1."""
    joined = scope.producer(target)
    start = 0
    for piece in joined.input if joined is not None and joined.op_type == "Concat" else ():
        numbers, dims = scope.integers(piece), shapes.get(piece, ())
        if len(dims) != 1 or not isinstance(dims[0], int):
            return False
        if start <= at < start + dims[0]:
            return numbers is not None and numbers[at - start] == -1
        start += dims[0]
    return False


def _others(dims: Dims, at: int) -> tuple[int, list[str]]:
    """The product of the numbers and the symbols of all dimensions but one."""
    others = dims[:at] + dims[at + 1 :]
    numbers = [each for each in others if isinstance(each, int)]
    return prod(numbers), sorted(each for each in others if isinstance(each, str))


def sweep_shapes(scope: Scope) -> None:
    """Remove computations of shapes that nothing reads any more."""
    for node in reversed(scope.nodes):
        if node.op_type in _PURE and not any(len(scope.readers(name)) for name in node.output):
            scope.remove([node])
