"""Entries in words, a line each: what the terminal prints, and what a page may show beside its own drawings."""

from __future__ import annotations

from collections.abc import Iterator

from ...contracts import (
    Answered,
    Broken,
    Compared,
    ComparedRow,
    Ended,
    Entry,
    Explained,
    Happened,
    Listed,
    Prompted,
    Questioned,
    Refused,
    RunFinished,
    RunStarted,
    Said,
    Started,
    Supposed,
    Taken,
    Told,
    units,
)
from ..asked import field_text, value_text
from ..cli.board import describe
from ..questions import decision_text
from ..text import clean
from .drafting import draft_lines

_LONGEST = 2000
_ACTIONS = {"go": "approved", "reject": "rejected", "stop": "stopped: the original is handed back", "edit": "edited"}


def lines(entry: Entry) -> list[str]:
    """Return an entry in words; none where it is not worth a line."""
    return [clean(line, _LONGEST) for line in _lines(entry) if line]


def _lines(entry: Entry) -> Iterator[str]:
    match entry:
        case Said():
            yield from _said(entry)
        case Taken():
            yield from _taken(entry)
        case Prompted() | Broken():
            yield entry.text
        case Started():
            yield f"run {entry.ordinal} {'goes on' if entry.resumed else 'started'} ({entry.run})"
        case Happened():
            yield "" if isinstance(entry.event, RunStarted | RunFinished) else describe(entry.event)
        case Answered():
            yield from (_ACTIONS[entry.answer.action], *(f"edited: {edit.text()}" for edit in entry.edits))
        case Refused():
            yield f"error: {entry.text}"
        case Questioned() | Told():
            yield from entry.text
        case Ended():
            yield from _ended(entry)
        case _:
            yield from _answers(entry)


def _answers(entry: Explained | Supposed | Compared | Listed) -> Iterator[str]:
    match entry:
        case Explained():
            yield from entry.explanation.text
            yield from map(decision_text, entry.explanation.decisions)
        case Supposed():
            yield from (f"if {edit.text()}" for edit in entry.what_if.edits)
            yield from entry.what_if.text
        case Compared():
            yield from _compared(entry)
        case Listed():
            yield from (f"{file.name}  {units.format_bytes(file.size_bytes)}" for file in entry.files)


def _said(entry: Said) -> Iterator[str]:
    yield entry.text
    named = (("model", entry.model), ("data", entry.data))
    yield from (f"{what}: {name}" for what, name in named if name)


def _taken(entry: Taken) -> Iterator[str]:
    found = entry.understanding
    for each in found.understood:
        by = ", by the language model" if each.by else ""
        yield f"understood: {field_text(each.field)} {value_text(each)}, from “{clean(each.span, 200)}”{by}"
    yield from (f"read in two ways: {told}" for told in found.differences)
    yield from (f"not understood: “{clean(passage, 200)}”" for passage in found.not_understood)
    yield from entry.notes
    yield from (f"changed: {change}" for change in entry.changed)
    if not entry.changed:
        yield "that is how it stands already"
    yield from draft_lines(entry.draft)


def _ended(entry: Ended) -> Iterator[str]:
    yield from entry.text
    yield f"product and report: {entry.folder}"


def _compared(entry: Compared) -> Iterator[str]:
    for letter, run, title in zip("AB", (entry.first, entry.second), entry.titles, strict=True):
        yield f"{letter} {run}: {title}"
    yield from (f"note: {problem}" for problem in entry.problems)
    yield from map(_row, entry.rows)


def _row(row: ComparedRow) -> str:
    change = f" ({row.change})" if row.change else ""
    return f"{row.group}: {row.label}: {row.first} | {row.second}{change}"
