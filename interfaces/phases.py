"""Metrics of a run's phases as rows: one for each quantity, a column for each phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ..contracts import PhaseMetrics, units


def phase_rows(phases: Sequence[PhaseMetrics]) -> list[list[str]]:
    """Return name and values of every quantity, in the order in which phases first hold them."""
    columns = [dict(_flat(phase.metrics)) for phase in phases]
    names = dict.fromkeys(name for column in columns for name in column)
    return [[name, *(column.get(name, "–") for column in columns)] for name in names]


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and value in words; groups such as the latency give one for each of their quantities."""
    for name, value in metrics.items():
        words = f"{prefix}{name.replace('_', ' ')}"
        if value is None:
            yield words, "–"
        elif isinstance(value, Mapping):
            group = cast("Mapping[str, Any]", value)
            if "unit" in group and "value" in group:
                yield words, units.format_value(float(group["value"]), str(group["unit"]))
            else:
                yield from _flat(group, f"{words}, ")
