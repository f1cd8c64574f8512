"""From what the ledger keeps of a run to what a tool answers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...contracts import Attempt, OptimizationMetrics, OptimizationResponse, Plan, Question, Recalled
from ...contracts.inquiry import Candidate
from ...memory.runs import RunRecord
from ..facts import levers_text, verdict_text
from ..questions import question_lines
from .outputs import Listed, Offered, PastCase, Report, RunAnswer, RunList, Tried, Waits
from .uris import uris_of

if TYPE_CHECKING:
    from .past import Past


def run_answer(past: Past, name: str, reason: str = "") -> RunAnswer:
    """Return how far a run is, or what it came to; `reason` is told of one that is not over.

    Raises:
        RequestError: there is no such run here.
    """
    return RunAnswer(**_fields(past, past.find(name), reason))


def report_of(past: Past, name: str, parts: tuple[str, ...]) -> Report:
    """Return the summary of a finished run with parts of its report.

    Raises:
        RequestError: there is no such run here, or it is not over.
    """
    response = past.response(name)
    chosen = response.model_dump(mode="json", include=set(parts)) if parts else {}
    return Report(**_fields(past, past.find(name), ""), parts=chosen)


def _fields(past: Past, record: RunRecord, reason: str) -> dict[str, Any]:
    question = past.question(record.id) if record.state == "waiting" else None
    response = record.response
    attempts = response.attempts if response else past.service.attempts(record.id)
    delivered = response.delivered if response else None
    return {
        "run": record.id,
        "status": record.state,
        "reason": response.reason if response else reason,
        "attempts": tuple(_tried(attempt, delivered) for attempt in attempts),
        "understood": record.request.understood,
        "not_understood": record.request.not_understood,
        "question": _waits(question) if question else None,
        "folder": past.relative(str(folder)) if (folder := past.folder(record)) else None,
        "resources": uris_of(record.id, folder),
        **(_result(response) if response else {}),
    }


def _result(response: OptimizationResponse) -> dict[str, Any]:
    return {
        "constraints": response.constraints,
        "comparison": response.comparison,
        "delivered": response.delivered,
        "offers": tuple(
            Offered(attempt=each.attempt, text=each.text, relax=each.relax, allow_regression=each.allow_regression)
            for each in response.offers
        ),
    }


def listed(past: Past, record: RunRecord) -> Listed:
    """Return a run as a list shows it."""
    folder = past.folder(record)
    return Listed(
        run=record.id,
        created=record.created,
        status=record.state,
        elapsed_s=record.elapsed_s,
        model=past.relative(record.model) or "",
        folder=past.relative(str(folder)) if folder else None,
    )


def run_list(past: Past, found: Iterable[RunRecord], limit: int) -> RunList:
    """Return the first runs of what was found, and how to ask for those after them."""
    records = list(islice(found, limit + 1))
    shown = tuple(listed(past, record) for record in records[:limit])
    return RunList(runs=shown, older=shown[-1].run if len(records) > limit else None)


def _waits(question: Question) -> Waits:
    return Waits(question=question.id, about=question.about, text=tuple(question_lines(question)))


def _tried(attempt: Attempt, delivered: int | None) -> Tried:
    return Tried(
        attempt=attempt.index,
        levers=levers_text(attempt.plan),
        verdict=attempt.verdict.kind,
        text=f"{verdict_text(attempt, delivered)}: {attempt.verdict.reason}",
        **_figures(attempt.comparison),
    )


def _figures(comparison: OptimizationMetrics | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    quantities = {
        "size_ratio": comparison.size_ratio,
        "speedup": comparison.speedup,
        "fidelity_db": comparison.fidelity,
    }
    delta = comparison.accuracy_delta
    figures = {name: quantity.value for name, quantity in quantities.items() if quantity is not None}
    return figures | ({"drop": -delta.value} if delta is not None else {})


def planned(plan: Plan) -> Tried:
    """Return a plan that would be tried, with what is expected of it."""
    expected = plan.predicted
    figures: dict[str, Any] = {}
    if expected is not None:
        figures = {
            "size_ratio": expected.size_ratio,
            "speedup": expected.speedup,
            "fidelity_db": expected.fidelity_db,
            "chance": expected.chance,
        }
    return Tried(basis="predicted", levers=levers_text(plan), text=plan.reason, **figures)


def candidate(found: Candidate) -> Tried:
    """Return what would answer to changed bounds."""
    return Tried(
        attempt=found.attempt,
        basis=found.basis,
        levers=levers_text(found.plan),
        text=found.text,
        size_ratio=found.size_ratio,
        speedup=found.speedup,
        fidelity_db=found.fidelity_db,
        drop=found.drop,
        chance=found.chance,
    )


def past_case(found: Recalled) -> PastCase:
    """Return a past outcome with how alike its case is."""
    outcome = found.outcome
    return PastCase(
        levers=levers_text(outcome.plan),
        verdict=outcome.verdict,
        size_ratio=outcome.size_ratio,
        speedup=outcome.speedup,
        fidelity_db=outcome.fidelity_db,
        drop=outcome.drop,
        run=outcome.run,
        similarity=found.similarity,
        same_model=found.same_model,
    )
