"""What memory contributes to planning: plans that met as much before come first, those that failed do not.

Recalled outcomes are data that somebody else may have written. Their plans pass the same checks as all plans, what
they claim is bounded, and nothing of them reaches a constraint, a path or a verdict. Memory has the first word in a
run; it keeps it only as long as what this run measures is what memory foretold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

from ...contracts import Attempt, Corrections, Plan, PolicyState, Predicted, Profile, QuantizeLever, Recalled
from . import priors
from .allowed import allowed
from .corrections import LEAST_NOISE, LEAST_SAVING, MOST_NOISE, MOST_SAVING
from .experience import closeness, forms_of, learned
from .mixture_plans import size_aim, speed_aim
from .needs import HIGHEST_DB, LOWEST_DB, allowed_drop, fidelity_of, speed_bounds
from .predict import estimate

T = TypeVar("T")

# From this likeness on, what met on one model is tried first on the other.
SIMILAR_ENOUGH = 0.97
# What failed so often more than it met, in outcomes of this very model, is not tried first.
FAILED_TOO_OFTEN = 0.5
# However often a plan failed on models like this one, its chance is not taken for less than this share of it.
LEAST_STANDING = 1 / 3
# How far from what was foretold a measurement may be, before memory is believed no more: log size, log speed, dB.
OFF_SIZE, OFF_SPEED, OFF_DB = 0.1, 0.3, 6.0
# How much of the quality that was predicted of a mixture is given up on another model to keep its size and speed: these
# are predicted well, while quality is out by more than this on either model.
ROOM_DB = 12.0
SIZE_SPREAD, SPEED_SPREAD, QUALITY_SPREAD_DB, DROP_SPREAD = 0.02, 0.06, 2.0, 0.004
_COMPUTING = {*priors.CONVOLUTIONS, *priors.PRODUCTS, *priors.RECURRENT, "Gather"}
_FORMS = {"static", "dynamic", "half", "fp16", "int8", "int8_block", "int4"}


def remembered(state: PolicyState) -> Iterator[Plan]:
    """Yield plans that met at least these bounds on this model or one very like it, with what to expect of each.

    What was delivered comes first, then what met. What was measured in full on this very model but missed the bounds
    of its day (an offer) counts as well.
    """
    found = [(item.outcome, plan) for item, plan in _usable(state) if _would_meet(item, state)]
    seen: list[Plan] = []
    for _, plan in sorted(found, key=lambda each: (not each[0].delivered, each[0].verdict != "met")):
        if not any(plan.same_as(other) for other in seen):
            seen.append(plan)
            yield plan


def was_searched(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan comes from memory of this model under this objective, not only of one that is similar."""
    return plan.proposer == "memory" and any(
        item.same_model
        and item.outcome.objective == state.request.objective
        and (past := _plan_here(item, state)) is not None
        and past.same_as(plan)
        for item in state.recalled
    )


def standing(plan: Plan, state: PolicyState) -> float:
    """Return the factor of a plan's chance, at most 1: how often it, or one like it, met on similar models."""
    met, failed = _record(plan, state)
    return max((1 + met) / (1 + met + failed), LEAST_STANDING)


