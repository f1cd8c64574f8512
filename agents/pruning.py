"""The pruning agent: as much magnitude pruning as pays, never above the threshold that was allowed."""

from __future__ import annotations

from ..contracts import Advice, AdviceReport, PruneStep, ToolError
from .context import RunContext
from .specialist import apply, failed, gate, is_over
from .state import RunState

# Han et al. 2015 prune far more, but retrain; without recovery a third of the weights is where damage begins.
ZEROED_AT_MOST = 0.35


def prune(state: RunState, context: RunContext) -> RunState:
    """Resolve the prune lever to a threshold, zero what is below it, and pass the gate."""
    draft = state.get("draft")
    if draft is None or is_over(draft) or draft.plan.prune is None:
        return {}
    lever = draft.plan.prune
    if lever.ratio is not None:
        step = PruneStep(method="structured", ratio=lever.ratio)
        draft = apply(context, state, draft, step, "prune", optional=False)
        return {"draft": gate(context, state, draft, size=False)}
    ceiling = lever.threshold or 0.0
    thresholds = [ceiling * share for share in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)]
    params = {"thresholds": thresholds, "zeroed_at_most": ZEROED_AT_MOST}
    try:
        advice = context.execute("advise", AdviceReport, inputs={"model": draft.artifact}, params=params)
    except ToolError as error:
        return {"draft": failed(draft, error)}
    step = PruneStep(threshold=choose(advice.report.options, ceiling))
    draft = apply(context, state, draft, step, "prune", optional=True)
    return {"draft": gate(context, state, draft, size=False)}


def choose(options: tuple[Advice, ...], ceiling: float) -> float:
    """Return the largest threshold within `ceiling` that leaves most of the weights alone."""
    bearable = [item for item in options if item.threshold <= ceiling and item.zeroed_share <= ZEROED_AT_MOST]
    if bearable:
        return max(item.threshold for item in bearable)
    return min((item.threshold for item in options), default=ceiling)
