"""Compute convolutions along one axis as convolutions in the plane, of which they are one line.

Before: `Conv` of [batch, channels, length]. After: `Unsqueeze → Conv of [batch, channels, 1, length] → Squeeze`, with
what stands between two such convolutions (activations, poolings, sums and products of their results) in the plane too.
The arithmetic is the same, but the runtime has blocked kernels for the plane alone (`nchwc_transformer.cc` in
onnxruntime); along one axis it multiplies matrices sample by sample, which is slow where few positions come out, as in
streaming models. Whether that pays is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import is_standard
from .scope import Scope, rewrite_graphs
from .tracing import ELEMENTWISE

_POOLS = frozenset({"AveragePool", "MaxPool"})
_GLOBAL = frozenset({"GlobalAveragePool", "GlobalMaxPool"})
_BINARY = frozenset({"Add", "Div", "Mul", "Sub"})
# What these attributes say of the axis that is added, before what they say of the one that is there.
_UNIT = {"kernel_shape": 1, "strides": 1, "dilations": 1, "pads": 0}
_AXIS = 2


def planar_conv(model: ModelProto) -> int:
    """Rewrite in place and return how many convolutions there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    plane = _Plane(scope)
    count = 0
    for node in scope.nodes:
        if _is_line(scope, node):
            plane.convolve(node)
            count += 1
        elif plane.takes(node):
            plane.follow(node)
    plane.close()
    return count


def _is_line(scope: Scope, node: NodeProto) -> bool:
    if node.op_type != "Conv" or not is_standard(node):
        return False
    weight = scope.constant(node.input[1])
    return weight is not None and weight.ndim == 3 and weight.dtype.kind == "f"


class _Plane:
    """The values that are computed in the plane, and the nodes that do it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._planar: dict[str, str] = {}
        self._weights: dict[str, str] = {}
        self._own = {each.name for each in scope.graph.initializer}
        self._turned: dict[str, str] = {}
        self._replaced: list[NodeProto] = []
        self._axes = ""

    def convolve(self, node: NodeProto) -> None:
        """Put a convolution into the plane."""
        data, weight, *bias = node.input
        if data not in self._planar and data not in self._turned:
            self._turned[data] = self._scope.fresh(f"{data}_planar")
            self._scope.insert(node, self._turn("Unsqueeze", data, self._turned[data]))
        if weight not in self._weights:
            line = self._scope.constant(weight)
            assert line is not None
            self._weights[weight] = self._scope.store(np.expand_dims(line, _AXIS), weight)
        names = [self._planar.get(data) or self._turned[data], self._weights[weight], *map(self._at_hand, bias)]
        self._add(node, names)

    def _at_hand(self, name: str) -> str:
        """Return a constant of this graph itself: the blocked kernels take none from a graph around a body."""
        value = self._scope.constant(name)
        return name if value is None or name in self._own else self._scope.store(value, name)

    def takes(self, node: NodeProto) -> bool:
        """Tell whether `node` does the same in the plane to values that are there already."""
        if not is_standard(node) or not node.input or len(node.output) != 1:
            return False
        first, *others = node.input
        if node.op_type in _BINARY:
            numbers = [name for name in node.input if name not in self._planar]
            return len(numbers) < 2 and all(self._scope.scalar(name) is not None for name in numbers)
        if node.op_type in ELEMENTWISE | _POOLS | _GLOBAL:
            return first in self._planar and not any(name in self._planar for name in others)
        return False

    def follow(self, node: NodeProto) -> None:
        """Put a node that the plane takes there."""
        self._add(node, [self._planar.get(name, name) for name in node.input])

    def _add(self, node: NodeProto, names: Sequence[str]) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        made.name = self._scope.fresh(f"{node.name}_planar") if node.name else ""
        made.input[:] = names
        made.output[:] = [self._scope.fresh(f"{node.output[0]}_planar")]
        for each in made.attribute:
            if each.name in _UNIT:
                each.ints[:] = _widened(each.ints, _UNIT[each.name])
        self._scope.insert(node, made)
        self._planar[node.output[0]] = made.output[0]
        self._replaced.append(node)

    def close(self) -> None:
        """Turn back what others read; the last ones first, so that who reads whom is known."""
        for node in reversed(self._replaced):
            name = node.output[0]
            if self._scope.readers(name):
                turned = self._turn("Squeeze", self._planar[name], name)
                self._scope.become(node, turned.op_type, turned.input)
                node.attribute.extend(turned.attribute)
            else:
                self._scope.remove([node])

    def _turn(self, op_type: str, source: str, target: str) -> NodeProto:
        """Return a node that adds the axis or takes it away; before opset 13 the axis is an attribute."""
        if self._scope.version < 13:
            return helper.make_node(op_type, [source], [target], axes=[_AXIS])
        self._axes = self._axes or self._scope.store(np.array([_AXIS], np.int64), "planar_axes")
        return helper.make_node(op_type, [source, self._axes], [target])


def _widened(values: Sequence[int], unit: int) -> list[int]:
    """Return what an attribute says of one axis, with what it says of the added one: begins first, then ends."""
    half = len(values) // 2 or 1
    parts = [values[:half], values[half:]] if len(values) > 1 else [values]
    return [number for part in parts for number in (unit, *part)]
