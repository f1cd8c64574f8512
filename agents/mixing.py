"""Resolve a mixture: have damage and time measured, the choice solved, and name the units in a step."""

from __future__ import annotations

from typing import Any

from ..contracts import (
    ArtifactRef,
    MixtureReport,
    NodeForm,
    QuantizedForm,
    QuantizeLever,
    QuantizeStep,
    SensitivityTable,
    Storage,
    TimeTable,
    ToolError,
    WeightForm,
)
from .context import RunContext
from .damage import damage_tables
from .joined import joined_products
from .prospects import given_up, not_worth_building
from .search.corrections import noise_factors
from .search.told_by_class import rows_by_class
from .state import Draft, RunState, add_effort
from .tables import held_tables

# Stored form → forms that may be chosen with it: itself, and wider ones where it damages too much.
WIDTHS: dict[str, tuple[WeightForm, ...]] = {
    "none": (),
    "fp16": ("fp16",),
    "int8": ("int8", "int8_block", "fp16"),
    "int8_block": ("int8_block", "fp16"),
    "int4": ("int4", "int8", "int8_block", "fp16"),
}
# Stored forms that damage is measured for; that of the others follows from these.
_MEASURED: tuple[QuantizedForm, ...] = ("int4", "int8", "int8_block")


def mix(lever: QuantizeLever, state: RunState, context: RunContext, draft: Draft) -> tuple[Draft, QuantizeStep]:
    """Return the step that gives each unit the form chosen for it, and the draft with what that is predicted to reach.

    The draft is over, and nothing needs to be built, where what was measured already says that it is not worth it.

    Raises:
        ToolError: no form could be measured.
    """
    timed: dict[str, ArtifactRef] = {}
    gained = 1.0
    if lever.compute:  # first, because it is quickly said where it cannot be had
        draft, timed, gained = _times(state, context, draft)
    draft, tables, told = _tables(lever, state, context, draft)
    lever, draft = _corrected(lever, told, state, draft)
    inputs = {"model": draft.artifact, **tables, **timed}
    done = context.execute("mixture", MixtureReport, inputs=inputs, params=_params(lever, state, context, gained))
    update = {"effort": add_effort(draft.effort, done.effort), "forecast": done.report.forecast}
    step = _step(lever, done.report, context)
    held = held_tables(lever.storage, state["profile"], context.request)
    draft, step = draft.model_copy(update=update), step.model_copy(update={"compute": held})
    others = [attempt for attempt in state.get("attempts", ()) if not attempt.plan.same_as(draft.plan)]
    why = not_worth_building(step, lever, done.report, draft, others)
    return (given_up(draft, why) if why else draft), step


def _corrected(
    lever: QuantizeLever, told: dict[QuantizedForm, SensitivityTable], state: RunState, draft: Draft
) -> tuple[QuantizeLever, Draft]:
    """Return the lever, and the draft's plan, with what forms by class told of the tables until a mixture has."""
    if lever.corrections.noise:
        return lever, draft
    noise = noise_factors(rows_by_class(lever, told, state.get("attempts", ())))
    lever = lever.model_copy(update={"corrections": lever.corrections.model_copy(update={"noise": noise})})
    plan = draft.plan.model_copy(update={"quantize": lever})
    return lever, draft.model_copy(update={"plan": plan})


def _step(lever: QuantizeLever, chosen: MixtureReport, context: RunContext) -> QuantizeStep:
    nodes: dict[str, NodeForm] = {name: form for name, form in chosen.nodes.items() if form != "fp32"}
    return QuantizeStep(
        nodes=nodes,
        stored=chosen.stored,
        storage=_fallback(lever),
        calibration=lever.calibration,
        samples=context.request.optimization.quantization.calibration.samples,
        rounding=lever.rounding,
        clip_recurrent=lever.clip_recurrent,
        recovery=lever.recovery,
        fp16=context.request.optimization.may_halve,
    )


def _fallback(lever: QuantizeLever) -> Storage:
    """Return the form of weights that no table knows: 8 bits where 4 may be chosen, which alone ruin some."""
    return "int8" if lever.storage == "int4" else lever.storage


def _widths(lever: QuantizeLever, context: RunContext) -> list[WeightForm]:
    """Return the forms that a mixture may store weights in; blocks have scales in fp16."""
    widths = WIDTHS[lever.storage]
    return list(widths) if context.request.optimization.may_halve else [form for form in widths if form == "int8"]


def _forms(lever: QuantizeLever) -> list[QuantizedForm]:
    """Return each form that damage is measured for."""
    return [*sorted(lever.forms), *(form for form in _MEASURED if form in WIDTHS[lever.storage])]


def _tables(
    lever: QuantizeLever, state: RunState, context: RunContext, draft: Draft
) -> tuple[Draft, dict[str, ArtifactRef], dict[QuantizedForm, SensitivityTable]]:
    """Return the tables of damage, by role and by form, the latter with the most damaged units only.

    A form that cannot be measured is not chosen, which the draft notes.
    """
    try:
        done = damage_tables(context, draft.artifact, state["data"], _forms(lever), lever)
    except ToolError as error:
        raise ToolError(
            f"no form can be measured that a mixture could be made of: {error.message}", error.type
        ) from error
    notes = tuple(f"{form} is not chosen from: {why}" for form, why in done.failed.items())
    update = {"notes": (*draft.notes, *notes), "effort": add_effort(draft.effort, done.effort)}
    return draft.model_copy(update=update), {f"table_{form}": ref for form, ref in done.whole.items()}, done.tables


def _times(state: RunState, context: RunContext, draft: Draft) -> tuple[Draft, dict[str, ArtifactRef], float]:
    """Return the table of time in role `times`, and the original's time / that of the model to be quantized."""
    inputs = {"model": draft.artifact}
    if draft.artifact != state["original"]:
        inputs["original"] = state["original"]
    done = context.execute("unit_times", TimeTable, inputs=inputs, data=state["data"])
    draft = draft.model_copy(update={"effort": add_effort(draft.effort, done.effort)})
    return draft, {"times": done.outputs["table"]}, done.report.gained


def _params(lever: QuantizeLever, state: RunState, context: RunContext, gained: float) -> dict[str, Any]:
    original, known = state["original"].size_bytes, lever.corrections
    joined = joined_products(lever.compute, state["profile"])
    offered = {**{op_type: (form,) for op_type, form in joined.items() if form in lever.forms}, **lever.offered}
    params: dict[str, Any] = {
        "compute": {op_type: list(forms) for op_type, forms in offered.items()},
        "storage": _widths(lever, context),
        "fallback": "fp32" if lever.storage == "none" else _fallback(lever),
        "objective": context.request.objective,
        "gained": gained,
        "noise": lever.corrections.noise,
        "time": dict.fromkeys(lever.forms, known.saving),
        "boundary": known.saving,
        "size_offset": known.size_ratio * original,
        "min_fidelity_db": lever.min_fidelity_db,
        "margin_db": lever.margin_db,
        "min_speedup": lever.min_speedup,
        "max_size_bytes": int(lever.max_size_ratio * original) if lever.max_size_ratio else None,
    }
    return {name: value for name, value in params.items() if value is not None}
