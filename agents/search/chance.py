"""How likely a plan is to meet every bound and guard."""

from __future__ import annotations

import math

from ...contracts import Plan, PolicyState, Predicted
from .needs import allowed_drop, quality_need, speed_bounds
from .predict import Estimate, estimate


def chance(plan: Plan, state: PolicyState) -> tuple[float, Predicted]:
    """Return the chance that `plan` meets every bound and guard, with the prediction behind it."""
    guess = estimate(plan, state)
    ratio = guess.size_bytes / state.profile.size_bytes
    predicted = Predicted(size_ratio=ratio, speedup=guess.speedup, fidelity_db=guess.fidelity_db)
    logit = _log_odds(guess, state)
    likely = 0.001 if guess.failed else math.exp(logit)
    return likely, predicted.model_copy(update={"chance": min(max(likely, 0.0), 1.0)})


def _log_odds(guess: Estimate, state: PolicyState) -> float:
    """Return the log of the product of each bound's chance; never floored, so that hopeless plans still rank."""
    bounds, profile = state.request.constraints, state.profile
    total = 0.0
    for limit in (bounds.max_size_bytes, (bounds.max_size_ratio or 0) * profile.size_bytes or None):
        if limit:
            total += _log_sigmoid(math.log(limit / guess.size_bytes) / guess.size_spread)
    for wanted in speed_bounds(state):
        total += _log_sigmoid(math.log(guess.speedup / wanted) / guess.speed_spread)
    total += _log_sigmoid((guess.fidelity_db - quality_need(state)) / guess.quality_spread)
    if allowed_drop(state) < 0:
        total += math.log(0.02)
    return total


def _log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value)) if value > -30 else value
