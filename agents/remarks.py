"""Ask a language model for words where a run has one: they stand beside what measurements say and change nothing."""

from __future__ import annotations

from ..contracts import Analysis, Attempt, LanguageModelError, PolicyState, Recommendation
from .analysis import analyse
from .context import RunContext
from .search.trajectory import summarize

_FACTS_AT_MOST = 4000


def explained(attempt: Attempt, seen: PolicyState, context: RunContext) -> Attempt:
    """Return an attempt that missed with the model's explanation; one that met needs none."""
    if context.advisor is None or attempt.verdict.kind == "met":
        return attempt
    from .language.remarks import explanation

    situation = summarize(seen.model_copy(update={"attempts": (*seen.attempts, attempt)}))
    try:
        words = explanation(context.advisor, situation)
    except LanguageModelError:
        return attempt  # the advisor has noted it; the measured reason stands there anyway
    return attempt.model_copy(update={"explanation": words})


def analysed(
    seen: PolicyState, best: Attempt | None, advice: tuple[Recommendation, ...], context: RunContext
) -> Analysis | None:
    """Return what the model adds to the analysis of a finished run."""
    if context.advisor is None:
        return None
    from .language.remarks import deployment_analysis

    try:
        return deployment_analysis(context.advisor, facts(seen, best, advice))
    except LanguageModelError:
        return None


def facts(seen: PolicyState, best: Attempt | None, advice: tuple[Recommendation, ...]) -> str:
    """Return everything that an analysis may cite, as text."""
    known = analyse(seen.attempts, best, ())
    lines = [
        summarize(seen),
        f"delivered: {f'attempt {best.index}' if best else 'the original, no attempt met everything'}",
    ]
    lines += [
        f"{item.type}: {item.technique}: {item.impact.benefit}; {item.impact.trade_off}" for item in known.optimizations
    ]
    lines += [f"{item.category}: {item.description}" for item in advice]
    return "\n".join(lines)[:_FACTS_AT_MOST]
