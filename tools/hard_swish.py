"""Write hard-swish as one operator.

Before: `x · clip(x + 3, 0, 6) / 6` in any order of factors, or `x · HardSigmoid(x)` with slope 1/6 and offset 1/2, as
exporters without the operator write it. After: `HardSwish(x)`. The runtime fuses it into the convolution before it and
saves changes of layout, which it cannot do for the parts. Needs opset 14 and constants of float32.
"""

from __future__ import annotations

import math
from collections import Counter

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from .onnx_model import is_standard, iter_graphs, opset, to_array
from .quantize.graphs import float_attribute

MIN_OPSET = 14


def fuse_hard_swish(model: ModelProto) -> int:
    """Rewrite in place and return how many operators became `HardSwish`; their parts and constants go."""
    if opset(model) < MIN_OPSET:
        return 0
    return sum(_Matcher(graph).rewrite() for graph in iter_graphs(model))


class _Matcher:
    """Recognises the expression in one graph, from its last node backwards."""

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.producers = {name: node for node in graph.node if is_standard(node) for name in node.output}
        self.scalars = {each.name: float(to_array(each).reshape(())) for each in graph.initializer if _is_scalar(each)}
        self.reads: Counter[str] = Counter()
        for inner in iter_graphs(graph):
            self.reads.update(name for node in inner.node for name in node.input)
            self.reads.update(each.name for each in inner.output)
        self.parts: list[NodeProto] = []

    def rewrite(self) -> int:
        """Rewrite every match; the last node of each becomes the new operator."""
        gone: dict[int, NodeProto] = {}
        count = 0
        # Backwards, so that a scale after the product is taken before the product alone could match.
        for node in reversed(self.graph.node):
            self.parts = []
            source = None if id(node) in gone else self._match(node)
            if source is not None:
                gone.update({id(part): part for part in self.parts})
                self._replace(node, source)
                count += 1
        for part in gone.values():
            self.graph.node.remove(part)
        return count

    def _replace(self, node: NodeProto, source: str) -> None:
        node.op_type = "HardSwish"
        node.ClearField("input")
        node.ClearField("attribute")
        node.input.append(source)
        for name in node.output:
            self.producers.pop(name, None)

    def _match(self, node: NodeProto) -> str | None:
        """Return x where `node` gives out hard-swish of x, its inner nodes in `parts`."""
        if self.producers.get(next(iter(node.output), "")) is not node:
            return None
        scale, product = self._unscaled(node)
        if product is None or product.op_type != "Mul":
            return None
        kept = list(self.parts)
        for source, gate in (product.input, reversed(product.input)):
            self.parts = list(kept)
            if self._is_gate(gate, source, scale):
                return source
        return None

    def _unscaled(self, node: NodeProto | None) -> tuple[float, NodeProto | None]:
        """Strip multiplications with and divisions by scalars; return the factor and what is scaled."""
        scale = 1.0
        while node is not None and (step := self._scaling(node)) is not None:
            factor, inner = step
            scale *= factor
            node = self._part(inner)
        return scale, node

    def _scaling(self, node: NodeProto) -> tuple[float, str] | None:
        if node.op_type not in {"Mul", "Div"}:
            return None
        first, second = node.input
        if self.scalars.get(second):
            value = self.scalars[second]
            return (1 / value if node.op_type == "Div" else value), first
        if node.op_type == "Mul" and first in self.scalars:
            return self.scalars[first], second
        return None

    def _part(self, name: str) -> NodeProto | None:
        """Return the node that makes `name`, if nothing else reads it."""
        node = self.producers.get(name)
        if node is None or self.reads[name] != 1:
            return None
        self.parts.append(node)
        return node

    def _is_gate(self, gate: str, source: str, scale: float) -> bool:
        """Tell whether `gate`, times `scale`, is clip(source / 6 + 1/2, 0, 1)."""
        factor, node = self._unscaled(self._part(gate))
        if node is None:
            return False
        total = scale * factor
        if node.op_type == "HardSigmoid":
            slope, offset = float_attribute(node, "alpha", 0.2), float_attribute(node, "beta", 0.5)
            return node.input[0] == source and _equal(slope, 1 / 6) and _equal(offset, 0.5) and _equal(total, 1)
        if node.op_type != "Clip" or not _equal(total, 1 / 6) or len(node.input) != 3:
            return False
        low, high = (self.scalars.get(name) for name in node.input[1:3])
        return low == 0 and high == 6 and self._is_shifted(self._part(node.input[0]), source)

    def _is_shifted(self, node: NodeProto | None, source: str) -> bool:
        if node is None or node.op_type != "Add" or source not in node.input:
            return False
        other = node.input[1] if node.input[0] == source else node.input[0]
        return self.scalars.get(other) == 3


def _is_scalar(tensor: TensorProto) -> bool:
    # One element in more dimensions could add dimensions to the result.
    return tensor.data_type == TensorProto.FLOAT and list(tensor.dims) in ([], [1])


def _equal(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-4)
