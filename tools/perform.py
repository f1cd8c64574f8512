"""Perform one step of a recipe, with the checks that every transformation must pass."""

from __future__ import annotations

from .context import MODEL_FILE, ToolAnswer, ToolContext
from .registry import transformation


def perform_tool(context: ToolContext) -> ToolAnswer:
    """Perform `job.step` on role `model` (role `data` where the step needs it) and return the new model."""
    from .measure.data import open_data
    from .measure.ensure import ensure_sound

    job = context.job
    if job.step is None:
        raise ValueError("a perform job carries a step")
    data = open_data(context.inputs["data"], job.data) if job.data is not None else None
    source = context.model()
    target = context.work / "model" / (MODEL_FILE if job.step.kind == "export" else source.name)
    target.parent.mkdir()
    report = transformation(job.step.kind, source.suffix)(job.step, source, target, data, job.limits)
    ensure_sound(source, target, report)
    return ToolAnswer(report=report, outputs={"model": target.parent})
