"""Make lessons of recalled outcomes: what was measured then against what priors predict for that model now."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...contracts import Lesson, PolicyState, Recalled
from .carried import portable
from .experience import closeness, forms_of
from .predict import estimate

# Fewer do not matter, more only cost time.
MOST_LESSONS = 24


def lessons(recalled: Sequence[Recalled], state: PolicyState) -> tuple[Lesson, ...]:
    """Return what recalled outcomes teach about the model of `state`, the weightiest first."""
    found = [lesson for item in recalled if (lesson := _lesson(item, state)) is not None]
    return tuple(sorted(found, key=lambda lesson: -lesson.weight)[:MOST_LESSONS])


def informed(state: PolicyState, recalled: Sequence[Recalled]) -> PolicyState:
    """Return the state with what memory knows of it; recipes are left out, for they are of other models, and long."""
    lean = tuple(
        item.model_copy(update={"outcome": item.outcome.model_copy(update={"recipe": None})}) for item in recalled
    )
    return state.model_copy(update={"recalled": lean, "lessons": lessons(lean, state)})


def _lesson(item: Recalled, state: PolicyState) -> Lesson | None:
    """Return the lesson of one outcome, None where nothing of it was measured or its model is another kind."""
    past = item.outcome
    weight = closeness(1.0 if item.same_model else item.likeness)
    plan = portable(past.plan, past.profile)
    if not weight or plan is None or past.profile.format != state.profile.format or past.size_ratio is None:
        return None
    then = state.model_copy(update={"profile": past.profile, "attempts": (), "recalled": (), "lessons": ()})
    expected = estimate(plan, then)
    known_here = past.hardware == state.host.fingerprint and past.speedup is not None
    decibels = past.fidelity_db if past.logits_fidelity_db is None else past.logits_fidelity_db
    return Lesson(
        forms=tuple(sorted(forms_of(plan))),
        weight=weight,
        log_size=_log(past.size_ratio * past.profile.size_bytes / max(expected.size_bytes, 1.0)),
        log_speed=_log((past.speedup or 1.0) / max(expected.speedup, 1e-3)) if known_here else None,
        fidelity_db=decibels - expected.fidelity_db if decibels is not None and math.isfinite(decibels) else None,
    )


def _log(ratio: float) -> float:
    return math.log(max(ratio, 1e-9))
