"""Intake and profile: normalize the admitted model once, and find out what it is made of."""

from __future__ import annotations

from ..contracts import NormalizeStep, Profile, Profiled, StepReport, ToolError
from .context import RunContext
from .state import RunState


def intake(state: RunState, context: RunContext) -> RunState:
    """Normalize the original; where that fails, plans start from the original itself."""
    step = NormalizeStep()
    try:
        done = context.execute(
            "perform", StepReport, inputs={"model": state["original"]}, data=state["data"], step=step
        )
    except ToolError:
        return {"model": state["original"], "base_steps": ()}
    steps = (step,) if done.report.changed else ()
    return {"model": done.outputs["model"], "base_steps": steps, "effort": done.effort}


def profile(state: RunState, context: RunContext) -> RunState:
    """Inspect the normalized model, with the share of time of each operator type."""
    done = context.execute(
        "inspect", Profile, inputs={"model": state["model"]}, data=state["data"], params={"timing": True}
    )
    context.emit(Profiled(profile=done.report))
    return {"profile": done.report, "effort": done.effort}
