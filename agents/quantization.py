"""The quantization agent: from operator classes and a quality budget to the units of this model."""

from __future__ import annotations

from collections.abc import Iterable

from ..contracts import Compute, QuantizedForm, QuantizeLever, QuantizeStep, ToolError, UnitDamage, WeightForm
from .context import RunContext
from .damage import damage_tables
from .joined import joined_products
from .mixing import mix
from .specialist import apply, failed, gate, is_over
from .state import Draft, RunState, add_effort
from .tables import held_tables


def quantize(state: RunState, context: RunContext) -> RunState:
    """Resolve the quantize lever, have it performed, and pass the gate with the size that ships."""
    draft = state.get("draft")
    if draft is None or is_over(draft):
        return {}
    lever = draft.plan.quantize
    draft = draft.model_copy(update={"stage": "quantize", "quantized_from": draft.artifact})
    if lever is not None:
        try:
            draft, step = resolve(lever, state, context, draft)
        except ToolError as error:
            return {"draft": failed(draft, error)}
        if not is_over(draft):
            draft = apply(context, state, draft, step, "quantize", optional=False)
    return {"draft": gate(context, state, draft, size=True)}


def resolve(lever: QuantizeLever, state: RunState, context: RunContext, draft: Draft) -> tuple[Draft, QuantizeStep]:
    """Return the step for this model: the mixture, or which units are spared to keep the lever's quality budget."""
    if lever.mixture:
        return mix(lever, state, context, draft)
    compute: dict[str, Compute] = {**joined_products(lever.compute, state["profile"]), **lever.compute}
    step = QuantizeStep(
        compute={**held_tables(lever.storage, state["profile"], context.request), **compute},
        storage=lever.storage,
        calibration=lever.calibration,
        samples=context.request.optimization.quantization.calibration.samples,
        rounding=lever.rounding,
        clip_recurrent=lever.clip_recurrent,
        recovery=lever.recovery,
        fp16=context.request.optimization.may_halve,
    )
    if lever.min_fidelity_db is None:
        return draft, step
    keep: list[str] = []
    for form in sorted(set(compute.values())):
        draft, units = _damage(form, lever, state, context, draft)
        quantized = (unit for unit in units if compute.get(unit.op_type) == form)
        keep += spare(quantized, lever.min_fidelity_db)
    wide: list[str] = []
    if lever.storage == "int8":
        draft, units = _damage("int8", lever, state, context, draft)
        wide = spare(units, lever.min_fidelity_db)
    wider: WeightForm = "fp16" if step.fp16 else "fp32"
    return draft, step.model_copy(update={"nodes": dict.fromkeys(keep, "fp32"), "stored": dict.fromkeys(wide, wider)})


def _damage(
    form: QuantizedForm, lever: QuantizeLever, state: RunState, context: RunContext, draft: Draft
) -> tuple[Draft, tuple[UnitDamage, ...]]:
    done = damage_tables(context, draft.artifact, state["data"], [form], lever)
    return draft.model_copy(update={"effort": add_effort(draft.effort, done.effort)}), done.tables[form].units


def spare(units: Iterable[UnitDamage], target_db: float) -> list[str]:
    """Return the fewest units to leave alone so that the others together keep `target_db`.

    Noise powers add: independent rounding errors at the output sum to Σ 10^(−dB/10), within 1.5 dB on
    most models.
    """
    ranked = sorted(units, key=lambda unit: unit.damage_db)
    noise = [10 ** (-unit.damage_db / 10) for unit in ranked]
    left, allowed = sum(noise), 10 ** (-target_db / 10)
    spared: list[str] = []
    for unit, power in zip(ranked, noise, strict=True):
        if left <= allowed:
            break
        left -= power
        spared.append(unit.name)
    return spared
