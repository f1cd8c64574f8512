"""Entries of a conversation as plain values for the page: safe words, and nothing that it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...contracts import (
    Answered,
    Broken,
    Compared,
    Draft,
    Ended,
    Entry,
    Explained,
    Happened,
    Listed,
    ProductFile,
    Prompted,
    Questioned,
    Refused,
    Said,
    Started,
    Supposed,
    Taken,
    Told,
    Understood,
    units,
)
from ..answers import HOW
from ..asked import field_text, value_text
from ..chat.inputs import input_settings
from ..facts import STATUS_TITLES
from ..questions import decision_text
from ..text import clean
from .view_run import View, file_label, view_constraint, view_event, view_limits

if TYPE_CHECKING:
    from ..chat.desk import Listing

_LONG = 4000
# What may be typed on a terminal; the page has buttons for it.
_TYPED = f"Answer {HOW}"
_ACTIONS = {"go": "Approved", "edit": "Changed", "reject": "Rejected", "stop": "Stopped"}


def view(entry: Entry) -> View:
    """Return what the page shows of an entry."""
    return {"number": entry.number, "at": entry.at, "kind": entry.kind, **_body(entry)}


def view_listing(found: Listing) -> View:
    """Return what the list shows of a conversation."""
    title = clean(found.title, 80) or "Nothing said yet"
    return {"id": found.id, "title": title, "at": found.updated, "state": "working" if found.is_working else ""}


def _body(entry: Entry) -> View:
    match entry:
        case Said() | Taken() | Prompted() | Refused() | Told():
            return _talk(entry)
        case Started() | Happened() | Questioned() | Answered() | Ended() | Broken():
            return {"run": entry.run, **_run(entry)}
        case Explained():
            decisions = map(decision_text, entry.explanation.decisions)
            return {"run": entry.explanation.run, "lines": _lines((*entry.explanation.text, *decisions))}
        case Supposed():
            found = entry.what_if
            edits = [clean(edit.text()) for edit in found.edits]
            return {"run": found.run, "outcome": found.outcome, "edits": edits, "lines": _lines(found.text)}
        case Compared():
            return _compared(entry)
        case Listed():
            return {"files": _files(entry.files)}


def _talk(entry: Said | Taken | Prompted | Refused | Told) -> View:
    match entry:
        case Said():
            files = [_optional(entry.model), _optional(entry.data)]
            return {"text": _text(entry.text), "left_out": entry.left_out, "files": [name for name in files if name]}
        case Taken():
            return _taken(entry)
        case Prompted():
            models, data = [[_path(name) for name in names[:50]] for names in (entry.models, entry.data)]
            return {"about": entry.about, "text": _text(entry.text), "models": models, "data": data}
        case Refused():
            return {"text": _text(entry.text)}
        case Told():
            return {"lines": _lines(entry.text)}


def _taken(entry: Taken) -> View:
    read = entry.understanding
    marks = [
        {
            "span": clean(item.span),
            "field": field_text(item.field),
            "value": clean(value_text(item)),
            "by": item.by or "rule",
        }
        for item in read.understood
    ]
    return {
        "marks": marks,
        "unread": _lines(read.not_understood),
        "problems": _lines((*read.contradictions, *read.differences)),
        "changed": _lines(entry.changed),
        "notes": _lines(entry.notes),
        "request": [{"label": label, "value": clean(value)} for label, value in _stands(entry.draft)],
    }


def _stands(draft: Draft) -> Iterator[tuple[str, str]]:
    """Yield the request as it stands, a label and a value each."""
    yield "model", file_label(draft.model) if draft.model else "not chosen yet"
    yield "data", file_label(draft.data) if draft.data else "none: inputs are made up"
    for bound in draft.constraints.bounds():
        shown = value_text(Understood(span="", field=bound.name, value=bound.bound))
        yield field_text(bound.name), shown
    if draft.objective:
        yield "aim", draft.objective
    if draft.optimization.forbid:
        yield "do without", ", ".join(draft.optimization.forbid)
    if draft.allow_regression:
        yield "may get worse", ", ".join(draft.allow_regression)
    yield "runs on", f"{draft.target.platform}, {draft.target.runtime}"
    yield from ((label, value) for label, value in input_settings(draft).items() if value)
    yield "budget", f"{draft.budget.max_attempts} attempts, {units.format_seconds(draft.budget.time_limit_s)}"
    if draft.approve:
        yield "approval", "asked before anything is changed, and before a result is taken"


def _run(entry: Started | Happened | Questioned | Answered | Ended | Broken) -> View:
    match entry:
        case Started():
            model = file_label(entry.request.model)
            return {"ordinal": entry.ordinal, "model": model, "resumed": entry.resumed,
                    "limits": view_limits(entry.request)}  # fmt: skip
        case Happened():
            return view_event(entry.event)
        case Questioned():
            asked = entry.question
            known = _lines(line for line in entry.text if line != _TYPED)
            return {"id": asked.id, "about": asked.about, "lines": known,
                    "limits": view_limits(asked.request)}  # fmt: skip
        case Answered():
            edits = [clean(edit.text()) for edit in entry.edits]
            return {"question": entry.question, "done": _ACTIONS[entry.answer.action], "edits": edits}
        case Ended():
            return _ended(entry)
        case Broken():
            return {"cause": entry.cause, "text": _text(entry.text)}


def _ended(entry: Ended) -> View:
    title, constraints = STATUS_TITLES[entry.status], [view_constraint(item) for item in entry.constraints]
    # The page has a heading and a table for these.
    shown = (title, *(f"{item['label']} {item['bound']}:" for item in constraints))
    return {
        "status": entry.status,
        "title": title,
        "reason": clean(entry.reason, _LONG),
        "constraints": constraints,
        "offers": [clean(offer.text, _LONG) for offer in entry.offers],
        "lines": _lines(line for line in entry.text if not line.startswith(shown)),
        "files": _files(entry.files),
    }


def _compared(entry: Compared) -> View:
    rows: list[dict[str, Any]] = [
        {
            "group": row.group,
            "label": clean(row.label),
            "first": clean(row.first),
            "second": clean(row.second),
            "change": clean(row.change),
            "better": row.better,
        }
        for row in entry.rows
    ]
    titles = [clean(title) for title in entry.titles]
    return {"titles": titles, "problems": _lines(entry.problems), "rows": rows}


def _files(files: Iterable[ProductFile]) -> list[View]:
    return [
        {"path": item.name, "name": file_label(item.name), "run": item.run, "about": item.about,
         "size": units.format_bytes(item.size_bytes)}
        for item in files
    ]  # fmt: skip


def _path(given: str) -> View:
    """Return a path as it is, to be sent back, beside how it may be shown."""
    return {"path": given, "name": clean(given, 200)}


def _optional(path: str | None) -> str:
    return file_label(path) if path else ""


def _lines(texts: Iterable[str]) -> list[str]:
    return [clean(text, _LONG) for text in texts]


def _text(text: str) -> str:
    """Return text of several lines, each of them safe to show."""
    return "\n".join(clean(line, _LONG) for line in text.splitlines())
