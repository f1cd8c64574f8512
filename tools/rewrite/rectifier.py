"""Write rectifiers as the operators that are fused into convolutions.

Before: `max(x, 0)`, `max(x, a · x)` with a between 0 and 1, and a PRelu with one slope for all. After: `Relu(x)` and
`LeakyRelu(x)`.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from ..onnx_model import is_standard
from .pattern import Pattern
from .scope import Scope, rewrite_graphs


def fuse_rectifiers(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < 8:
        return 0
    return sum(_fuse(scope, node) for node in scope.nodes if is_standard(node) and scope.has(node))


def _fuse(scope: Scope, node: NodeProto) -> int:
    if node.op_type == "PRelu":
        stored = scope.floats(node.input[1])
        one = stored is not None and stored.size == 1
        return _leak(scope, node, node.input[0], float(stored.reshape(()))) if stored is not None and one else 0
    if node.op_type != "Max" or len(node.input) != 2:
        return 0
    for source, other in (node.input, reversed(node.input)):
        if scope.scalar(other) == 0 and scope.scalar(source) is None:
            scope.become(node, "Relu", [source])
            return 1
        pattern = Pattern(scope)
        slope, names = pattern.factors(other)
        if names == [source] and pattern.nodes and 0 <= slope <= 1:
            scope.remove(pattern.nodes)
            return _leak(scope, node, source, slope)
    return 0


def _leak(scope: Scope, node: NodeProto, source: str, slope: float) -> int:
    scope.become(node, "LeakyRelu", [source])
    node.attribute.append(helper.make_attribute("alpha", slope))
    return 1
