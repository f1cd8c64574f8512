"""Extend 8 bits from the units to the operators between them, as far as that pays.

A carrier is kept only where its output reaches a unit in 8 bits, where it shrinks what is to be dequantized, or where
it is asked for by name, so that nothing loses precision for no gain; of those, where the sizes of the tensors are
known, only the ones that make the whole faster (`form_cut`). An island of one carrier between float nodes does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from .carriers import (
    BOUNDED,
    DEQUANTIZE,
    PER_NODE,
    QUANTIZE,
    RESCALE,
    Rescaling,
    cost,
    is_activation,
    is_mover,
    operands,
)
from .clipping import Range
from .form_cut import FLOAT, PACKED, FormCut, Key

if TYPE_CHECKING:
    from .static_plan import Planner, StaticPlan

REDUCERS = ("GlobalAveragePool",)
WIDEST = 1.5  # what a range may be widened by for a shift after it


def carry(
    planner: Planner,
    plan: StaticPlan,
    keep: Collection[str],
    named: Collection[str],
    ranges: Mapping[str, Range] | None,
) -> None:
    """Add carriers to a plan that has its units.

    Args:
        planner: knows the graph.
        plan: is added to.
        keep: names of nodes that stay in floating point.
        named: names of carriers that are taken wherever 8 bits reach them.
        ranges: of the calibrated tensors, None before calibration.
    """
    growth = _Growth(planner, plan, keep, ranges)
    scales, absorbed = dict(plan.scales), dict(plan.absorbed)
    growth.grow()
    if ranges is not None and growth.has_sizes:
        kept = growth.cheapest() | {index for index in plan.carriers if planner.nodes[index].name in named}
        plan.scales, plan.absorbed = scales, absorbed
        plan.carriers.clear()
        growth.grow(kept)
    growth.prune(named)


@dataclass
class _Growth:
    planner: Planner
    plan: StaticPlan
    keep: Collection[str]
    ranges: Mapping[str, Range] | None

    @property
    def has_sizes(self) -> bool:
        """Whether the shapes of the quantized tensors were seen, or are yet to be."""
        return self.ranges is None or all(
            name not in self.ranges or self.ranges[name].shape is not None for name in self.plan.scales
        )

    def grow(self, only: Collection[int] | None = None) -> None:
        """Add what can pass quantized tensors on, forward through the graph."""
        for index, node in enumerate(self.planner.nodes):
            if index in self.plan.units or index in self.plan.merged or node.name in self.keep:
                continue
            if only is not None and index not in only:
                continue
            if is_mover(node):
                self._move(index)
            elif index in self.planner.rescalings:
                self._rescale(index)
            elif wanted := operands(node):
                self._mix(index, wanted)

    def _move(self, index: int) -> None:
        node = self.planner.nodes[index]
        if node.input[0] in self.plan.scales and all(self._known(name) for name in node.output):
            self.plan.carriers.add(index)
            self.plan.scales.update(dict.fromkeys(node.output, self.plan.scales[node.input[0]]))

    def _rescale(self, index: int) -> None:
        output, line = self.planner.nodes[index].output[0], self.planner.rescalings[index]
        if line.source in self.plan.scales and self._known(output) and self._holds_zero(line):
            self.plan.carriers.add(index)
            self.plan.scales[output] = output

    def _holds_zero(self, line: Rescaling) -> bool:
        """Tell whether the source's grid can have a code for what becomes zero, without becoming much coarser."""
        if line.shift == 0.0:
            return True
        root = self.plan.scales[line.source]
        maker = self.planner.maker(root)
        if maker is not None and (maker in self.planner.rescalings or self.planner.nodes[maker].op_type in BOUNDED):
            return False
        span = None if self.ranges is None else self.ranges.get(root)
        if span is None:
            return self.ranges is None
        low, high = min(span.low, 0.0), max(span.high, 0.0)
        return max(high, line.root) - min(low, line.root) <= WIDEST * (high - low)

    def _mix(self, index: int, wanted: Collection[str]) -> None:
        node, scales = self.planner.nodes[index], self.plan.scales
        if not any(name in scales for name in wanted) or not all(self._can_be_packed(name) for name in wanted):
            return
        if not is_activation(node):
            self.planner.absorb(self.plan, index, self.ranges)
        output = self.planner.output(self.plan, index)
        if not (self._known(output) or node.op_type in BOUNDED):
            return
        self.plan.carriers.add(index)
        for name in (*wanted, output):
            scales.setdefault(name, name)

    def _can_be_packed(self, tensor: str) -> bool:
        """Tell whether the tensor is quantized, or may be for one more reader: to be weighed by its size."""
        if tensor in self.plan.scales:
            return True
        sized = self.ranges is None or (tensor in self.ranges and self.ranges[tensor].shape is not None)
        return sized and self.planner.computed(tensor)

    def _known(self, tensor: str) -> bool:
        return self.ranges is None or tensor in self.ranges

    def cheapest(self) -> set[int]:
        """Return the carriers that together with the changes of form cost least."""
        cut = FormCut()
        for index in sorted(self.plan.carriers):
            node = self.planner.nodes[index]
            each = RESCALE if index in self.planner.rescalings else cost(node)
            size = sum(map(self._size, node.input[:1] if each.of_input else self.outputs(index)))
            cut.node(index, each.packed * size, each.floating * size)
        for tensor in sorted(self.plan.scales):
            size = self._size(tensor)
            readers = [self._key(reader) for reader in self.planner.readers(tensor)]
            cut.tensor(self._maker(tensor), readers, QUANTIZE * size + PER_NODE, self._unpacking(tensor, size))
        return {each for each in cut.packed() if isinstance(each, int)} & self.plan.carriers

    def _size(self, tensor: str) -> int:
        found = None if self.ranges is None else self.ranges.get(tensor)
        return prod(found.shape) if found is not None and found.shape is not None else 0

    def _key(self, index: int | None) -> Key:
        if index in self.plan.units:
            return PACKED
        return index if index is not None and index in self.plan.carriers else FLOAT

    def _maker(self, tensor: str) -> Key:
        inside = {self.plan.last(index): index for index in self.plan.quantized}
        found = self.planner.maker(tensor)
        return FLOAT if found is None else self._key(inside.get(found, found))

    def _unpacking(self, tensor: str, size: int) -> float:
        """A product of matrices gives out floats as it pleases."""
        found = self.planner.maker(tensor)
        free = found is not None and found in self.plan.units and self.planner.nodes[found].op_type != "Conv"
        return 0.0 if free else DEQUANTIZE * size + PER_NODE

    def outputs(self, index: int) -> list[str]:
        """Return what a quantized node gives, after what it absorbed."""
        found = list(self.planner.nodes[index].output)
        return found if len(found) > 1 else [self.planner.output(self.plan, index)]

    def prune(self, named: Collection[str]) -> None:
        """Take back carriers that are not `named`, scales of products and of operands, that no unit profits from."""
        for index in reversed(range(len(self.planner.nodes))):
            if index in self.plan.carriers and self.planner.nodes[index].name in named:
                continue
            if index in self.plan.quantized and not any(map(self._is_read, self.outputs(index))):
                self._take_back(index)
        made = {name for index in self.plan.quantized for name in self.outputs(index)}
        for name in [each for each in self.plan.scales if each not in made and not self._is_read(each)]:
            del self.plan.scales[name]

    def _take_back(self, index: int) -> None:
        node = self.planner.nodes[index]
        if node.op_type in (REDUCERS if index in self.plan.carriers else ("Conv",)):
            return
        gone = self.outputs(index)
        self.plan.carriers.discard(index)
        self.plan.absorbed.pop(index, None)
        for name in gone:
            self.plan.scales.pop(name, None)

    def _is_read(self, tensor: str) -> bool:
        return any(reader in self.plan.quantized for reader in self.planner.readers(tensor))
