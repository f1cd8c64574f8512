"""How much of a model stands on channels that can go, and what is left of it without some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onnx import ModelProto

from ..onnx_model import elements
from .blocks import able_groups, uniform
from .costs import Costs
from .coupling import Group, couplings

RATIOS = (0.1, 0.25, 0.5, 0.7, 0.9)


class ChannelShares(NamedTuple):
    """What of a model shrinks with its channels, as shares of all weights' bytes.

    Attributes:
        either: of weights that give channels which can go, or read them.
        left: share of channels that each group loses at most → what all weights then have, without building it.
    """

    either: float
    left: tuple[tuple[float, float], ...]


def channel_shares(model: ModelProto) -> ChannelShares:
    """Return how much of a model shrinks with its channels; weights are not read."""
    groups = able_groups(couplings(model).groups)
    total = sum(4 * elements(each) for each in model.graph.initializer)
    if not groups or not total:
        return ChannelShares(0.0, ())
    costs = Costs(model, groups, total, {})
    return ChannelShares(
        _either(model, groups), tuple((ratio, costs.bytes(uniform(groups, ratio)) / total) for ratio in RATIOS)
    )


def _either(model: ModelProto, groups: Sequence[Group]) -> float:
    names = {member.initializer for group in groups for member in group.members if member.role != "carries"}
    total = sum(map(elements, model.graph.initializer))
    return sum(elements(each) for each in model.graph.initializer if each.name in names) / total
