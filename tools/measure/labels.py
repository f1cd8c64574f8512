"""Say of measurements which runtime they were taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from ...contracts import Benchmark, Contract, Quantity
from ..context import TORCH_SUFFIX
from .session import runtime_label

C = TypeVar("C", bound=Contract)


def measured_in(report: C, model: Path) -> C:
    """Return `report` with every quantity labelled with the runtime of `model`; onnxruntime's stand there already."""
    return report if model.suffix != TORCH_SUFFIX else _labelled(report, runtime_label(model))


def measured_beside(report: Benchmark, original: Path, candidate: Path) -> Benchmark:
    """Return `report` with the original's measures labelled with its runtime, and all others with the candidate's."""
    if original.suffix == candidate.suffix:
        return measured_in(report, candidate)
    labelled = _labelled(report, runtime_label(candidate))
    names = [name for name in Benchmark.model_fields if name.startswith("baseline")]
    own = {name: getattr(report, name) for name in names}
    update = {name: value and _labelled(value, runtime_label(original)) for name, value in own.items()}
    return labelled.model_copy(update=update)


def _labelled(report: C, label: str) -> C:
    update: dict[str, Any] = {}
    for name in type(report).model_fields:
        value = getattr(report, name)
        if isinstance(value, Contract):
            update[name] = _labelled(value, label)
    if isinstance(report, Quantity) and report.runtime != "-":
        update["runtime"] = label
    return report.model_copy(update=update)
