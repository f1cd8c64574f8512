"""What the report says about gains, advice, and what advisers proposed. A language model may have written of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...contracts import Optimization, OptimizationResponse, ProposalCount, Recommendation
from ..text import clean


@dataclass(frozen=True)
class AdviceView:
    """The rows of the template.

    Attributes:
        by_model: whether a language model wrote any of them.
        dropped: how many of its entries cited other figures than those that it was given.
        proposals: one line for each adviser that was asked.
    """

    optimizations: list[Optimization]
    recommendations: list[Recommendation]
    by_model: bool
    dropped: int
    proposals: list[str]


def advice_view(response: OptimizationResponse) -> AdviceView:
    """Return what there is to say; recommendations about constraints repeat the offers where there are any."""
    told = {"constraints"} if response.offers else set[str]()
    known = response.analysis
    sources = [item.source for item in known.optimizations] + [item.source for item in known.recommendations]
    return AdviceView(
        optimizations=[_optimization(item) for item in known.optimizations],
        recommendations=[_recommendation(item) for item in response.recommendations if item.category not in told],
        by_model=any(source != "measurements" for source in sources),
        dropped=known.dropped,
        proposals=[_counted(each) for each in response.proposals],
    )


def _optimization(item: Optimization) -> Optimization:
    impact = {"benefit": clean(item.impact.benefit), "trade_off": clean(item.impact.trade_off)}
    return item.model_copy(update={"technique": clean(item.technique), "impact": item.impact.model_copy(update=impact)})


def _recommendation(item: Recommendation) -> Recommendation:
    """Return it as it is, unless a language model wrote it."""
    if item.source == "measurements":
        return item
    return item.model_copy(
        update={"description": clean(item.description), "implementation": clean(item.implementation)}
    )


def _counted(each: ProposalCount) -> str:
    asked = f"asked {each.asked} time{'' if each.asked == 1 else 's'}"
    silent = f", {each.unanswered} without an answer" if each.unanswered else ""
    dropped = f", {each.dropped} that are no plan here" if each.dropped else ""
    return f"{each.proposer}: {asked}{silent}; {each.valid} proposals{dropped}; {each.tried} tried, {each.met} met"
