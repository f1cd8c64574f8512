"""Let past measurements correct the priors: by how much such forms on such models differed from what was predicted.

The estimate is a weighted mean that is shrunk towards the priors, as a normal mean with a normal prior has it (Gelman
et al., Bayesian Data Analysis, 2.5): a lesson weighs by how alike its model is to this one and how much its forms
overlap with the plan's, and the priors weigh as `PRIOR_WEIGHT` of a lesson from this very model. What this run itself
measured of such forms takes the place of all lessons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...contracts import Attempt, Lesson, Plan, PolicyState, QuantizeLever
from . import priors

PRIOR_WEIGHT = 0.3
# Under this likeness a model teaches nothing about another; at 1 it is as good as the same. Of the benchmark's models,
# pairs that are 0.997 alike differ from priors unlike each other by 4 dB, pairs that are 0.98 alike by 11, as any two.
LEAST_LIKENESS, HALFWAY = 0.85, 0.003
CHANNELS = "channels taken out"
# A lesson says no more than this, whatever it claims.
MOST_LOG_SIZE, MOST_LOG_SPEED, MOST_DB = 0.3, 0.7, 12.0
_KINDS = {
    **dict.fromkeys(priors.CONVOLUTIONS, "convolutions"),
    **dict.fromkeys(priors.PRODUCTS, "products"),
    **dict.fromkeys(priors.RECURRENT, "recurrent"),
}


@dataclass(frozen=True)
class Learned:
    """What lessons add to a prediction, and how much they weigh together; nothing where there are none."""

    log_size: float = 0.0
    log_speed: float = 0.0
    fidelity_db: float = 0.0
    weight: float = 0.0

    def narrowed(self, spread: float, measured: float) -> float:
        """Return a spread between that of priors and that of a measurement, by the weight of the lessons."""
        if spread <= measured:
            return spread
        left = PRIOR_WEIGHT / (PRIOR_WEIGHT + self.weight)
        return math.sqrt(measured**2 + (spread**2 - measured**2) * left)


def closeness(likeness: float) -> float:
    """Return how much a model of this likeness tells of another, 0 to 1."""
    apart = max(1.0 - likeness, 0.0)
    return 1 / (1 + apart / HALFWAY) if likeness >= LEAST_LIKENESS else 0.0


def forms_of(plan: Plan) -> frozenset[str]:
    """Return what a plan does to which kind of operator, without names or numbers of one model."""
    lever = plan.quantize or QuantizeLever()
    forms = {f"{_KINDS.get(op_type, 'others')} {form}" for op_type, each in lever.offered.items() for form in each}
    if lever.storage != "none":
        forms.add(f"stored {lever.storage}")
    if plan.prune is not None:
        forms.add("weights zeroed" if plan.prune.ratio is None else CHANNELS)
    forms |= {
        name for name, there in (("mixed", lever.mixture), ("spared", lever.min_fidelity_db is not None)) if there
    }
    return frozenset(forms | {f"recovered by {each}" for each in lever.recovery})


def learned(plan: Plan, state: PolicyState) -> Learned:
    """Return what lessons say of a plan that this run has measured nothing like."""
    forms = forms_of(plan)
    if not state.lessons or any(_tells(attempt, forms) for attempt in state.attempts):
        return Learned()
    weights = [lesson.weight * _overlap(frozenset(lesson.forms), forms) ** 2 for lesson in state.lessons]

    def mean(of: Callable[[Lesson], float | None], most: float) -> float:
        pairs = ((weight, of(lesson)) for weight, lesson in zip(weights, state.lessons, strict=True))
        return _shrunk(((weight, value) for weight, value in pairs if value is not None), most)

    return Learned(
        log_size=mean(lambda lesson: lesson.log_size, MOST_LOG_SIZE),
        log_speed=mean(lambda lesson: lesson.log_speed, MOST_LOG_SPEED),
        fidelity_db=mean(lambda lesson: lesson.fidelity_db, MOST_DB),
        weight=sum(weights),
    )


def _shrunk(weighted: Iterable[tuple[float, float]], most: float) -> float:
    total, moved = PRIOR_WEIGHT, 0.0
    for weight, value in weighted:
        total, moved = total + weight, moved + weight * min(max(value, -most), most)
    return moved / total


def _tells(attempt: Attempt, forms: frozenset[str]) -> bool:
    """Tell whether an attempt of this run measured any of these forms of compute or storage."""
    return attempt.comparison is not None and bool(forms_of(attempt.plan) & forms - {"spared", "mixed"})


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of forms that both have (Jaccard's index); two plans without any are alike.

    What taking channels out does outweighs all else, so that plans with it and without tell nothing of each other.
    """
    if (CHANNELS in one) != (CHANNELS in other):
        return 0.0
    return len(one & other) / len(one | other) if one | other else 1.0
