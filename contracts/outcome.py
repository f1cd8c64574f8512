"""What memory keeps of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Contract
from .profile import Profile
from .recipe import Plan, Recipe
from .request import Constraints, Objective, Target

OUTCOME_VERSION = 2


class Outcome(Contract):
    """One attempt in the form that later runs recall.

    Attributes:
        version: of this form; what was kept in an earlier one is brought to it when it is read.
        profile: of the original; the fingerprint vector is made from it, target and constraints.
        model: artifact id of the original.
        hardware: fingerprint of the machine that measured.
        delivered: whether it was the product of its run.
        metric: what `drop` was measured by.
        fidelity_db, logits_fidelity_db: SQNR at the worst output, and at the worst logits, or output without any.
        forecast_db: fidelity that was predicted of a mixture before it was built; another of its kind aims there.
    """

    version: Annotated[int, Field(ge=1, le=OUTCOME_VERSION)] = OUTCOME_VERSION
    id: str
    run: str
    created: float
    model: str
    profile: Profile
    target: Target
    constraints: Constraints
    objective: Objective = "balanced"
    hardware: str
    plan: Plan
    recipe: Recipe | None = None
    verdict: Literal["met", "not_met", "inconclusive", "failed"]
    delivered: bool = False
    size_ratio: float | None = None
    speedup: float | None = None
    drop: float | None = None
    metric: str = "top1"
    fidelity_db: float | None = None
    logits_fidelity_db: float | None = None
    forecast_db: float | None = None


class Recalled(Contract):
    """A past outcome, and how alike its case is to the present one, −1 to 1.

    Attributes:
        similarity: of model, request and target together.
        likeness: of the model alone.
    """

    outcome: Outcome
    similarity: float
    likeness: float = 0.0
    same_model: bool = False
