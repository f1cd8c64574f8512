"""Whether taking channels out is worth it: what can go, what that would save, and why the rest stays.

Nothing is cut here. Bytes are counted and times measured once, so the answer comes in seconds; what it would cost is
measured by whoever has a pruned model evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto

from ...contracts import Contract
from ..onnx_model import elements, iter_tensors
from ..quantize.calibrate import Feeds
from ..quantize.graphs import fixed_initializers
from .blocks import able_groups, uniform
from .costs import Costs
from .coupling import Group, couplings
from .survey import node_times, prepare, why_frozen

RATIOS = (0.3, 0.5, 0.7)
# Half of all channels that can go: with less than this share of the bytes and of the time it is not worth its damage.
LEAST_SAVED = 0.1
_REPORTED = 64


class ChannelGroup(Contract):
    """Channels that go together: how many, and the share of all weights that give or read them."""

    group: str
    width: int
    weight_share: float


class ChannelOption(Contract):
    """What is left when every group loses at most `ratio` of its channels; `speedup` where time was measured.

    The size is exact, the speed predicted from the time of each node.
    """

    ratio: float
    size_ratio: float
    speedup: float | None


class ChannelAdvice(Contract):
    """What channels can go and what that would save.

    Attributes:
        groups: those that can lose a block of channels, the heaviest first.
        both_axes: share of all weights that lose on two axes, so that half of the channels are a quarter of them.
        one_axis: share that loses on one.
        frozen: why channels stay that might have gone, by how often.
        options: none where no channels can go.
        worthwhile: whether it is recommended to go on, and `recommendation` why.
    """

    groups: tuple[ChannelGroup, ...] = ()
    both_axes: float = 0.0
    one_axis: float = 0.0
    frozen: dict[str, int] = {}
    options: tuple[ChannelOption, ...] = ()
    worthwhile: bool = False
    recommendation: str = ""


def advise_channels(model: ModelProto, size: int, feeds: Feeds = (), ratios: Sequence[float] = RATIOS) -> ChannelAdvice:
    """Advise on a loaded model, whose Constant nodes are lifted and whose nodes are named in place.

    Args:
        model: with all its weights.
        size: bytes of its files.
        feeds: some inputs to time it on; without any no speed is predicted.
        ratios: shares of the channels to look at.

    Raises:
        ToolError: the model does not run on the feeds.
    """
    prepare(model)
    found = couplings(model)
    groups, frozen = able_groups(found.groups), why_frozen(found)
    if not groups:
        return ChannelAdvice(frozen=frozen, recommendation=_nothing(frozen))
    costs = Costs(model, groups, size, node_times(model, groups, feeds))
    options = tuple(_option(costs, groups, ratio) for ratio in sorted(set(ratios)))
    half = _option(costs, groups, 0.5)
    worthwhile = half.size_ratio <= 1 - LEAST_SAVED or (half.speedup or 1.0) >= 1 / (1 - LEAST_SAVED)
    both, one = _shares(model, groups)
    return ChannelAdvice(
        groups=tuple(sorted(_groups(model, groups), key=lambda each: -each.weight_share)[:_REPORTED]),
        both_axes=both,
        one_axis=one,
        frozen=frozen,
        options=options,
        worthwhile=worthwhile,
        recommendation=_recommendation(half, worthwhile, both, frozen),
    )


def _option(costs: Costs, groups: Sequence[Group], ratio: float) -> ChannelOption:
    widths = uniform(groups, ratio)
    left = costs.microseconds(widths)
    speedup = costs.us / left if costs.us > 0 and left > 0 else None
    return ChannelOption(ratio=ratio, size_ratio=costs.bytes(widths) / max(costs.size, 1), speedup=speedup)


def _groups(model: ModelProto, groups: Sequence[Group]) -> list[ChannelGroup]:
    fixed, total = fixed_initializers(model.graph), _total(model)
    return [
        ChannelGroup(
            group=group.id,
            width=group.width,
            weight_share=sum(elements(fixed[name]) for name in {each.initializer for each in group.members}) / total,
        )
        for group in groups
    ]


def _shares(model: ModelProto, groups: Sequence[Group]) -> tuple[float, float]:
    """Return the share of all weights that can lose on two axes, and on one alone."""
    fixed, total = fixed_initializers(model.graph), _total(model)
    axes: dict[str, set[int]] = {}
    for member in (member for group in groups for member in group.members):
        axes.setdefault(member.initializer, set()).add(member.axis)
    by_count = [sum(elements(fixed[name]) for name, found in axes.items() if (len(found) > 1) == two) for two in (1, 0)]
    return by_count[0] / total, by_count[1] / total


def _total(model: ModelProto) -> int:
    return max(1, sum(elements(each) for each in iter_tensors(model)))


def _nothing(frozen: dict[str, int]) -> str:
    why = f": {_frequent(frozen)}" if frozen else ""
    return f"nothing to prune: no layer has channels that can go{why}; quantize instead"


def _recommendation(half: ChannelOption, worthwhile: bool, both: float, frozen: dict[str, int]) -> str:
    saved = f"{1 - half.size_ratio:.0%} of the bytes"
    if half.speedup is not None:
        saved += f" and {max(0.0, 1 - 1 / half.speedup):.0%} of the time"
    if worthwhile:
        return (
            f"worth trying: without half of the channels that can go {saved} are saved; {both:.0%} of the weights "
            "shrink on both axes. What it costs has to be measured after recovery"
        )
    why = f"; most stay because: {_frequent(frozen)}" if frozen else ""
    return f"not worth it: without half of the channels that can go only {saved} are saved{why}; quantize instead"


def _frequent(frozen: dict[str, int]) -> str:
    return next(iter(frozen), "")
