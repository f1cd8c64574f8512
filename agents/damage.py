"""Have damage measured: the same question from wherever it is asked, so that it is answered once."""

from __future__ import annotations

from typing import Any

from ..contracts import (
    ArtifactRef,
    CalibrationMethod,
    DataRef,
    QuantizedForm,
    QuantizeLever,
    QuantizeStep,
    Rounding,
    SensitivityTable,
)
from .context import RunContext
from .execute import Executed

DAMAGE_SECONDS = 12.0
_COMPUTED = frozenset({"static", "dynamic", "half"})


def damage_table(
    context: RunContext, model: ArtifactRef, data: DataRef, form: QuantizedForm, asked: QuantizeLever | QuantizeStep
) -> Executed[SensitivityTable]:
    """Return what each unit of `model` alone does in `form`, made as `asked` says.

    Raises:
        ToolError: the form cannot be measured.
    """
    return context.execute(
        "sensitivity",
        SensitivityTable,
        inputs={"model": model},
        data=data,
        params={"form": form, "seconds": DAMAGE_SECONDS, **_making(form, asked.calibration, asked.rounding)},
    )


def _making(form: QuantizedForm, calibration: CalibrationMethod, rounding: Rounding) -> dict[str, Any]:
    """Return what decides how the form is made; learned rounding is told by error feedback, which it begins with."""
    if form == "static":
        return {"calibration": calibration}
    if form in _COMPUTED or form == "fp16":
        return {}
    return {"rounding": "error_feedback" if rounding == "learned" else rounding}
