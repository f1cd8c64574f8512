"""What people answered, read from the trail: open questions, and attempts as they stand since."""

from __future__ import annotations

from collections.abc import Iterable

from ..contracts import Answer, Attempt, DataRef, PhaseMetrics, Question, RequestError, validate
from ..memory.trail import TrailEntry

# As where data are admitted: an accuracy bound on fewer samples says nothing.
LEAST_LABELLED = 8
METRICS = "metrics"


def unanswered(trail: Iterable[TrailEntry]) -> Question | None:
    """Return the last question on a trail that has no answer yet."""
    last: Question | None = None
    for entry in trail:
        if entry.kind == "question":
            last = validate(Question, entry.body)
        elif entry.kind == "answer" and last is not None and entry.body.get("question") == last.id:
            last = None
    return last


def attempts_of(trail: Iterable[TrailEntry]) -> tuple[Attempt, ...]:
    """Return the attempts on a trail, each with the last verdict it was given."""
    found: dict[int, Attempt] = {}
    for entry in trail:
        if entry.kind in ("attempt", "judged_again"):
            attempt = validate(Attempt, entry.body)
            found[attempt.index] = attempt
    return tuple(found.values())


def phases_of(trail: Iterable[TrailEntry]) -> list[PhaseMetrics]:
    """Return what a monitor kept on a trail, in order."""
    return [validate(PhaseMetrics, entry.body) for entry in trail if entry.kind == METRICS]


def check_answer(question: Question, answer: Answer, data: DataRef) -> None:
    """Hold an edit to what any request is held to, and to the data that the run already has.

    Raises:
        RequestError: it contradicts the request, is not served, or bounds what the data cannot show.
    """
    edited = answer.changes.applied_to(question.request)
    if answer.action == "edit" and edited == question.request:
        raise RequestError("that is how it stands already; change something, or answer go, reject or stop")
    if edited.constraints.needs_labels and not question.request.constraints.needs_labels:
        _check_labels(data)


def _check_labels(data: DataRef) -> None:
    if not data.labelled:
        raise RequestError("an accuracy bound needs labelled data, and this run has none; bound min_fidelity")
    if data.samples < LEAST_LABELLED:
        raise RequestError(f"an accuracy bound needs at least {LEAST_LABELLED} samples; bound min_fidelity")
