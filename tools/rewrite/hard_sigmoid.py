"""Write a hard sigmoid as one operator.

Before: `clip(a · x + b, 0, c) / c`, such as `clip(x + 3, 0, 6) / 6`, or `clip(a · x + b, 0, 1)`. After:
`HardSigmoid(x)` with slope a / c and offset b / c, which the runtime fuses into the convolution before it.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from .pattern import Pattern, near
from .scope import Scope, rewrite_graphs

MIN_OPSET = 11


def fuse_hard_sigmoid(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_fuse(scope, node) for node in reversed(scope.nodes) if scope.has(node))


def _fuse(scope: Scope, node: NodeProto) -> int:
    if node.op_type not in {"Clip", "Div", "Mul"} or scope.producer(node.output[0]) is not node:
        return 0
    pattern = Pattern(scope)
    scale, clip = _clipped(pattern, node)
    if clip is None or len(clip.input) != 3 or scope.scalar(clip.input[1]) != 0:
        return 0
    high = scope.scalar(clip.input[2])
    total = pattern.plus(clip.input[0])
    if high is None or high <= 0 or not near(scale * high, 1) or total is None:
        return 0
    slope, names = pattern.factors(total[0])
    if len(names) != 1 or not pattern.closed(node):
        return 0
    scope.remove([each for each in pattern.nodes if each is not node])
    scope.become(node, "HardSigmoid", names)
    node.attribute.extend(
        helper.make_attribute(name, value / high) for name, value in (("alpha", slope), ("beta", total[1]))
    )
    return 1


def _clipped(pattern: Pattern, node: NodeProto) -> tuple[float, NodeProto | None]:
    """Return the clip that `node` is or scales, and by what."""
    pattern.nodes.append(node)
    if node.op_type == "Clip":
        return 1.0, node
    scope = pattern.scope
    right, left = scope.scalar(node.input[1]), scope.scalar(node.input[0])
    if right:
        return (1 / right if node.op_type == "Div" else right), pattern.made_by(node.input[0], "Clip")
    return (left, pattern.made_by(node.input[1], "Clip")) if left and node.op_type == "Mul" else (0.0, None)
