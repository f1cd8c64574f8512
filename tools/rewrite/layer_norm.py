"""Write a normalization over the last axis as one operator.

Before: `(x − mean) / √(variance + ε) · scale + bias` in the forms that exporters write: the variance as the mean of
squared differences or as the mean of squares minus the squared mean (with or without a `Max` against rounding below
zero), the root as Sqrt or a power, its reciprocal taken first, the scale multiplied into that, the mean multiplied out.
After: `LayerNormalization`, standard since opset 17; onnxruntime's own fusion takes only some of these forms. The scale
or the bias must be stored, so that the width is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, helper

from .pattern import Pattern, row
from .scope import Scope, rewrite_graphs

MIN_OPSET = 17


@dataclass
class _Norm:
    """What was read so far; `value` is what the expression makes up to `last`."""

    source: str
    mean: str
    deviation: str
    epsilon: float
    scale: np.ndarray | None = None
    bias: np.ndarray | None = None
    last: NodeProto | None = None


def fuse_layer_norm(model: ModelProto) -> int:
    """Rewrite in place and return how many normalizations there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_fuse(scope, node) for node in scope.nodes if node.op_type in {"Sqrt", "Pow"} and scope.has(node))


def _fuse(scope: Scope, root: NodeProto) -> int:
    pattern = Pattern(scope)
    norm = _variance(pattern, root)
    if norm is None or not _outwards(pattern, root, norm) or norm.last is None or not pattern.closed(norm.last):
        return 0
    width = next((each.size for each in (norm.scale, norm.bias) if each is not None), 0)
    if not width or any(each is not None and each.size != width for each in (norm.scale, norm.bias)):
        return 0
    scale = np.ones(width) if norm.scale is None else norm.scale
    names = [norm.source, scope.store(scale.astype(np.float32), f"{norm.last.output[0]}_scale")]
    if norm.bias is not None:
        names.append(scope.store(norm.bias.astype(np.float32), f"{norm.last.output[0]}_bias"))
    scope.remove([each for each in pattern.nodes if each is not norm.last])
    scope.become(norm.last, "LayerNormalization", names)
    norm.last.attribute.extend([helper.make_attribute("axis", -1), helper.make_attribute("epsilon", norm.epsilon)])
    return 1


def _variance(pattern: Pattern, root: NodeProto) -> _Norm | None:
    """Read `√(variance + ε)`."""
    scope = pattern.scope
    if root.op_type == "Pow" and scope.scalar(root.input[1]) not in {0.5, -0.5}:
        return None
    pattern.nodes.append(root)
    total = pattern.plus(root.input[0])
    if total is None or total[1] < 0:
        return None
    name, epsilon = total
    bounded = pattern.made_by(name, "Max")
    if bounded is not None:
        others = [each for each in bounded.input if scope.scalar(each) != 0]
        if len(others) != 1 or len(bounded.input) != 2:
            return None
        name = others[0]
    found = _centred(pattern, name) or _expanded(pattern, name)
    return None if found is None else _Norm(*found, epsilon)


def _centred(pattern: Pattern, name: str) -> tuple[str, str, str] | None:
    """Read the mean of (x − mean)²; return x, the mean and the difference."""
    mark = len(pattern.nodes)
    squares = pattern.mean(name)
    deviation = pattern.square(squares) if squares is not None else None
    difference = pattern.made_by(deviation, "Sub") if deviation is not None else None
    if difference is not None and pattern.mean(difference.input[1]) == difference.input[0]:
        return difference.input[0], difference.input[1], difference.output[0]
    del pattern.nodes[mark:]
    return None


def _expanded(pattern: Pattern, name: str) -> tuple[str, str, str] | None:
    """Read the mean of x² minus mean²; return x, the mean, and the difference that stands elsewhere."""
    node = pattern.made_by(name, "Sub")
    squares = pattern.mean(node.input[0]) if node is not None else None
    mean = pattern.square(node.input[1]) if node is not None else None
    source = pattern.square(squares) if squares is not None else None
    if source is None or mean is None or pattern.mean(mean) != source:
        return None
    for reader in pattern.scope.readers(mean):
        if reader is not None and reader.op_type == "Sub" and list(reader.input) == [source, mean]:
            pattern.nodes.append(reader)
            return source, mean, reader.output[0]
    return source, mean, ""


def _outwards(pattern: Pattern, root: NodeProto, norm: _Norm) -> bool:
    """Read from the root on: what is divided, scaled and shifted."""
    if root.op_type == "Pow" and pattern.scope.scalar(root.input[1]) == -0.5:
        return _multiplied(pattern, root, norm)
    node = _only(pattern, root)
    if node is None:
        return False
    if node.op_type == "Div" and list(node.input) == [norm.deviation, root.output[0]]:
        return _scaled(pattern, node, norm)
    if node.op_type != "Reciprocal":
        return False
    pattern.nodes.append(node)
    return _multiplied(pattern, node, norm)


def _multiplied(pattern: Pattern, inverse: NodeProto, norm: _Norm) -> bool:
    """Read the difference times `inverse`, or times that with the scale in it, or both terms apart."""
    node = _only(pattern, inverse)
    if node is not None and node.op_type == "Mul" and norm.deviation not in node.input:
        norm.scale = row(pattern.scope, _other(node, inverse.output[0]))
        if norm.scale is None:
            return False
        pattern.nodes.append(node)
        inverse = node
        node = _only(pattern, inverse)
    if node is None:
        return _apart(pattern, inverse, norm)
    if node.op_type != "Mul" or _other(node, inverse.output[0]) != norm.deviation:
        return False
    return _scaled(pattern, node, norm)


def _apart(pattern: Pattern, factor: NodeProto, norm: _Norm) -> bool:
    """Read `x · f + (bias − mean · f)`."""
    scope = pattern.scope
    found: dict[str, NodeProto] = {}
    for reader in scope.readers(factor.output[0]):
        if reader is None or reader.op_type != "Mul":
            return False
        found[_other(reader, factor.output[0])] = reader
    first, second = found.get(norm.source), found.get(norm.mean)
    shift = _only(pattern, second) if second is not None else None
    if first is None or second is None or len(found) != 2 or shift is None or shift.op_type != "Sub":
        return False
    norm.bias = row(scope, shift.input[0])
    last = _only(pattern, shift)
    if norm.bias is None or last is None or last.op_type != "Add" or first.output[0] not in last.input:
        return False
    pattern.nodes += [first, second, shift, last]
    norm.last = last
    return True


def _scaled(pattern: Pattern, node: NodeProto, norm: _Norm) -> bool:
    """Read the scale, unless it is known, and the bias after `node`; either may be missing."""
    pattern.nodes.append(node)
    norm.last = node
    for op in ("Mul", "Add"):
        reader = _only(pattern, norm.last)
        value = row(pattern.scope, _other(reader, norm.last.output[0])) if reader and reader.op_type == op else None
        if reader is None or value is None or (op == "Mul" and norm.scale is not None):
            continue
        if op == "Mul":
            norm.scale = value
        else:
            norm.bias = value
        pattern.nodes.append(reader)
        norm.last = reader
    return True


def _only(pattern: Pattern, node: NodeProto) -> NodeProto | None:
    reader = pattern.scope.only_reader(node.output[0])
    return reader if reader is not None and reader.op_type in {"Add", "Div", "Mul", "Reciprocal", "Sub"} else None


def _other(node: NodeProto, name: str) -> str:
    return node.input[1] if node.input[0] == name else node.input[0]
