"""What a run means for a deployment: what was done, what it gained and cost, and what to do next."""

from __future__ import annotations

from typing import Literal

from .base import Contract

OptimizationType = Literal["performance", "size", "memory"]
# Who says it: a rule, from what was measured, or a language model, whose figures were checked against its inputs.
Source = Literal["measurements", "language model"]


class Impact(Contract):
    """What an optimization gained, and what it cost."""

    benefit: str
    trade_off: str


class Optimization(Contract):
    """One thing that was done to the model, or tried."""

    type: OptimizationType
    technique: str
    impact: Impact
    source: Source = "measurements"


class Recommendation(Contract):
    """Advice that follows from measurements."""

    category: Literal["runtime", "monitoring", "scaling", "data", "constraints"]
    description: str
    implementation: str = ""
    source: Source = "measurements"


class Analysis(Contract):
    """The analysis of a run.

    Attributes:
        optimizations: what the product owes its gains to first, then what else was measured.
        recommendations: by rule first.
        dropped: entries of a language model that cited a figure which does not stand in what it was given.
    """

    optimizations: tuple[Optimization, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    dropped: int = 0
