"""What a node must be told when channels of what it reads or gives have gone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import to_tensor
from ..quantize.graphs import Names, input_name, uses
from .labels import Axes, Axis, Labels, Mask, stays
from .trace import Trace


class Slicer:
    """The graph as it was, what goes of it, and the graph as it becomes.

    Attributes:
        trace: the walk over the graph as it was.
        model: what is changed.
        nodes: those of the new graph so far.
    """

    def __init__(self, trace: Trace, model: ModelProto, going: Mask) -> None:
        self.trace = trace
        self.model = model
        self.nodes: list[NodeProto] = []
        self._going = going
        self._names = Names(model)
        self._uses = uses(trace.model.graph)
        self._late: list[NodeProto] = []

    def left(self, axis: Axis) -> Labels | None:
        """Return the positions of an axis that are left, or None where none goes."""
        if axis is None or stays(axis):
            return None
        gone = self._going[axis]
        return np.flatnonzero(~gone) if gone.any() else None

    def axes(self, name: str) -> Axes:
        """Return the axes of a tensor, none where its rank is not known."""
        return self.trace.axes.get(name, ())

    def cut_axes(self, name: str) -> dict[int, Labels]:
        """Return by axis what is left of a tensor, for those axes that lose some."""
        return self.of(self.axes(name))

    def width(self, name: str, at: int) -> int | None:
        """Return the extent of an axis as it is now, if it is known."""
        axes = self.axes(name)
        axis = axes[at] if -len(axes) <= at < len(axes) else None
        left = self.left(axis)
        return len(left) if left is not None else None if axis is None else len(axis)

    def of(self, axes: Axes) -> dict[int, Labels]:
        """Return by axis what is left, for those axes that lose some."""
        return {at: found for at, axis in enumerate(axes) if (found := self.left(axis)) is not None}

    def constant(self, values: np.ndarray, base: str) -> str:
        """Add an initializer; return its name."""
        name = self._names.fresh(base)
        self.model.graph.initializer.append(to_tensor(values, name))
        return name

    def fresh(self, base: str) -> str:
        """Return a name that nothing has."""
        return self._names.fresh(base)

    def readers(self, name: str) -> list[NodeProto]:
        """Return the nodes that read a tensor, one for each time; subgraphs' own are among them as they are."""
        return [each.node for each in self._uses.get(name, ())]

    def length(self, name: str, otherwise: int) -> int:
        """Return how many elements a vector has, `otherwise` where that is not known."""
        dims, known = self.trace.extents(name), self.trace.numbers.of(name)
        if dims is not None and len(dims) == 1 and isinstance(dims[0], int):
            return dims[0]
        return otherwise if known is None else len(known)

    def overwrite(self, node: NodeProto, index: int, entries: Mapping[int, int], length: int) -> None:
        """Make the node read a vector of integers, some entries of which are others than they were.

        Args:
            node: in the new graph.
            index: of the input.
            entries: by place in the vector.
            length: of the vector.
        """
        name = input_name(node, index)
        known = self.trace.numbers.array(name)
        if known is not None:
            values = known.copy()
            for at, each in entries.items():
                values[at] = each
            node.input[index] = self.constant(values, f"{name}_cut")
        elif entries:
            node.input[index] = self.fresh(f"{name}_cut")
            self.nodes.append(self._where(name, node.input[index], entries, length))

    def finish(self, node: NodeProto) -> None:
        """Add the node at hand, and what follows it."""
        self.nodes.append(node)
        self.nodes.extend(self._late)
        self._late.clear()

    def after(self, node: NodeProto, entries: Mapping[int, int], length: int) -> None:
        """Let the vector that a node gives have some entries that are others than they are."""
        name = node.output[0]
        node.output[0] = self.fresh(f"{name}_now")
        self._late.append(self._where(node.output[0], name, entries, length))

    def _where(self, name: str, output: str, entries: Mapping[int, int], length: int) -> NodeProto:
        mask, values = np.zeros(length, np.bool_), np.zeros(length, np.int64)
        for at, each in entries.items():
            mask[at], values[at] = True, each
        inputs = [self.constant(mask, f"{output}_where"), self.constant(values, f"{output}_is"), name]
        return helper.make_node("Where", inputs, [output], self.fresh(f"{output}_Where"))
