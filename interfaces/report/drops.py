"""The classes that lost most: an accuracy that holds on the whole can hide one that broke."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...contracts import ClassDrop, OptimizationMetrics, units
from ..text import show_change

# The table is for what broke; the rest is in report.json.
MOST_CLASSES = 8
BAR_WIDTH = 120.0


@dataclass(frozen=True)
class DropRow:
    """One class: label, samples, both shares, the change, and how long its bar is in pixels."""

    label: str
    samples: str
    original: str
    product: str
    change: str
    bar: float


def drop_rows(comparison: OptimizationMetrics | None) -> list[DropRow]:
    """Return the classes that lost something, the largest loss first."""
    drops = comparison.class_drops if comparison else ()
    lost = sorted((item for item in drops if 0 < item.drop < math.inf), key=lambda item: (-item.drop, item.label))
    return [_row(item, lost[0].drop) for item in lost[:MOST_CLASSES]]


def _row(item: ClassDrop, most: float) -> DropRow:
    return DropRow(
        label=str(item.label),
        samples=f"{item.samples:,}",
        original=units.format_share(item.original),
        product=units.format_share(item.candidate),
        change=show_change(-item.drop),
        bar=round(item.drop / most * BAR_WIDTH, 1),
    )
