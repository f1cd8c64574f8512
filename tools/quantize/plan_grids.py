"""The grid of each quantized tensor of a plan.

Most come from calibrated ranges. What leads into a `HardSwish` or `HardSigmoid` gets a scale that their corners are
whole multiples of, and a range that ends at a corner behind which all is the same; the gate is then the same codes,
clipped and read on another grid, without rounding. A rescaling too is its input read on another grid. Outputs of
`Sigmoid`, `Tanh` and `HardSigmoid` lie between bounds that need no calibration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from onnx import NodeProto

from .carriers import Rescaling, is_hard, offset, slope
from .clipping import Range
from .code_grids import CODES, UNIT, CodeGrid, range_grid
from .static_plan import Planner, StaticPlan

TANH_STEPS = 254  # of a sigmoid: an even number, so that its middle, where tanh is zero, is a code
TANH = CodeGrid(np.float32(2 / TANH_STEPS), TANH_STEPS // 2)
CLIP_OPSET = 12  # Clip has no integers below


@dataclass(frozen=True)
class Gate:
    """A `HardSigmoid` of an 8-bit tensor as codes of that tensor, kept within `low` and `high` and read on `grid`."""

    grid: CodeGrid
    low: int
    high: int


class Grids:
    """Grids by tensor, worked out at their first use."""

    def __init__(self, planner: Planner, plan: StaticPlan, ranges: Mapping[str, Range]) -> None:
        self._planner, self._plan, self._ranges = planner, plan, ranges
        self._made: dict[str, CodeGrid] = {}
        self._sharing: dict[str, list[str]] = {}
        for name, root in plan.scales.items():
            self._sharing.setdefault(root, []).append(name)
        self._makers = {
            name: index
            for index in plan.quantized
            for name in (*planner.nodes[index].output, planner.nodes[plan.last(index)].output[0])
        }

    def of(self, tensor: str) -> CodeGrid:
        """Return the grid that the codes of a quantized tensor are read on."""
        root = self._plan.scales[tensor]
        if root not in self._made:
            self._made[root] = self._bounded(root) or self._calibrated(root)
        return self._made[root]

    def gate(self, node: NodeProto) -> Gate | None:
        """Return how `node` (`HardSwish`, `HardSigmoid`) is read off its input, None where that would round."""
        grid = self.of(node.input[0])
        below, above = grid.codes(offset(node) / slope(node)), grid.codes((1 - offset(node)) / slope(node))
        if self._planner.opset < CLIP_OPSET or below is None or above is None or grid.zero < below:
            return None
        made = CodeGrid(np.float32(slope(node) * float(grid.scale)), grid.zero - below)
        return Gate(made, made.zero, min(grid.zero + above, CODES))

    def _bounded(self, root: str) -> CodeGrid | None:
        index = self._makers.get(root)
        if index is None:
            return None
        node = self._planner.nodes[self._plan.last(index)]
        if index in self._planner.rescalings and index in self._plan.carriers:
            return self._rescaled(self._planner.rescalings[index])
        if node.op_type == "HardSigmoid" and index in self._plan.carriers:
            gate = self.gate(node)
            return UNIT if gate is None else gate.grid
        return {"HardSigmoid": UNIT, "Sigmoid": UNIT, "Tanh": TANH}.get(node.op_type)

    def _rescaled(self, line: Rescaling) -> CodeGrid:
        grid = self.of(line.source)
        zero = grid.zero + round(line.root / float(grid.scale))
        return CodeGrid(np.float32(line.factor * float(grid.scale)), min(max(zero, 0), CODES))

    def _calibrated(self, root: str) -> CodeGrid:
        carriers = [index for index in self._readers(root) if index is not None and index in self._plan.carriers]
        nodes = [self._planner.nodes[index] for index in carriers]
        corners = [-offset(node) / slope(node) for node in nodes if is_hard(node)]
        zeros = [self._planner.rescalings[index].root for index in carriers if index in self._planner.rescalings]
        span = self._cornered(root)
        # What is zero after a shift has to be among the codes.
        wide = replace(span, low=min(span.low, *zeros, 0.0), high=max(span.high, *zeros, 0.0))
        return range_grid(wide, next((abs(each) for each in (*corners, *zeros) if each), None))

    def _readers(self, root: str) -> list[int | None]:
        return [index for name in self._sharing[root] for index in self._planner.readers(name)]

    def _cornered(self, root: str) -> Range:
        """Return the range without what lies behind the corners of all that reads the tensor, in whatever form."""
        span, readers = self._ranges[root], self._readers(root)
        nodes = [self._planner.nodes[index] for index in readers if index is not None]
        if len(self._sharing[root]) > 1 or len(nodes) < len(readers) or not all(map(is_hard, nodes)):
            return span
        low = min((-offset(node) / slope(node) for node in nodes), default=-inf)
        high = max(
            ((1 - offset(node)) / slope(node) if node.op_type == "HardSigmoid" else inf for node in nodes), default=inf
        )
        return replace(span, low=max(span.low, low), high=max(min(span.high, high), low))
