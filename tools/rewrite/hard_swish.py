"""Write hard-swish as one operator.

Before: `x · clip(x + 3, 0, 6) / 6` in any order of factors, or `x · HardSigmoid(x)` with slope 1/6 and offset 1/2, as
exporters without the operator write it. After: `HardSwish(x)`. The runtime fuses it into the convolution before it and
saves changes of layout, which it cannot do for the parts. Needs opset 14 and constants of float32.
"""

from __future__ import annotations

import math

from onnx import ModelProto, NodeProto

from ..quantize.graphs import float_attribute
from .scope import Scope, rewrite_graphs

MIN_OPSET = 14


def fuse_hard_swish(model: ModelProto) -> int:
    """Rewrite in place and return how many operators became `HardSwish`; their parts and constants go."""
    return rewrite_graphs(model, _fuse)


def _fuse(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    count = 0
    # Backwards, so that a scale after the product is taken before the product alone could match.
    for node in reversed(scope.nodes):
        if scope.has(node) and (found := _Match(scope).read(node)) is not None:
            source, parts = found
            scope.become(node, "HardSwish", [source])
            scope.remove(parts)
            count += 1
    return count


class _Match:
    """Recognises the expression, from its last node backwards."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.parts: list[NodeProto] = []

    def read(self, node: NodeProto) -> tuple[str, list[NodeProto]] | None:
        """Return x where `node` gives out hard-swish of x, and the inner nodes."""
        if self.scope.producer(next(iter(node.output), "")) is not node:
            return None
        scale, product = self._unscaled(node)
        if product is None or product.op_type != "Mul":
            return None
        kept = list(self.parts)
        for source, gate in (product.input, reversed(product.input)):
            self.parts = list(kept)
            if self._is_gate(gate, source, scale):
                return source, self.parts
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
        if value := self.scope.scalar(second):
            return (1 / value if node.op_type == "Div" else value), first
        if node.op_type == "Mul" and (value := self.scope.scalar(first)) is not None:
            return value, second
        return None

    def _part(self, name: str) -> NodeProto | None:
        node = self.scope.part(name)
        if node is not None:
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
        low, high = (self.scope.scalar(name) for name in node.input[1:3])
        return low == 0 and high == 6 and self._is_shifted(self._part(node.input[0]), source)

    def _is_shifted(self, node: NodeProto | None, source: str) -> bool:
        if node is None or node.op_type != "Add" or source not in node.input:
            return False
        other = node.input[1] if node.input[0] == source else node.input[0]
        return self.scope.scalar(other) == 3


def _equal(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-4)
