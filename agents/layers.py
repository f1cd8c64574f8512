"""The per-layer table of the delivered candidate: what each unit became, why, and what that did."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts import Attempt, Effort, LayerForm, LayersReport, QuantizedForm, QuantizeLever, ToolError
from ..tools.table_forms import TABLE_FORMS
from .context import RunContext
from .damage import damage_tables
from .state import RunState, add_effort


def completed_layers(state: RunState, context: RunContext, best: Attempt) -> tuple[tuple[LayerForm, ...], Effort]:
    """Return the layers of `best` with damage and time (without, where they cannot be measured), and the effort."""
    source, effort = best.quantized_from or best.candidate, Effort()
    if source is None or state["profile"].format == "torch":
        return best.layers, effort
    inputs = {"model": source}
    try:
        forms = _units_by_form(best.layers)
        if forms:
            lever = best.plan.quantize or QuantizeLever()
            damages = damage_tables(context, source, state["data"], sorted(forms), lever, only=forms)
            inputs |= {f"table_{form}": whole for form, whole in damages.whole.items()}
            effort = damages.effort
        given = [layer.model_dump(mode="json") for layer in best.layers]
        report = context.execute("layers", LayersReport, inputs=inputs, data=state["data"], params={"layers": given})
    except ToolError:
        return best.layers, effort
    return report.report.layers, add_effort(effort, report.effort)


def _units_by_form(layers: Sequence[LayerForm]) -> dict[QuantizedForm, list[str]]:
    """Return what the table shows: of what became nothing of the kind it tells no damage."""
    units: dict[QuantizedForm, list[str]] = {}
    for layer in layers:
        if layer.form in TABLE_FORMS:
            units.setdefault(TABLE_FORMS[layer.form], []).append(layer.name)
    return units
