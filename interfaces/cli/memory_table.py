"""Outcomes as tables for people. What they say may come from anywhere, so every text is cleaned."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...contracts import Outcome, Recalled, units
from ..facts import levers_text
from ..text import clean

if TYPE_CHECKING:
    from rich.table import Table

    from ...agents.recollection import MemoryStats, Remembered

_DIGEST = 12


def outcome_table(found: Sequence[Remembered]) -> Table:
    """Return one row for each outcome."""
    rows = [(item.id, when(item.created), item.model[:_DIGEST], *_row(item), item.origin or "here") for item in found]
    return _table(("id", "when", "model", "verdict", "size", "speed", "quality", "plan", "from"), rows)


def recalled_table(found: Sequence[Recalled]) -> Table:
    """Return one row for each recalled outcome, the most similar first."""
    rows = [
        (
            f"{item.similarity:.3f}",
            "itself" if item.same_model else f"{item.likeness:.3f}",
            item.outcome.id,
            *_measured(item.outcome),
            levers_text(item.outcome.plan),
        )
        for item in found
    ]
    return _table(("similarity", "of the model", "id", "verdict", "size", "speed", "quality", "plan"), rows)


def facts(item: Remembered) -> Iterator[tuple[str, str]]:
    """Yield everything about one outcome, label by label."""
    yield "id", item.id
    yield "run", item.run
    yield "when", when(item.created)
    yield "model", item.model
    yield "from", item.origin or "this installation"
    outcome = item.outcome
    if outcome is None:
        yield "damaged", item.damage
        return
    verdict, size, speed, quality = _measured(outcome)
    profile = outcome.profile
    operators = ", ".join(f"{each.count} {each.op_type}" for each in profile.operators[:8])
    yield "profile", f"{units.format_bytes(profile.size_bytes)}, {profile.nodes} nodes: {operators}"
    yield "target", f"{outcome.target.platform}, {outcome.target.runtime}, measured on {outcome.hardware}"
    yield "asked", f"{outcome.objective}; {', '.join(bound.text() for bound in outcome.constraints.bounds()) or '–'}"
    yield "plan", levers_text(outcome.plan)
    yield "verdict", f"{verdict}{', delivered' if outcome.delivered else ''}"
    yield "reached", f"size {size}, speed {speed}, {quality}"


def stat_lines(found: MemoryStats) -> Iterator[tuple[str, str]]:
    """Yield what memory holds, label by label."""
    verdicts = ", ".join(f"{count:,} {name}" for name, count in found.verdicts.items())
    yield "outcomes", f"{found.outcomes:,} of {found.runs:,} runs over {found.models:,} models"
    yield "verdicts", verdicts or "–"
    yield "foreign", f"{found.foreign:,} imported"
    yield "damaged", f"{found.damaged:,} cannot be read and are skipped"
    if found.oldest is not None and found.newest is not None:
        yield "from", f"{when(found.oldest)} to {when(found.newest)}"
    yield "index", f"{units.format_bytes(found.index_bytes)}, vectors of version {found.vector_version}"


def when(timestamp: float) -> str:
    """Return a moment as people read it; an imported outcome may name one that no calendar has."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp))
    except (OverflowError, ValueError, OSError):
        return "–"


def _row(item: Remembered) -> tuple[str, ...]:
    if item.outcome is None:
        return ("damaged", "–", "–", "–", "–")
    return (*_measured(item.outcome), levers_text(item.outcome.plan))


def _measured(outcome: Outcome) -> tuple[str, str, str, str]:
    size = "–" if outcome.size_ratio is None else units.format_share(outcome.size_ratio)
    speed = "–" if outcome.speedup is None else units.format_factor(outcome.speedup)
    return outcome.verdict, size, speed, _quality(outcome)


def _quality(outcome: Outcome) -> str:
    """Return what was lost by the metric, and how like the original's the answers are, as far as they are known."""
    parts: list[str] = []
    if outcome.drop is not None:
        lost = f"−{units.format_share(outcome.drop)}" if outcome.drop > 0 else "kept"
        parts.append(f"{outcome.metric} {lost}")
    if outcome.fidelity_db is not None:
        exact = not math.isfinite(outcome.fidelity_db)
        parts.append("exact" if exact else units.format_decibels(outcome.fidelity_db))
    return ", ".join(parts) or "–"


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell, 200)) for cell in row))
    return table
