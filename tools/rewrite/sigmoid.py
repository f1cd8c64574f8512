"""Write a sigmoid as one operator.

Before: `1 / (1 + exp(−x))`, or `x / (1 + exp(−x))`, which is x times that, or `½ + ½ · tanh(x / 2)`. After:
`Sigmoid(x)`, or `x · Sigmoid(x)`, which onnxruntime fuses further.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from .pattern import Pattern, near
from .scope import Scope, rewrite_graphs


def fuse_sigmoid(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < 7:
        return 0
    return sum(_fuse(scope, node) for node in scope.nodes if scope.has(node))


def _fuse(scope: Scope, node: NodeProto) -> int:
    if node.op_type not in {"Add", "Div", "Reciprocal"} or scope.producer(node.output[0]) is not node:
        return 0
    pattern = Pattern(scope)
    source = _from_tanh(pattern, node) if node.op_type == "Add" else _from_exp(pattern, node.input[-1])
    if node not in pattern.nodes:
        pattern.nodes.append(node)
    if source is None or not pattern.closed(node):
        return 0
    gated = node.op_type == "Div" and node.input[0] == source
    if node.op_type == "Div" and not gated and scope.scalar(node.input[0]) != 1:
        return 0
    scope.remove([each for each in pattern.nodes if each is not node])
    if gated:
        gate = scope.fresh(f"{node.output[0]}_gate")
        scope.insert(node, helper.make_node("Sigmoid", [source], [gate], gate))
        scope.become(node, "Mul", [source, gate])
    else:
        scope.become(node, "Sigmoid", [source])
    return 1


def _from_exp(pattern: Pattern, name: str) -> str | None:
    """Return x where `name` is 1 + exp(−x)."""
    total = pattern.plus(name)
    exponential = pattern.made_by(total[0], "Exp") if total is not None and total[1] == 1 else None
    if exponential is None:
        return None
    scale, names = pattern.factors(exponential.input[0])
    return names[0] if scale == -1 and len(names) == 1 else None


def _from_tanh(pattern: Pattern, node: NodeProto) -> str | None:
    """Return x where `node` makes ½ + ½ · tanh(x / 2)."""
    total = pattern.plus(node.output[0])
    if total is None or total[1] != 0.5:
        return None
    scale, names = pattern.factors(total[0])
    tanh = pattern.made_by(names[0], "Tanh") if scale == 0.5 and len(names) == 1 else None
    inner, sources = pattern.factors(tanh.input[0]) if tanh is not None else (0.0, list[str]())
    return sources[0] if near(inner, 0.5) and len(sources) == 1 else None
