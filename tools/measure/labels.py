"""Say of measurements which runtime they were taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from ...contracts import Contract, Quantity
from ..context import TORCH_SUFFIX
from .session import runtime_label

C = TypeVar("C", bound=Contract)


def measured_in(report: C, model: Path) -> C:
    """Return `report` with every quantity labelled with the runtime of `model`; onnxruntime's stand there already."""
    return report if model.suffix != TORCH_SUFFIX else _labelled(report, runtime_label(model))


def _labelled(report: C, label: str) -> C:
    update: dict[str, Any] = {}
    for name in type(report).model_fields:
        value = getattr(report, name)
        if isinstance(value, Contract):
            update[name] = _labelled(value, label)
    if isinstance(report, Quantity) and report.runtime != "-":
        update["runtime"] = label
    return report.model_copy(update=update)
