"""What a finished run comes to in a conversation: its entry, and the files that may be handed out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from ...contracts import ComparedRow, ConstraintResult, OptimizationResponse, ProductFile
from ..comparison import Comparison, Row, compare
from ..facts import (
    STATUS_TITLES,
    bound_text,
    constraint_label,
    measured_text,
    met_word,
    quality_text,
    size_ratio_text,
    speed_text,
)
from ..text import clean
from ..unlike import Unlike
from ..workspace import Workspace

_About = Literal["model", "report", "settings", "recipe", "trail"]
_ABOUT: dict[str, _About] = {
    "report.html": "report",
    "report.json": "report",
    "runtime.json": "settings",
    "recipe.json": "recipe",
    "trail.jsonl": "trail",
}


def ended_fields(response: OptimizationResponse, out: Path, workspace: Workspace) -> dict[str, Any]:
    """Return what an `Ended` entry says of a delivered run."""
    return {
        "run": response.run,
        "status": response.status,
        "reason": clean(response.reason, 2000),
        "constraints": response.constraints,
        "comparison": response.comparison,
        "offers": response.offers,
        "folder": workspace.relative(out),
        "files": tuple(_files(response.run, out, workspace)),
        "text": tuple(result_lines(response)),
    }


def result_lines(response: OptimizationResponse) -> list[str]:
    """Return a result in sentences: what it came to, bound by bound, what could be had instead, what to do next."""
    lines = [f"{STATUS_TITLES[response.status]}. {clean(response.reason, 1000)}"]
    if response.comparison is not None and not response.artifact.original:
        found = response.comparison
        speed = speed_text(found)
        lines.append(f"against the original: size {size_ratio_text(found)}, speed {speed}, {quality_text(found)}")
    lines += [constraint_line(result) for result in response.constraints]
    offers = enumerate(response.offers, start=1)
    lines += [f"offer {number}, measured: {clean(offer.text, 500)}" for number, offer in offers]
    lines += ["say 'take offer 1' to ask for it"] if response.offers else []
    told = {offer.text for offer in response.offers}
    advice = [item.description for item in response.recommendations if item.description not in told]
    lines += [f"advice: {clean(text, 500)}" for text in advice[:3]]
    return lines


def constraint_line(result: ConstraintResult) -> str:
    """Return a bound, what was measured against it, and whether it is met."""
    note = f" ({clean(result.note, 200)})" if result.note else ""
    return f"{constraint_label(result)} {bound_text(result)}: {measured_text(result)}, {met_word(result)}{note}"


def _files(run: str, out: Path, workspace: Workspace) -> Iterator[ProductFile]:
    for where, folders, files in os.walk(out):
        folders.sort()
        for name in sorted(files):
            path = Path(where) / name
            about: _About = _ABOUT.get(name, "model") if path.parent == out else "model"
            size = path.lstat().st_size
            yield ProductFile(name=workspace.relative(path), run=run, about=about, size_bytes=size)


def compared_fields(first: OptimizationResponse, second: OptimizationResponse) -> dict[str, Any]:
    """Return what a `Compared` entry says of two results."""
    found = compare(first, second)
    return {
        "first": first.run,
        "second": second.run,
        "titles": tuple(f"{side.title}: {clean(side.reason, 500)}" for side in (found.first, found.second)),
        "problems": (*found.fairness.problems, *found.fairness.notes),
        "rows": tuple(_rows(found)),
    }


def _rows(found: Comparison) -> Iterator[ComparedRow]:
    yield from _unlike("asked", found.asked)
    yield from _measured("product", found.metrics)
    yield from _measured("constraint", found.constraints)
    yield from _unlike("recipe", found.steps)
    yield from _unlike("layer", found.layers)
    yield from _measured("attempt", found.attempts)
    yield from _measured("effort", found.effort)


def _unlike(group: Literal["asked", "recipe", "layer"], rows: Iterable[Unlike]) -> Iterator[ComparedRow]:
    for row in rows:
        yield ComparedRow(group=group, label=row.what, first=row.first, second=row.second)


def _measured(
    group: Literal["product", "constraint", "attempt", "effort"], rows: Iterable[Row]
) -> Iterator[ComparedRow]:
    for row in rows:
        yield ComparedRow(
            group=group, label=row.label, first=row.first, second=row.second, change=row.change, better=row.better
        )
