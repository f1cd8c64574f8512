"""What a language model says for people: why an attempt missed, and what a run means. Both are checked for figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from ...contracts import Analysis, Impact, Optimization, Recommendation
from ..figures import sentences, stands_in
from ..search.quoting import plain
from .modules.analysis import DeploymentAnalysisModule, SaidOptimization, SaidRecommendation
from .modules.validator import ValidatorModule

if TYPE_CHECKING:
    from .advisor import Advisor

# A verdict is for measurements to give: whoever speaks of one is not heard.
_VERDICT = re.compile(r"\b(?:accept|approv|certif|verdict|verified|guarantee)", re.IGNORECASE)
EXPLANATION_AT_MOST, ENTRY_AT_MOST, ENTRIES_AT_MOST = 500, 240, 6


def explanation(advisor: Advisor, situation: str) -> str:
    """Return why the last attempt missed, in the model's words; empty where no sentence holds.

    Raises:
        LanguageModelError: there is no answer.
    """
    answer = advisor.call("validator", ValidatorModule(), situation=situation)
    said = plain(cast("str", answer.explanation), EXPLANATION_AT_MOST)
    return " ".join(each for each in sentences(said) if _holds(each, situation))


def deployment_analysis(advisor: Advisor, metrics: str) -> Analysis:
    """Return what the model makes of a run; what cites other figures than `metrics` does is left out and counted.

    Raises:
        LanguageModelError: there is no answer.
    """
    answer = advisor.call("analysis", DeploymentAnalysisModule(), metrics=metrics)
    said = cast("list[SaidOptimization]", answer.optimizations)
    advised = cast("list[SaidRecommendation]", answer.recommendations)
    done = [_optimization(item) for item in said[:ENTRIES_AT_MOST]]
    next_steps = [_recommendation(item) for item in advised[:ENTRIES_AT_MOST]]
    kept = [
        item for item in done if _holds(f"{item.technique}. {item.impact.benefit}. {item.impact.trade_off}", metrics)
    ]
    advice = [item for item in next_steps if _holds(f"{item.description}. {item.implementation}", metrics)]
    dropped = len(done) + len(next_steps) - len(kept) - len(advice)
    return Analysis(optimizations=tuple(kept), recommendations=tuple(advice), dropped=dropped)


def _holds(said: str, given: str) -> bool:
    """Tell whether every figure stands in what was given, and no verdict is given."""
    return stands_in(said, given) and not _VERDICT.search(said)


def _optimization(item: SaidOptimization) -> Optimization:
    impact = Impact(benefit=plain(item.benefit, ENTRY_AT_MOST), trade_off=plain(item.trade_off, ENTRY_AT_MOST))
    technique = plain(item.technique, ENTRY_AT_MOST)
    return Optimization(type=item.type, technique=technique, impact=impact, source="language model")


def _recommendation(item: SaidRecommendation) -> Recommendation:
    return Recommendation(
        category=item.category,
        description=plain(item.description, ENTRY_AT_MOST),
        implementation=plain(item.implementation, ENTRY_AT_MOST),
        source="language model",
    )
