"""Have damage measured: the same question from wherever it is asked, so that it is answered once."""

from __future__ import annotations

from typing import Any

from ..contracts import (
    ArtifactRef,
    DataRef,
    QuantizedForm,
    QuantizeLever,
    SensitivityTable,
)
from .context import RunContext
from .execute import Executed

DAMAGE_SECONDS = 12.0
_COMPUTED = frozenset({"static", "dynamic", "half"})


def damage_table(
    context: RunContext, model: ArtifactRef, data: DataRef, form: QuantizedForm, asked: QuantizeLever
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
        params={"form": form, "seconds": DAMAGE_SECONDS, **_making(form, asked)},
    )


def _making(form: QuantizedForm, asked: QuantizeLever) -> dict[str, Any]:
    """Return what decides how the form is made; learned rounding is told by error feedback, which it begins with."""
    if form == "static":
        return {"calibration": asked.calibration}
    if form == "dynamic" and asked.clip_recurrent is not None:
        return {"clip_recurrent": asked.clip_recurrent}
    if form in _COMPUTED or form == "fp16":
        return {}
    return {"rounding": "error_feedback" if asked.rounding == "learned" else asked.rounding}
