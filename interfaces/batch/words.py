"""How the figures of a row are written, on a terminal and on a page."""

from __future__ import annotations

import math

from ...contracts import BatchRow, RowStatus, units
from ..text import show_change

STATUS_WORDS: dict[RowStatus, str] = {
    "met": "met",
    "unverified": "unverified",
    "rolled_back": "rolled back",
    "failed": "failed",
    "pending": "waiting",
    "running": "running",
    "interrupted": "interrupted",
}
ABSENT = "–"


def share_text(ratio: float | None) -> str:
    """Return a ratio as a share of the original."""
    return ABSENT if ratio is None else units.format_share(ratio)


def speed_text(speedup: float | None) -> str:
    """Return how many times the original's speed."""
    return ABSENT if speedup is None else units.format_factor(speedup)


def bytes_text(size: int | None) -> str:
    """Return a size."""
    return ABSENT if size is None else units.format_bytes(size)


def latency_text(value: float | None) -> str:
    """Return milliseconds."""
    return ABSENT if value is None else units.format_milliseconds(value)


def quality_text(row: BatchRow) -> str:
    """Return the change of accuracy where it was measured, else the fidelity to the original."""
    if row.accuracy_delta is not None:
        return show_change(row.accuracy_delta)
    if row.fidelity_db is None:
        return ABSENT
    return "identical" if math.isinf(row.fidelity_db) else units.format_decibels(row.fidelity_db)