def is_avoided(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan failed on similar models too often to be the first that is tried."""
    met, failed = _record(plan, state)
    return failed - met >= FAILED_TOO_OFTEN


def is_believed(state: PolicyState) -> bool:
    """Tell whether memory still has a say: before the first attempt, and while all that it foretold came about.

    `state` is that with everything recalled. Where nothing of what was tried is known to memory, nothing vouches for
    it either.
    """
    if not state.attempts:
        return True
    before = state.model_copy(update={"attempts": ()})
    foretold = [
        attempt
        for attempt in state.attempts
        if attempt.plan.proposer == "memory" or learned(attempt.plan, before).weight >= FAILED_TOO_OFTEN / 2
    ]
    return bool(foretold) and all(map(_came_about, foretold))


def _came_about(attempt: Attempt) -> bool:
    """Tell whether an attempt was measured near what was predicted of it; what is better is no reproach."""
    foretold, found = attempt.plan.predicted, attempt.comparison
    if foretold is None or found is None or attempt.verdict.kind == "failed":
        return False
    reached = fidelity_of(attempt)
    return (
        math.log(found.size_ratio.value / foretold.size_ratio) <= OFF_SIZE
        and (found.speedup is None or math.log(foretold.speedup / found.speedup.value) <= OFF_SPEED)
        and (reached is None or foretold.fidelity_db - reached <= OFF_DB)
    )


def portable(plan: Plan, profile: Profile) -> Plan | None:
    """Return a recalled plan for a model: without operators that it has not, None where it says what no plan says."""
    lever = plan.quantize
    if lever is None:
        return plan.model_copy(update={"reason": "", "predicted": None})
    numbers = (lever.min_fidelity_db, lever.max_size_ratio, lever.min_speedup)
    if not all(number is None or math.isfinite(number) for number in numbers):
        return None
    if lever.min_fidelity_db is not None and not LOWEST_DB <= lever.min_fidelity_db <= HIGHEST_DB:
        return None
    update = {
        "compute": _there(lever.compute, profile),
        "alternatives": _there(lever.alternatives, profile),
        "corrections": _bounded(lever.corrections),
    }
    kept: QuantizeLever | None = lever.model_copy(update=update)
    if not update["compute"] and lever.storage == "none":
        kept = None
    return plan.model_copy(update={"quantize": kept, "reason": "", "predicted": None})


def _plan_here(item: Recalled, state: PolicyState) -> Plan | None:
    """Return a recalled plan for the model at hand.

    On another model a mixture is chosen anew, from other tables. What met was where quality was predicted to be
    `forecast_db`, whatever was aimed at: so it aims there, within today's bounds, which it keeps before all of that.
    """
    past = item.outcome
    plan = portable(past.plan, state.profile)
    lever = plan.quantize if plan else None
    if plan is None or lever is None or not lever.mixture or item.same_model:
        return plan
    aims = [aim for aim in (lever.min_fidelity_db, past.forecast_db) if aim is not None and math.isfinite(aim)]
    update = {
        "min_fidelity_db": round(min(max(min(aims), LOWEST_DB), HIGHEST_DB), 1) if aims else None,
        "margin_db": max(lever.margin_db, ROOM_DB) if aims else 0.0,
        "max_size_ratio": size_aim(state),
        "min_speedup": speed_aim(state) if lever.compute else None,
    }
    return plan.model_copy(update={"quantize": lever.model_copy(update=update)})


def _there(chosen: Mapping[str, T], profile: Profile) -> dict[str, T]:
    return {name: form for name, form in chosen.items() if name in _COMPUTING and profile.operator(name) is not None}


def _bounded(given: Corrections) -> Corrections:
    noise = {form: min(max(factor, LEAST_NOISE), MOST_NOISE) for form, factor in given.noise.items() if form in _FORMS}
    saving = min(max(given.saving, LEAST_SAVING), MOST_SAVING)
    return Corrections(noise=noise, saving=saving, size_ratio=min(max(given.size_ratio, -0.5), 0.5))


def _usable(state: PolicyState) -> Iterator[tuple[Recalled, Plan]]:
    """Yield what met, or was measured in full, on this model or one very like it, with its plan for this one."""
    for item in state.recalled:
        past = item.outcome
        met = past.verdict == "met" or (item.same_model and past.verdict == "not_met" and past.speedup is not None)
        if not met or past.profile.format != state.profile.format or _likeness(item) < SIMILAR_ENOUGH:
            continue
        plan = _plan_here(item, state)
        if plan is None or not allowed(plan, state):
            continue
        where = "this model" if item.same_model else "a similar model"
        words = f"reached as much on {where} before, so it is tried first"
        yield (
            item,
            plan.model_copy(update={"proposer": "memory", "reason": words, "predicted": _foretold(item, plan, state)}),
        )


def _likeness(item: Recalled) -> float:
    return 1.0 if item.same_model else item.likeness


def _foretold(item: Recalled, plan: Plan, state: PolicyState) -> Predicted:
    """Return what to expect: what was measured then, and what is expected here where that says nothing."""
    past, here = item.outcome, estimate(plan, state)
    decibels = past.fidelity_db if past.logits_fidelity_db is None else past.logits_fidelity_db
    return Predicted(
        size_ratio=past.size_ratio or here.size_bytes / state.profile.size_bytes,
        speedup=_speed_here(item, plan, state) or here.speedup,
        fidelity_db=here.fidelity_db if decibels is None else min(max(decibels, LOWEST_DB), HIGHEST_DB),
        chance=math.exp(_log_chance(item, plan, state)) * standing(plan, state) * _likeness(item),
    )


def _speed_here(item: Recalled, plan: Plan, state: PolicyState) -> float | None:
    """Return the speedup to reckon with: what was measured on this machine, or what is expected on it."""
    if item.outcome.hardware == state.host.fingerprint:
        return item.outcome.speedup
    return estimate(plan, state).speedup


def _would_meet(item: Recalled, state: PolicyState) -> bool:
    """Tell whether what was measured then is within every bound and guard of now, as far as it was measured."""
    plan = _plan_here(item, state)
    return plan is not None and all(margin >= 0 for margin in _margins(item, plan, state))


def _margins(item: Recalled, plan: Plan, state: PolicyState) -> Iterator[float]:
    """Yield how far within each bound the outcome lies, in spreads; what was not measured is endlessly outside."""
    bounds, past, size = state.request.constraints, item.outcome, state.profile.size_bytes
    for limit in (bounds.max_size_ratio, bounds.max_size_bytes / size if bounds.max_size_bytes else None):
        if limit is not None:
            yield math.log(limit / past.size_ratio) / SIZE_SPREAD if past.size_ratio else -math.inf
    for wanted in speed_bounds(state):
        reached = _speed_here(item, plan, state)
        yield math.log(reached / wanted) / SPEED_SPREAD if reached else -math.inf
    for asked, decibels in (
        (bounds.min_fidelity_db, past.fidelity_db),
        (bounds.min_logits_fidelity_db, past.logits_fidelity_db),
    ):
        if asked is not None:
            yield (decibels - asked) / QUALITY_SPREAD_DB if decibels is not None else -math.inf
    drop = past.drop if past.metric == state.request.scored_by else None
    if drop is not None and (bounds.needs_labels or "accuracy" not in state.request.allow_regression):
        yield (allowed_drop(state) - drop) / DROP_SPREAD
    elif bounds.needs_labels:
        yield -math.inf


def _log_chance(item: Recalled, plan: Plan, state: PolicyState) -> float:
    """Return the log of the chance that what was measured then is within every bound here too."""
    return sum(-math.log1p(math.exp(-margin)) if margin > -30 else margin for margin in _margins(item, plan, state))


def _record(plan: Plan, state: PolicyState) -> tuple[float, float]:
    """Return how often plans like this one met and failed under these bounds, in outcomes of this very model."""
    met = failed = 0.0
    for item in state.recalled:
        weight, past = closeness(_likeness(item)), item.outcome
        other = portable(past.plan, state.profile)
        if not weight or other is None or past.profile.format != state.profile.format or not _alike(other, plan):
            continue
        if past.verdict == "failed":
            failed += weight
        elif past.size_ratio is not None:
            would = _would_meet(item, state)
            met, failed = met + weight * would, failed + weight * (not would)
    return met, failed


def _alike(one: Plan, other: Plan) -> bool:
    """Tell whether two plans try nearly the same: the same forms, as carefully to a decibel."""
    goals = [plan.quantize.min_fidelity_db if plan.quantize else None for plan in (one, other)]
    near = goals[0] == goals[1] or (None not in goals and abs((goals[0] or 0.0) - (goals[1] or 0.0)) <= 1.0)
    return near and forms_of(one) == forms_of(other)
