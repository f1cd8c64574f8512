"""What memory contributes to planning: plans that met as much before, and whether it is still to be believed.

Recalled outcomes are data that somebody else may have written. Their plans pass the same checks as all plans, what
they claim is bounded, and nothing of them reaches a constraint, a path or a verdict. Memory has a say in a run only as
long as what this run measures is what memory foretold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...contracts import Attempt, Plan, PolicyState, Predicted, Recalled
from .allowed import allowed
from .carried import plan_here
from .chance import chance
from .evidence import TELLING, evidence, likeness_of, speed_here, weighed, would_meet
from .experience import learned
from .needs import HIGHEST_DB, LOWEST_DB, fidelity_of

# From this likeness on, what met on one model is among the plans for the other.
SIMILAR_ENOUGH = 0.97
# How far from what was foretold a measurement may be, before memory is believed no more: log size, log speed, dB.
OFF_SIZE, OFF_SPEED, OFF_DB = 0.1, 0.3, 6.0


@dataclass(frozen=True)
class Remembered:
    """A plan of memory with what to expect of it; `is_own` where it was measured on this very model."""

    plan: Plan
    is_own: bool


def remembered(state: PolicyState) -> Iterator[Remembered]:
    """Yield plans that met at least these bounds on this model or one very like it, with what to expect of each.

    Those of this very model come first; then what was delivered, then what met. What was measured in full on this very
    model but missed the bounds of its day (an offer) counts as well.
    """
    found = [(item, plan) for item, plan in _usable(state) if would_meet(item, state)]
    seen: list[Plan] = []
    for item, plan in sorted(found, key=lambda each: _precedence(each[0])):
        if not any(plan.same_as(other) for other in seen):
            seen.append(plan)
            yield Remembered(plan, item.same_model)


def _precedence(item: Recalled) -> tuple[bool, bool, bool]:
    return not item.same_model, not item.outcome.delivered, item.outcome.verdict != "met"


def was_searched(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan comes from memory of this model under this objective, not only of one that is similar."""
    return plan.proposer == "memory" and any(
        item.same_model
        and item.outcome.objective == state.request.objective
        and (past := plan_here(item, state)) is not None
        and past.same_as(plan)
        for item in state.recalled
    )


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
        if attempt.plan.proposer == "memory" or learned(attempt.plan, before).weight >= TELLING / 2
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


def _usable(state: PolicyState) -> Iterator[tuple[Recalled, Plan]]:
    """Yield what met, or was measured in full, on this model or one very like it, with its plan for this one."""
    for item in state.recalled:
        past = item.outcome
        met = past.verdict == "met" or (item.same_model and past.verdict == "not_met" and past.speedup is not None)
        if not met or past.profile.format != state.profile.format or likeness_of(item) < SIMILAR_ENOUGH:
            continue
        plan = plan_here(item, state)
        if plan is None or not allowed(plan, state):
            continue
        where = "this model" if item.same_model else "a similar model"
        words = f"reached as much on {where} before, so it is tried first"
        yield (
            item,
            plan.model_copy(update={"proposer": "memory", "reason": words, "predicted": _foretold(item, plan, state)}),
        )


def _foretold(item: Recalled, plan: Plan, state: PolicyState) -> Predicted:
    """Return what to expect: what was measured then, and what is expected here where that says nothing."""
    past, (likely, here) = item.outcome, chance(plan, state)
    decibels = past.fidelity_db if past.logits_fidelity_db is None else past.logits_fidelity_db
    return Predicted(
        size_ratio=past.size_ratio or here.size_ratio,
        speedup=speed_here(item, plan, state) or here.speedup,
        fidelity_db=here.fidelity_db if decibels is None else min(max(decibels, LOWEST_DB), HIGHEST_DB),
        chance=evidence(plan, state).chance if item.same_model else weighed(likely, plan, state),
    )
