"""What memory measured of a plan, as evidence for its chance here: as much as the models are alike, and no more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...contracts import Outcome, Plan, PolicyState, Recalled
from .carried import plan_here, portable
from .channel_forecast import at_least
from .experience import closeness, forms_of
from .needs import allowed_drop, speed_bounds
from .predict import estimate
from .sizes import SIZE_SPREAD_MEASURED

# However alike the models are, and whatever is claimed, evidence weighs no more than this against what is predicted.
MOST_WEIGHT = 2 / 3
# From this weight on, evidence may change what is tried: other models tell too little of this one.
TELLING = 0.5
# Of odds, how much better a plan must be to come before the policy's own.
CLEARLY = 2.0
SIZE_SPREAD, SPEED_SPREAD, QUALITY_SPREAD_DB, DROP_SPREAD = 0.02, 0.06, 2.0, 0.004
# Of this very model: what missed by a hair will miss again, and what answered so will answer so on other samples.
OWN_SIZE_SPREAD, OWN_QUALITY_SPREAD_DB = SIZE_SPREAD_MEASURED, 0.7
UNLIKELY = 0.5
_NO_ODDS = 1e-12


@dataclass(frozen=True)
class Evidence:
    """How a plan, or one nearly the same, did before.

    Attributes:
        weight: of what was measured, 0 to `MOST_WEIGHT`: how alike the closest of the models is.
        chance: that what was measured lies within the bounds of now.
    """

    weight: float = 0.0
    chance: float = 0.0


def likeness_of(item: Recalled) -> float:
    """Return how alike the model of an outcome is to this one."""
    return 1.0 if item.same_model else item.likeness


def evidence(plan: Plan, state: PolicyState) -> Evidence:
    """Return what memory measured of a plan; an outcome of an unlike model counts little, and none as its own."""
    weights, total = list[float](), 0.0
    for item in state.recalled:
        weight = closeness(likeness_of(item))
        if not weight or (told := _chance_then(item, plan, state)) is None:
            continue
        weights.append(weight)
        total += weight * told
    if not weights:
        return Evidence()
    return Evidence(min(max(weights), MOST_WEIGHT), total / sum(weights))


def weighed(likely: float, plan: Plan, state: PolicyState) -> float:
    """Return the chance of a plan of which `likely` is predicted, with what memory measured of it."""
    known = evidence(plan, state)
    return (1 - known.weight) * likely + known.weight * known.chance


def with_reason(plans: Sequence[Plan], own: Plan, state: PolicyState) -> list[Plan]:
    """Return the plans that there is reason to try before the one that the policy would try without memory.

    All with the chance that they have with memory. Those are clearly likelier whose chance was measured on a model that
    tells of this one. Only where this was so of the policy's own, mere predictions may come before it, too.
    """
    likelier = [plan for plan in plans if _odds(plan) >= CLEARLY * _odds(own)]
    measured = [plan for plan in likelier if evidence(plan, state).weight >= TELLING]
    return measured or (likelier if evidence(own, state).weight >= TELLING else [])


def _odds(plan: Plan) -> float:
    likely = plan.predicted.chance if plan.predicted else 0.0
    return max(likely, _NO_ODDS) / max(1 - likely, _NO_ODDS)


def would_meet(item: Recalled, state: PolicyState) -> bool:
    """Tell whether what was measured then is within every bound and guard of now, as far as it was measured."""
    plan = plan_here(item, state)
    return plan is not None and all(margin >= 0 for margin in _margins(item, plan, state))


def speed_here(item: Recalled, plan: Plan, state: PolicyState) -> float | None:
    """Return the speedup to reckon with: what was measured on this machine, or what is expected on it."""
    if item.outcome.hardware == state.host.fingerprint:
        return item.outcome.speedup
    return estimate(plan, state).speedup


def _chance_then(item: Recalled, plan: Plan, state: PolicyState) -> float | None:
    """Return the chance that an outcome has under these bounds, None where it tells nothing of the plan."""
    past = item.outcome
    if past.profile.format != state.profile.format:
        return None
    if _is_beginning(past.plan, plan):
        return _if_unlikely(_likely(_quality_margins(item, state)))
    if not any(other is not None and _alike(other, plan) for other in _carried(item, state)):
        return None
    if past.verdict == "failed" or _failed_on_final(past):
        return 0.0
    if past.size_ratio is None:
        return None
    margins = list(_margins(item, plan, state))
    # Not everything was measured: what was can tell that the plan misses, and not that it meets.
    return _likely(margins) if -math.inf not in margins else _if_unlikely(_likely(margins))


def _is_beginning(past: Plan, plan: Plan) -> bool:
    """Tell whether an outcome is that of pruning alone, with which the plan begins: it can only get worse after."""
    return past.quantize is None and plan.quantize is not None and at_least(plan.prune, past.prune)


def _likely(margins: Iterable[float]) -> float:
    """Return the chance that all measured margins hold again."""
    known = (margin for margin in margins if margin > -math.inf)
    return math.exp(sum(-math.log1p(math.exp(-margin)) if margin > -30 else margin for margin in known))


def _if_unlikely(chance: float) -> float | None:
    return chance if chance < UNLIKELY else None


def _failed_on_final(past: Outcome) -> bool:
    """Tell whether an outcome was measured in full but for its quality, which is not kept where it proved flattered."""
    return past.verdict == "not_met" and past.speedup is not None and past.fidelity_db is None


def _carried(item: Recalled, state: PolicyState) -> Iterator[Plan | None]:
    yield portable(item.outcome.plan, state.profile)
    yield plan_here(item, state)


def _alike(one: Plan, other: Plan) -> bool:
    """Tell whether two plans try nearly the same: the same forms, as carefully to a decibel."""
    if one.same_as(other):
        return True
    goals = [plan.quantize.min_fidelity_db if plan.quantize else None for plan in (one, other)]
    near = goals[0] == goals[1] or (None not in goals and abs((goals[0] or 0.0) - (goals[1] or 0.0)) <= 1.0)
    return near and forms_of(one) == forms_of(other)


def _margins(item: Recalled, plan: Plan, state: PolicyState) -> Iterator[float]:
    """Yield how far within each bound the outcome lies, in spreads; what was not measured is endlessly outside."""
    bounds, past, size = state.request.constraints, item.outcome, state.profile.size_bytes
    for limit in (bounds.max_size_ratio, bounds.max_size_bytes / size if bounds.max_size_bytes else None):
        if limit is not None:
            spread = OWN_SIZE_SPREAD if item.same_model else SIZE_SPREAD
            yield math.log(limit / past.size_ratio) / spread if past.size_ratio else -math.inf
    for wanted in speed_bounds(state):
        reached = speed_here(item, plan, state)
        yield math.log(reached / wanted) / SPEED_SPREAD if reached else -math.inf
    yield from _quality_margins(item, state)


def _quality_margins(item: Recalled, state: PolicyState) -> Iterator[float]:
    bounds, past = state.request.constraints, item.outcome
    for asked, decibels in (
        (bounds.min_fidelity_db, past.fidelity_db),
        (bounds.min_logits_fidelity_db, past.logits_fidelity_db),
    ):
        if asked is not None:
            spread = OWN_QUALITY_SPREAD_DB if item.same_model else QUALITY_SPREAD_DB
            yield (decibels - asked) / spread if decibels is not None else -math.inf
    drop = past.drop if past.metric == state.request.scored_by else None
    if drop is not None and (bounds.needs_labels or "accuracy" not in state.request.allow_regression):
        yield (allowed_drop(state) - drop) / DROP_SPREAD
    elif bounds.needs_labels:
        yield -math.inf
