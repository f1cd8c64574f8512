"""How much of a model stands on channels that can go."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from onnx import ModelProto

from ..onnx_model import elements
from .coupling import couplings


class ChannelShares(NamedTuple):
    """Shares of all weights' elements: of those that give or read channels which can go, and that do both."""

    either: float
    both: float


def channel_shares(model: ModelProto) -> ChannelShares:
    """Return how much of a model shrinks with its channels, and how much of that on two axes."""
    axes: dict[str, set[int]] = defaultdict(set)
    for member in (member for group in couplings(model).groups for member in group.members):
        if member.role != "carries":
            axes[member.initializer].add(member.axis)
    total = max(sum(map(elements, model.graph.initializer)), 1)
    cut = [(elements(each), len(axes[each.name])) for each in model.graph.initializer if each.name in axes]
    return ChannelShares(
        sum(count for count, _ in cut) / total, sum(count for count, number in cut if number > 1) / total
    )
