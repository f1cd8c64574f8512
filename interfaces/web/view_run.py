"""What a run tells, as plain values for the page: words are made here, so that the page only puts them in place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from ...contracts import (
    Attempt,
    AttemptFinished,
    AttemptJudgedAgain,
    ConstraintResult,
    Constraints,
    Event,
    Measured,
    NodeFinished,
    NodeStarted,
    Noticed,
    Planned,
    Profiled,
    Progress,
    Request,
    RunFinished,
    RunStarted,
    Waiting,
    units,
)
from ..cli.board import describe_profile
from ..facts import (
    VERDICT_WORDS,
    bound_text,
    constraint_label,
    levers_text,
    measured_text,
    met_word,
    proposer_text,
    quality_text,
    size_ratio_text,
    speed_text,
)
from ..questions import expected_text
from ..text import clean

View = dict[str, Any]
_LONG = 2000


def view_event(event: Event) -> View:
    """Return what the page shows of an event; `event` names its kind."""
    return {"event": event.event, **_body(event)}


def _body(event: Event) -> View:
    match event:
        case NodeStarted() | NodeFinished():
            return {"node": clean(event.node, 60), "attempt": event.attempt, "detail": clean(event.detail)}
        case Progress():
            return {"doing": clean(event.message or event.tool), "fraction": event.fraction, "waited": _waited(event)}
        case Profiled():
            return {"text": clean(describe_profile(event.profile)), "size": event.profile.size_bytes}
        case Noticed():
            return {"text": clean(event.text, _LONG)}
        case Planned():
            return {
                "attempt": event.attempt,
                "plan": levers_text(event.plan),
                "why": clean(event.plan.reason, _LONG),
                "expected": expected_text(event.plan),
            }
        case Measured():
            return {"attempt": event.attempt, "name": clean(event.name), "text": clean(event.text)}
        case AttemptFinished() | AttemptJudgedAgain():
            return {"attempt": view_attempt(event.attempt)}
        case RunStarted():
            return {"resumed": event.resumed}
        case RunFinished():
            return {"status": event.status, "reason": clean(event.reason, _LONG)}
        case Waiting():
            return {}


def _waited(event: Progress) -> str:
    return units.format_seconds(event.waited_s) if event.waited_s >= 1 else ""


def view_attempt(attempt: Attempt) -> View:
    """Return one attempt: words for its row, numbers for its place in the picture."""
    comparison, baseline = attempt.comparison, attempt.baseline
    latency = baseline.latency if baseline else None
    return {
        "index": attempt.index,
        "plan": levers_text(attempt.plan),
        "proposer": proposer_text(attempt.plan.proposer),
        "size": size_ratio_text(comparison),
        "speed": speed_text(comparison),
        "quality": quality_text(comparison),
        "kind": attempt.verdict.kind,
        "verdict": "rejected" if attempt.rejected else VERDICT_WORDS[attempt.verdict.kind],
        "reason": clean(attempt.verdict.reason, _LONG),
        "x": _finite(comparison.size_ratio.value) if comparison else None,
        "y": _finite(comparison.speedup.value) if comparison and comparison.speedup else None,
        "original_bytes": _finite(comparison.original_size.value) if comparison else None,
        "original_p50_ms": _finite(latency.p50.value) if latency else None,
    }


def view_limits(request: Request) -> View:
    """Return what a run may spend and has to keep to: in words, and as numbers where a picture can show them.

    Speed is a ratio of medians: a bound on another statistic of the latency has no place on its axis.
    """
    return {
        "attempts": request.budget.max_attempts,
        "seconds": request.budget.time_limit_s,
        "time": units.format_seconds(request.budget.time_limit_s),
        "asked": [clean(bound.text(request.scored_by)) for bound in request.constraints.bounds()],
        "lines": list(_lines(request.constraints)),
    }


def _lines(bounds: Constraints) -> Iterator[View]:
    """Yield bounds as lines of the picture: on an axis at `at`, or at a share of what the original has."""
    if bounds.max_size_ratio is not None:
        yield {"axis": "x", "at": bounds.max_size_ratio, "text": f"≤ {units.format_share(bounds.max_size_ratio)}"}
    if bounds.max_size_bytes is not None:
        yield {"axis": "x", "bytes": bounds.max_size_bytes, "text": f"≤ {units.format_bytes(bounds.max_size_bytes)}"}
    if bounds.min_speedup is not None:
        yield {"axis": "y", "at": bounds.min_speedup, "text": f"≥ {units.format_factor(bounds.min_speedup)}"}
    if bounds.max_latency_ms is not None and bounds.latency_statistic == "p50":
        text = f"≤ {units.format_milliseconds(bounds.max_latency_ms)}"
        yield {"axis": "y", "p50_ms": bounds.max_latency_ms, "text": text}


def view_constraint(result: ConstraintResult) -> View:
    """Return one bound or guard beside what was measured."""
    return {
        "label": constraint_label(result),
        "bound": bound_text(result),
        "measured": measured_text(result),
        "met": met_word(result),
        "kind": {True: "met", False: "not_met", None: "unverified"}[result.met],
        "note": clean(result.note, _LONG),
    }


def file_label(path: str) -> str:
    """Return the name of a file, without the folders that it lies in."""
    return clean(PurePath(path).name or path, 120)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
