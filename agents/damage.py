"""Have damage measured: the same question from wherever it is asked, so that it is answered once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..contracts import (
    ArtifactRef,
    DataRef,
    Effort,
    QuantizedForm,
    QuantizeLever,
    SensitivityTable,
    SensitivityTables,
)
from .context import RunContext

DAMAGE_SECONDS = 12.0
_COMPUTED = frozenset({"static", "dynamic", "half"})


class Damages(NamedTuple):
    """Tables by form with the artifacts that hold the whole ones, and why others are missing."""

    tables: dict[QuantizedForm, SensitivityTable]
    whole: dict[QuantizedForm, ArtifactRef]
    failed: dict[QuantizedForm, str]
    effort: Effort


def damage_tables(
    context: RunContext,
    model: ArtifactRef,
    data: DataRef,
    forms: Sequence[QuantizedForm],
    asked: QuantizeLever,
    only: Mapping[QuantizedForm, Sequence[str]] | None = None,
) -> Damages:
    """Return what each unit of `model` alone does in each of `forms`, made as `asked` says.

    What this process has not asked for yet is measured by one job, of the units in `only` where it is given.

    Raises:
        ToolError: no form can be measured.
    """
    making: dict[QuantizedForm, dict[str, Any]] = {form: _making(form, asked) for form in forms}
    for form, units in (only or {}).items():
        if _key(model, form, making[form]) not in context.tables:
            making[form]["units"] = sorted(units)
    keys = {form: _key(model, form, made) for form, made in making.items()}
    missing = {form: making[form] for form in forms if keys[form] not in context.tables}
    failed, effort = dict[QuantizedForm, str](), Effort()
    if missing:
        params = {"forms": missing, "seconds": DAMAGE_SECONDS}
        done = context.execute("sensitivity", SensitivityTables, inputs={"model": model}, data=data, params=params)
        failed, effort = done.report.failed, done.effort
        for table in done.report.tables:
            context.tables[keys[table.form]] = table, done.outputs[f"table_{table.form}"]
    tables, whole = dict[QuantizedForm, SensitivityTable](), dict[QuantizedForm, ArtifactRef]()
    for form in forms:
        if keys[form] in context.tables:
            tables[form], whole[form] = context.tables[keys[form]]
    return Damages(tables, whole, failed, effort)


def _key(model: ArtifactRef, form: QuantizedForm, made: Mapping[str, Any]) -> tuple[str, str, str]:
    return model.id, form, str(sorted(made.items()))


def _making(form: QuantizedForm, asked: QuantizeLever) -> dict[str, Any]:
    """Return what decides how the form is made; learned rounding is told by error feedback, which it begins with."""
    if form == "static":
        return {"calibration": asked.calibration}
    if form == "dynamic" and asked.clip_recurrent is not None:
        return {"clip_recurrent": asked.clip_recurrent}
    if form in _COMPUTED or form == "fp16":
        return {}
    return {"rounding": "error_feedback" if asked.rounding == "learned" else asked.rounding}
