"""What memory contributes to planning: plans that met as much before, on this model or on one that is very similar."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..contracts import Plan, PolicyState, Recalled
from .allowed import allowed
from .needs import speed_bounds
from .predict import chance, estimate

SIMILAR_ENOUGH = 0.95


def remembered(state: PolicyState) -> Iterator[Plan]:
    """Yield plans that met at least these bounds on this model, or on one that is very similar.

    What was measured in full on this very model but missed the bounds of its day (an offer) counts as well.
    """
    ranked = sorted(state.recalled, key=lambda item: (not item.outcome.delivered, item.outcome.verdict != "met"))
    for item in ranked:
        past = item.outcome
        if past.profile.format != state.profile.format:
            continue
        known = past.verdict == "met" or (item.same_model and past.verdict == "not_met" and past.speedup is not None)
        if not known or not (item.same_model or item.similarity >= SIMILAR_ENOUGH):
            continue
        if _would_meet(item, state) and allowed(item.outcome.plan, state):
            where = "this model" if item.same_model else "a similar model"
            words = f"reached as much on {where} before, so it is tried first"
            _, predicted = chance(item.outcome.plan, state)
            update = {"proposer": "memory", "reason": words, "predicted": predicted}
            yield item.outcome.plan.model_copy(update=update)


def was_searched(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan comes from memory of this model, not only of one that is similar."""
    return plan.proposer == "memory" and any(
        item.same_model and item.outcome.plan.same_as(plan) for item in state.recalled
    )


def _would_meet(item: Recalled, state: PolicyState) -> bool:
    bounds, past = state.request.constraints, item.outcome
    size = past.size_ratio if past.size_ratio is not None else math.inf
    checks = (
        (bounds.max_size_ratio, size, True),
        (bounds.max_size_bytes, size * state.profile.size_bytes, True),
        (_speed_to_keep(item, state), _speed_here(item, state), False),
        (bounds.max_accuracy_drop, past.drop if past.metric == state.request.scored_by else None, True),
        (bounds.min_fidelity_db, past.fidelity_db, False),
        (bounds.min_logits_fidelity_db, past.logits_fidelity_db, False),
    )
    return (past.verdict != "met" or past.objective == state.request.objective) and all(
        bound is None or (reached is not None and (reached <= bound if upper else reached >= bound))
        for bound, reached, upper in checks
    )


def _speed_here(item: Recalled, state: PolicyState) -> float | None:
    """Return the speedup to reckon with: what was measured on this machine, or what is expected on it."""
    if item.outcome.hardware == state.host.fingerprint:
        return item.outcome.speedup
    return estimate(item.outcome.plan, state).speedup


def _speed_to_keep(item: Recalled, state: PolicyState) -> float | None:
    """Return the speedup that is needed; what another machine measured does not vouch for the guard either."""
    if item.outcome.hardware == state.host.fingerprint:
        return state.request.constraints.min_speedup
    return max(speed_bounds(state), default=None)
