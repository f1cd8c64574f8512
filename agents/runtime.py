"""The runtime agent: graph passes before anything is quantized, session settings on the final file."""

from __future__ import annotations

from ..contracts import OptimizeGraphStep, RuntimeSettings, StepReport, ToolError, TuneRuntimeStep
from .context import RunContext
from .specialist import apply, failed, is_over
from .state import RunState, add_effort


def rewrite(state: RunState, context: RunContext) -> RunState:
    """Resolve the graph lever: the passes it allows, saved for any machine."""
    draft = state.get("draft")
    if draft is None or is_over(draft) or draft.plan.graph is None:
        return {}
    step = OptimizeGraphStep(**draft.plan.graph.model_dump())
    return {"draft": apply(context, state, draft, step, "optimize_graph", optional=True)}


def runtime(state: RunState, context: RunContext) -> RunState:
    """Resolve the session: measure settings, and keep those that help beside the file."""
    draft = state.get("draft")
    if draft is None or is_over(draft) or not draft.plan.tune:
        return {}
    bounds = context.request.constraints
    goal = "memory" if bounds.max_memory_bytes or bounds.max_memory_ratio else "latency"
    step = TuneRuntimeStep(threads=context.request.threads, goal=goal)
    try:
        done = context.execute("perform", StepReport, inputs={"model": draft.artifact}, data=state["data"], step=step)
    except ToolError as error:
        return {"draft": failed(draft, error)}
    settings = RuntimeSettings.model_validate(done.report.details.get("settings", {}))
    update = {
        "stage": "tune_runtime",
        "settings": settings,
        "steps": (*draft.steps, step),
        "notes": (*draft.notes, *done.report.notes),
        "effort": add_effort(draft.effort, done.effort),
    }
    return {"draft": draft.model_copy(update=update)}
