"""What a model weighs and takes with fewer channels, without building it.

Bytes are exact: a weight that loses channels on two axes shrinks by both. Time is measured once for each node that
reads such a weight, with what follows it, and shrinks as the node's weights do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto
from onnx.helper import tensor_dtype_to_np_dtype

from ..onnx_model import elements
from ..quantize.graphs import fixed_initializers
from .coupling import Group

Widths = Mapping[str, int]


@dataclass(frozen=True)
class _Axis:
    """An axis of a weight: what share of it one channel of each group is."""

    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class _Weight:
    nbytes: int
    axes: tuple[_Axis, ...]


@dataclass(frozen=True)
class Reader:
    """A node with the microseconds that it and what follows it take, and the weights that it reads."""

    us: float
    weights: tuple[str, ...]


class Costs:
    """Bytes and microseconds of a model by the widths of its groups; those not named keep theirs."""

    def __init__(self, model: ModelProto, groups: Sequence[Group], size: int, times: Mapping[str, float]) -> None:
        """Read the sizes of what can shrink.

        Args:
            model: what the groups are of.
            groups: those that can lose channels.
            size: bytes of the model's files.
            times: microseconds by name of node; none where nothing was timed.
        """
        self.size, self.us = size, sum(times.values())
        self._full = {group.id: group.width for group in groups}
        self._weights = _weights(model, groups)
        self._readers = _readers(model, self._weights, times)

    def bytes(self, widths: Widths) -> float:
        """Return the bytes that the model's files have with these widths."""
        return self.size - sum(each.nbytes * (1 - self._share(each, widths)) for each in self._weights.values())

    def microseconds(self, widths: Widths) -> float:
        """Return what a call takes with these widths, by the times of its nodes."""
        return self.us - sum(each.us * (1 - self._left(each, widths)) for each in self._readers)

    def prunable_bytes(self) -> int:
        """Return the bytes of weights that lose channels on every axis that is longer than one and could lose any."""
        return sum(each.nbytes for each in self._weights.values())

    def _share(self, weight: _Weight, widths: Widths) -> float:
        return math.prod(
            1 - sum(share * self._gone(group, widths) for group, share in axis.shares) for axis in weight.axes
        )

    def _gone(self, group: str, widths: Widths) -> int:
        return self._full[group] - widths.get(group, self._full[group])

    def _left(self, reader: Reader, widths: Widths) -> float:
        weights = [self._weights[name] for name in reader.weights]
        total = sum(each.nbytes for each in weights)
        return sum(each.nbytes * self._share(each, widths) for each in weights) / total


def _weights(model: ModelProto, groups: Sequence[Group]) -> dict[str, _Weight]:
    fixed = fixed_initializers(model.graph)
    axes: dict[str, dict[int, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for member in group.members:
            if member.initializer in fixed:
                share = member.positions.shape[1] / fixed[member.initializer].dims[member.axis]
                axes[member.initializer][member.axis].append((group.id, share))
    return {
        name: _Weight(
            tensor_dtype_to_np_dtype(fixed[name].data_type).itemsize * elements(fixed[name]),
            tuple(_Axis(tuple(shares)) for shares in found.values()),
        )
        for name, found in axes.items()
    }


def _readers(model: ModelProto, weights: Mapping[str, _Weight], times: Mapping[str, float]) -> list[Reader]:
    found = [
        Reader(times[node.name], tuple(name for name in node.input if name in weights))
        for node in model.graph.node
        if node.name in times
    ]
    return [each for each in found if each.weights]
