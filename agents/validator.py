"""The validator: measure beside the original, judge on measurements alone, one look at the final part."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts import (
    ArtifactRef,
    Attempt,
    AttemptFinished,
    Benchmark,
    Effort,
    Evaluation,
    Measured,
    Recipe,
    ToolError,
    Verdict,
    units,
)
from ..tools.judge import LATENCY_GUARD, Evidence, judge
from .context import RunContext
from .evidence import candidate_metrics, compare, original_metrics
from .planner import policy_state
from .remarks import explained
from .specialist import evaluate, failed, is_over
from .state import Draft, RunState, add_effort, came_as

QUICK_SECONDS = 8.0
LONG_SECONDS = 20.0
FINAL_LOOKS = 3


def measure(state: RunState, context: RunContext) -> RunState:
    """Time original and candidate together; longer where the first answer is too wide to decide."""
    draft = state.get("draft")
    if draft is None or is_over(draft):
        return {}
    draft = draft.model_copy(update={"stage": "measure"})
    try:
        benchmark, draft = _timed(context, state, draft)
    except ToolError as error:
        return {"draft": failed(draft, error)}
    text = f"speed {units.format_factor(benchmark.speedup.value)}, "
    text += f"p95 {units.format_milliseconds(benchmark.candidate.p95.value)}"
    context.emit(Measured(attempt=draft.index, name="benchmark", text=text))
    return {"draft": draft.model_copy(update={"benchmark": benchmark})}


def _timed(context: RunContext, state: RunState, draft: Draft) -> tuple[Benchmark, Draft]:
    done = context.execute(
        "benchmark",
        Benchmark,
        inputs={"original": state["original"], "candidate": draft.artifact},
        data=state["data"],
        params=timing_params(context),
    )
    return done.report, draft.model_copy(update={"effort": add_effort(draft.effort, done.effort)})


def timing_params(context: RunContext) -> dict[str, object]:
    """Return how long to time: longer only where the interval holds the bound that it is judged by."""
    bounds = [context.request.constraints.min_speedup or 1 / LATENCY_GUARD]
    return {"seconds": QUICK_SECONDS, "at_most": LONG_SECONDS, "bounds": bounds, "footprint": True}


def validate(state: RunState, context: RunContext) -> RunState:
    """Judge the draft; what passes on the selection part is judged on the final part, three times a run at most."""
    draft = state.get("draft")
    if draft is None:
        return {}
    looks = 0
    evaluation = draft.selection
    if draft.verdict is None:
        draft = _judged(context, state, draft, evaluation)
        if draft.verdict is not None and draft.verdict.kind == "met":
            draft, evaluation, looks = _final(context, state, draft)
    attempt = to_attempt(context, state, draft, evaluation, final=looks > 0)
    attempt = explained(attempt, policy_state(state, context), context)
    context.emit(AttemptFinished(attempt=attempt))
    update: RunState = {"draft": None, "attempts": (attempt,), "final_looks": looks, "effort": _counted(draft)}
    if attempt.verdict.kind == "met":
        update["first_met"] = state.get("first_met") or attempt.index
    return update


def _counted(draft: Draft) -> Effort:
    built = int(bool(draft.steps))
    return draft.effort.model_copy(update={"attempts": 1, "candidates": built})


def _judged(context: RunContext, state: RunState, draft: Draft, evaluation: Evaluation | None) -> Draft:
    verdict = judge(context.request, evidence(state, draft, evaluation), context.measured_on)
    return draft.model_copy(update={"verdict": verdict})


def evidence(state: RunState, draft: Draft, evaluation: Evaluation | None) -> Evidence:
    """Return what is known about the draft."""
    return Evidence(
        original_bytes=state["original"].size_bytes,
        candidate_bytes=draft.artifact.size_bytes,
        evaluation=evaluation,
        benchmark=draft.benchmark,
    )


def _final(context: RunContext, state: RunState, draft: Draft) -> tuple[Draft, Evaluation | None, int]:
    """Look at the final part, never twice with one file. If it fails there, only that it failed goes back."""
    if (same := failed_before(state.get("attempts", ()), draft.artifact)) is not None:
        reason = f"is the file of attempt {same.index}, which failed on the final part"
        return draft.model_copy(update={"verdict": _refused(draft, reason)}), draft.selection, 0
    if state.get("final_looks", 0) >= FINAL_LOOKS:
        reason = f"passed on the selection part, but the final part was looked at {FINAL_LOOKS} times already"
        return draft.model_copy(update={"verdict": _refused(draft, reason)}), draft.selection, 0
    try:
        done = evaluate(context, state["original"], draft.artifact, state["data"], "final")
    except ToolError as error:
        return failed(draft, error), draft.selection, 1
    draft = draft.model_copy(update={"stage": "final", "effort": add_effort(draft.effort, done.effort)})
    judged = _judged(context, state, draft, done.report)
    if judged.verdict is not None and judged.verdict.kind == "met":
        return judged, done.report, 1
    if judged.verdict is not None and judged.verdict.kind == "failed":
        return judged, draft.selection, 1
    reason = "passed on the selection part and failed on the final part"
    return draft.model_copy(update={"verdict": _refused(draft, reason)}), draft.selection, 1


def failed_before(attempts: Sequence[Attempt], candidate: ArtifactRef) -> Attempt | None:
    """Return the attempt that made the same file and failed on the final part with it."""
    return next((each for each in attempts if each.candidate == candidate and each.failed_on_final), None)


def _refused(draft: Draft, reason: str) -> Verdict:
    results = draft.verdict.constraints if draft.verdict else ()
    return Verdict(kind="not_met", reason=reason, constraints=results)


def to_attempt(
    context: RunContext, state: RunState, draft: Draft, evaluation: Evaluation | None, *, final: bool
) -> Attempt:
    """Return the trail's record of the draft."""
    built = bool(draft.steps) or not draft.plan.levers
    known = evidence(state, draft, evaluation)
    return Attempt(
        index=draft.index,
        plan=draft.plan,
        recipe=Recipe(model=came_as(state).id, steps=draft.steps, seed=context.request.seed) if built else None,
        candidate=draft.artifact if built else None,
        forecast=draft.forecast,
        quantized_from=draft.quantized_from,
        runtime_settings=draft.settings,
        metrics=candidate_metrics(known) if built else None,
        baseline=original_metrics(known),
        comparison=compare(known) if built else None,
        evaluation=evaluation.model_copy(update={"class_drops": ()}) if evaluation and built else None,
        benchmark=draft.benchmark if built else None,
        verdict=draft.verdict or Verdict(kind="failed", reason="ended without a verdict"),
        stage=draft.stage,
        final_look=final,
        layers=draft.layers,
        notes=draft.notes,
        error_type=draft.error_type,
        wall_s=draft.effort.wall_s,
        cpu_s=draft.effort.cpu_s,
        sample_runs=draft.effort.sample_runs,
    )
