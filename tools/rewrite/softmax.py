"""Write a softmax as one operator.

Before: `exp(x) / Σ exp(x)` along one axis, with or without the largest x subtracted first, the sum kept as an axis.
After: `Softmax(x)`, which subtracts the largest in any case. Needs opset 13, from which on it takes one axis.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from ..quantize.graphs import attribute, int_attribute
from .pattern import Pattern
from .scope import Scope, rewrite_graphs

MIN_OPSET = 13


def fuse_softmax(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_fuse(scope, node) for node in scope.nodes if node.op_type == "Div")


def _fuse(scope: Scope, node: NodeProto) -> int:
    pattern = Pattern(scope)
    pattern.nodes.append(node)
    exponential, total = pattern.made_by(node.input[0], "Exp"), pattern.made_by(node.input[1], "ReduceSum")
    if exponential is None or total is None or total.input[0] != node.input[0]:
        return 0
    axis = _axis(scope, total)
    if axis is None:
        return 0
    source = _unshifted(pattern, exponential.input[0], axis)
    if not pattern.closed(node):
        return 0
    scope.remove(pattern.nodes[1:])
    scope.become(node, "Softmax", [source])
    node.attribute.append(helper.make_attribute("axis", axis))
    return 1


def _unshifted(pattern: Pattern, name: str, axis: int) -> str:
    """Return x where `name` is x minus its largest along the axis; else `name`."""
    mark = len(pattern.nodes)
    difference = pattern.made_by(name, "Sub")
    largest = pattern.made_by(difference.input[1], "ReduceMax") if difference is not None else None
    if difference is not None and largest is not None:
        source = difference.input[0]
        if largest.input[0] == source and _axis(pattern.scope, largest) == axis:
            return source
    del pattern.nodes[mark:]
    return name


def _axis(scope: Scope, node: NodeProto) -> int | None:
    """Return the only axis of a reduction that keeps it."""
    given = attribute(node, "axes")
    axes = tuple(given.ints) if given is not None else scope.integers(node.input[1]) if len(node.input) > 1 else None
    return int(axes[0]) if axes and len(axes) == 1 and int_attribute(node, "keepdims", 1) else None
