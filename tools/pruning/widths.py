"""How many channels of each group are to stay: damage and time are measured, then the choice is solved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Self

from onnx import ModelProto
from pydantic import Field, model_validator

from ...contracts import Contract, NoOpError, PruneStep, ToolError
from ..mixture.problem import Targets
from ..quantize.calibrate import Feeds
from .blocks import able_groups, uniform
from .costs import Costs
from .coupling import couplings
from .damage import TIME_LIMIT_S, Damages, measure_damages
from .ratios import Chosen, choose_widths
from .survey import node_times, prepare

TIMED_SAMPLES = 4


class WidthBounds(Contract):
    """What the model without the channels must be within, against the model as it is; at least one is given.

    Attributes:
        max_size_ratio: bytes of its files.
        min_speedup: by the time of its nodes.
        min_fidelity_db: SQNR at the logits, as damages of single groups add up.
    """

    max_size_ratio: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_speedup: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    min_fidelity_db: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if all(bound is None for bound in self.model_dump().values()):
            raise ValueError("widths are chosen within bounds: give a size, a speed or a fidelity")
        return self

    def targets(self, costs: Costs) -> Targets:
        """Return the bounds in bytes, microseconds and noise."""
        return Targets(
            size=self.max_size_ratio * costs.size if self.max_size_ratio is not None else None,
            us=costs.us / self.min_speedup if self.min_speedup is not None else None,
            noise=10 ** (-self.min_fidelity_db / 10) if self.min_fidelity_db is not None else None,
        )


class GroupDamage(Contract):
    """Channels that go together: how many, and by how many are left the noise at the logits relative to their power."""

    group: str
    width: int
    damage: dict[int, float]


class WidthChoice(Contract):
    """The step that prunes within the bounds, or comes nearest to them, and what it is predicted to reach.

    Attributes:
        groups: what was measured, the heaviest first; groups that there was no time for keep their channels.
        within: whether the prediction is within the bounds.
    """

    step: PruneStep
    groups: tuple[GroupDamage, ...]
    size_ratio: float
    speedup: float
    fidelity_db: float
    within: bool


def find_widths(
    model: ModelProto, size: int, bounds: WidthBounds, feeds: Feeds, judged_on: Feeds, seconds: float = TIME_LIMIT_S
) -> WidthChoice:
    """Return the widths of least damage within `bounds`.

    Args:
        model: loaded; its Constant nodes are lifted and its nodes named in place.
        size: bytes of its files.
        bounds: on the whole.
        feeds: unlabelled samples to fit what is left to.
        judged_on: others, to measure damage and time on.
        seconds: of measuring damage, after which no group is begun.

    Raises:
        NoOpError: no channels can go, or none without missing the bounds by more.
        ToolError: there are no samples, the model does not run on them, or cannot be timed where speed is bound.
    """
    prepare(model)
    groups = able_groups(couplings(model).groups)
    if not groups:
        raise NoOpError("no layer has channels that can go", "pruning")
    if not len(feeds) or not len(judged_on):
        raise ToolError("what channels are worth is measured on samples: give data", "pruning")
    costs = Costs(model, groups, size, node_times(model, groups, list(judged_on[:TIMED_SAMPLES])))
    if bounds.min_speedup is not None and costs.us <= 0:
        raise ToolError("the model is too large for its nodes to be timed: bound its size instead", "pruning")
    groups.sort(key=lambda group: costs.bytes(uniform([group], 0.5)))
    damages = measure_damages(model, groups, feeds, judged_on, seconds)
    chosen = choose_widths(groups, costs, damages, bounds.targets(costs))
    if not chosen.widths:
        raise NoOpError("no channels can go within these bounds", "pruning")
    return _choice(chosen, costs, damages, {group.id: group.width for group in groups})


def _choice(chosen: Chosen, costs: Costs, damages: Damages, widths: Mapping[str, int]) -> WidthChoice:
    totals = chosen.totals
    return WidthChoice(
        step=PruneStep(method="structured", widths=chosen.widths),
        groups=tuple(GroupDamage(group=each, width=widths[each], damage=dict(damages[each])) for each in damages),
        size_ratio=totals.size / costs.size,
        speedup=costs.us / totals.us if totals.us > 0 else 1.0,
        fidelity_db=-10 * math.log10(totals.noise),
        within=chosen.within,
    )
