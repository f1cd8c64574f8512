"""What the specialists share: perform a resolved step, then pass the gate."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts import (
    ArtifactRef,
    DataRef,
    Evaluation,
    Measured,
    OptimizationError,
    Request,
    Stage,
    Step,
    StepReport,
    ToolError,
    Verdict,
    label,
    units,
)
from ..tools.judge import Evidence, describe, judge
from .context import RunContext
from .execute import Executed
from .search.needs import QUALITY
from .state import Draft, RunState, add_effort


def is_over(draft: Draft | None) -> bool:
    """Tell whether the attempt already has its verdict."""
    return draft is None or draft.verdict is not None


def failed(draft: Draft, error: OptimizationError) -> Draft:
    """Return the draft with its attempt ended by `error`."""
    verdict = Verdict(kind="failed", reason=f"{error.type}: {error.message}")
    return draft.model_copy(update={"verdict": verdict, "error_type": type(error).__name__})


def apply(context: RunContext, state: RunState, draft: Draft, step: Step, stage: Stage, *, optional: bool) -> Draft:
    """Have `step` performed on the draft; a tool's error ends the attempt, not the run.

    An `optional` step that changes nothing or fails is left out of the recipe and noted.
    """
    draft = draft.model_copy(update={"stage": stage})
    try:
        done = context.execute("perform", StepReport, inputs={"model": draft.artifact}, data=state["data"], step=step)
    except ToolError as error:
        return _note(draft, f"{step.kind} left out: {error.message}") if optional else failed(draft, error)
    return _advance(draft, done)


def _note(draft: Draft, note: str) -> Draft:
    return draft.model_copy(update={"notes": (*draft.notes, note)})


def _advance(draft: Draft, done: Executed[StepReport]) -> Draft:
    """Return the draft with the step as it was performed: the recipe names what was chosen by measuring."""
    return draft.model_copy(
        update={
            "artifact": done.outputs["model"],
            "steps": (*draft.steps, done.report.step),
            "layers": (*draft.layers, *done.report.layers),
            "notes": (*draft.notes, *done.report.notes),
            "effort": add_effort(draft.effort, done.effort),
        }
    )


def evaluate(
    context: RunContext,
    original: ArtifactRef,
    candidate: ArtifactRef,
    data: DataRef,
    part: str,
    clear: Mapping[str, float | None] | None = None,
) -> Executed[Evaluation]:
    """Run candidate and original on one part of the data, the original once for all candidates.

    With bounds, as many samples as it takes to see which side of them the candidate is `clear` on.
    """
    known = context.answers.get((original.id, part))
    inputs = {"original": original, "candidate": candidate, **({"answers": known} if known else {})}
    done = context.execute(
        "evaluate",
        Evaluation,
        inputs=inputs,
        data=data,
        params={"part": part, **({"clear": dict(clear)} if clear else {})},
    )
    if answers := done.outputs.get("table"):
        context.answers[original.id, part] = answers
    return done


def gate(context: RunContext, state: RunState, draft: Draft, *, size: bool) -> Draft:
    """End a hopeless attempt early: quality on the selection part, and size where nothing will shrink it further."""
    if is_over(draft):
        return draft
    try:
        data, clear = state["data"], _to_be_clear(context.request, state["data"])
        done = evaluate(context, state["original"], draft.artifact, data, "selection", clear)
    except ToolError as error:
        return failed(draft, error)
    _tell(context, draft, done.report)
    draft = draft.model_copy(update={"selection": done.report, "effort": add_effort(draft.effort, done.effort)})
    evidence = Evidence(
        original_bytes=state["original"].size_bytes,
        candidate_bytes=draft.artifact.size_bytes,
        evaluation=done.report,
    )
    verdict = judge(context.request, evidence, context.measured_on)
    if verdict.kind == "failed":
        return draft.model_copy(update={"verdict": verdict})
    missed = [item for item in verdict.violated if item.name in QUALITY or (size and "size" in item.name)]
    if not missed:
        return draft
    reason = "; ".join(describe(item) for item in missed)
    return draft.model_copy(update={"verdict": verdict.model_copy(update={"reason": reason})})


def _to_be_clear(request: Request, data: DataRef) -> dict[str, float | None] | None:
    """Return the bounds that a glance may decide on: those on fidelity, where no answer is scored."""
    bounds = request.constraints
    if data.labelled or bounds.needs_labels or not bounds.bounds_fidelity:
        return None
    return {"outputs": bounds.min_fidelity_db, "logits": bounds.min_logits_fidelity_db}


def _tell(context: RunContext, draft: Draft, evaluation: Evaluation) -> None:
    parts = [f"fidelity {units.format_decibels(evaluation.fidelity.value)}"]
    if evaluation.drop is not None:
        what = label("max_accuracy_drop", evaluation.metric).removeprefix("accuracy ")
        parts.append(f"{what} {units.format_share(evaluation.drop.value)}")
    parts.append(f"size {units.format_bytes(draft.artifact.size_bytes)}")
    context.emit(Measured(attempt=draft.index, name="selection", text=", ".join(parts)))
