"""Widen channels to a multiple of the runtime's block with filters of zeros.

Before: convolutions of, say, 88 channels with poolings, sums and gates between them. After: 96, the new ones zero where
they are made and multiplied by zero where they are read. onnxruntime lays channels out in blocks of 8 or 16 and pads
them inside a convolution anyway, but only a multiple stays in that layout through a pooling, and a convolution that
reads another number may leave it altogether (see its `nchwc_transformer.cc`). The file grows: the cheapest groups of
channels are widened first, as far as there is room. Whether it pays is measured.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto

from ..quantize.graphs import input_name, int_attribute
from .scope import Scope, rewrite_graphs
from .tracing import KEEPING

BLOCK = 16
# A dense convolution keeps the layout where it reads a multiple of these, and at least a block.
_READABLE = 4
_POOLS = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"})
_PASSING = KEEPING | _POOLS
_JOINING = frozenset({"Add", "Mul", "Sum"})
_FLOAT_BYTES = 4


def align_channels(model: ModelProto, spare: float = math.inf) -> int:
    """Rewrite in place and return how many groups of channels were widened.

    Args:
        model: with its weights.
        spare: bytes by which it may grow.
    """
    left = spare

    def align(scope: Scope) -> int:
        nonlocal left
        groups, chosen = _Groups(scope), list[_Group]()
        for group in sorted(groups.alignable(), key=groups.added_bytes):
            if (added := groups.added_bytes(group)) <= left:
                left -= added
                chosen.append(group)
        _widen(scope, chosen)
        groups.restate(chosen)
        return len(chosen)

    return rewrite_graphs(model, align)


@dataclass
class _Group:
    """Values that have the same channels.

    Attributes:
        counts: of channels, as the convolutions around them have them; one number where all is well.
        makers: convolutions whose filters these channels are.
        readers: convolutions that sum over these channels.
        fixed: something else makes or reads one, so that their number must stay.
        pooled: a pooling or a gate stands among them.
    """

    counts: set[int] = field(default_factory=set[int])
    makers: list[NodeProto] = field(default_factory=list[NodeProto])
    readers: list[NodeProto] = field(default_factory=list[NodeProto])
    fixed: bool = False
    pooled: bool = False

    @property
    def missing(self) -> int:
        """Channels that a multiple of the block lacks."""
        return -next(iter(self.counts)) % BLOCK

    @property
    def gains(self) -> bool:
        """Whether all can be widened, and something keeps the blocked layout only then."""
        if self.fixed or not self.makers or len(self.counts) != 1 or not self.missing:
            return False
        (channels,) = self.counts
        return self.pooled or (bool(self.readers) and (channels < BLOCK or channels % _READABLE > 0))

    def join(self, other: _Group) -> None:
        """Take over another group."""
        self.counts |= other.counts
        self.makers += other.makers
        self.readers += other.readers
        self.fixed |= other.fixed
        self.pooled |= other.pooled


class _Groups:
    """The groups of one graph, found by joining values through the operators that keep channels apart."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._of: dict[str, _Group] = {}
        for node in scope.nodes:
            self._take(node)
        for name, group in self._of.items():
            group.fixed |= scope.producer(name) is None or None in scope.readers(name)

    def alignable(self) -> Iterator[_Group]:
        """Yield what can be widened and gains from it."""
        found = {id(group): group for group in self._of.values()}
        yield from (group for group in found.values() if group.gains)

    def added_bytes(self, group: _Group) -> int:
        """Return by how much the weights grow."""
        made = sum(self._weight(node)[0].size + bool(input_name(node, 2)) for node in group.makers)
        return _FLOAT_BYTES * group.missing * (made + sum(self._weight(node)[:, 0].size for node in group.readers))

    def restate(self, widened: Collection[_Group]) -> None:
        """Say of the values of `widened` how many channels they have now, where the file says anything."""
        new = {id(group): next(iter(group.counts)) + group.missing for group in widened}
        for value in self._scope.graph.value_info:
            group, dims = self._of.get(value.name), value.type.tensor_type.shape.dim
            if id(group) in new and len(dims) > 1:
                dims[1].dim_value = new[id(group)]

    def _take(self, node: NodeProto) -> None:
        inputs, output = [name for name in node.input if name], node.output[0]
        known = self._scope.producer(output) is node and len(node.output) == 1
        if known and node.op_type == "Conv" and self._is_paddable(node):
            self._take_conv(node)
        elif known and node.op_type in _PASSING:
            self._join((inputs[0], output)).pooled |= node.op_type in _POOLS
        elif known and node.op_type in _JOINING:
            varying = [name for name in inputs if self._scope.scalar(name) is None]
            group = self._join((*varying, output))
            group.pooled |= node.op_type == "Mul" and len(varying) > 1
        else:
            for name in (*inputs, *node.output):
                self._join((name,)).fixed = True

    def _take_conv(self, node: NodeProto) -> None:
        weight = self._weight(node)
        if int_attribute(node, "group", 1) > 1:
            made = self._join((node.input[0], node.output[0]))
        else:
            made, read = self._join((node.output[0],)), self._join((node.input[0],))
            read.readers.append(node)
            read.counts.add(weight.shape[1])
        made.makers.append(node)
        made.counts.add(weight.shape[0])

    def _is_paddable(self, node: NodeProto) -> bool:
        """Tell whether it is a dense or depthwise convolution of two dimensions with weights of its own."""
        weight, groups = self._scope.floats(node.input[1]), int_attribute(node, "group", 1)
        bias = self._scope.floats(node.input[2]) if input_name(node, 2) else None
        if weight is None or weight.ndim != 4 or not self._scope.alone(node.input[1]):
            return False
        if input_name(node, 2) and (bias is None or bias.shape != weight.shape[:1]):
            return False
        return groups == 1 or (groups == weight.shape[0] and weight.shape[1] == 1)

    def _weight(self, node: NodeProto) -> np.ndarray:
        found = self._scope.constant(node.input[1])
        assert found is not None, "a convolution without constant weights is not taken"
        return found

    def _join(self, names: Iterable[str]) -> _Group:
        first, *rest = (self._of.setdefault(name, _Group()) for name in names)
        for other in rest:
            if other is not first:
                first.join(other)
                self._of.update({name: first for name, group in self._of.items() if group is other})
        return first


def _widen(scope: Scope, groups: Iterable[_Group]) -> None:
    """Add filters of zeros, and zeros to the filters that read their results."""
    nodes: dict[int, NodeProto] = {}
    made: dict[int, int] = {}
    read: dict[int, int] = {}
    for group in groups:
        for sides, several in ((made, group.makers), (read, group.readers)):
            for node in several:
                nodes[id(node)] = node
                sides[id(node)] = group.missing
    for key, node in nodes.items():
        _pad(scope, node, made.get(key, 0), read.get(key, 0))


def _pad(scope: Scope, node: NodeProto, made: int, read: int) -> None:
    names = list(node.input)
    for at, widths in enumerate([[(0, made), (0, read), (0, 0), (0, 0)], [(0, made)]], 1):
        value = scope.constant(names[at]) if input_name(node, at) else None
        if value is not None and any(after for _, after in widths):
            names[at] = scope.store(np.pad(value, widths), names[at])
    scope.set_inputs(node, names)
    for each in node.attribute:
        if each.name == "group" and each.i > 1:
            each.i += made
