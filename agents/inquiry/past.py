"""A run as its trail tells it: what a policy saw at the end, without any checkpoint and without running anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...contracts import (
    Answer,
    ArtifactRef,
    Attempt,
    DataRef,
    Decision,
    Hardware,
    HostProbe,
    Plan,
    PolicyState,
    Profile,
    Question,
    Request,
    RequestError,
    Settings,
    edits_between,
    validate,
)
from ...memory.ledger import Ledger
from ...memory.runs import RunRecord
from ...memory.trail import TrailEntry
from ...tools.hardware import this_machine
from ..answers import attempts_of
from ..execute import HARDWARE
from ..host import assumed_host, known_host


@dataclass(frozen=True)
class Past:
    """A run so far.

    Attributes:
        request: as it stands, what people edited included.
        state: what a policy would see now; None where the model was not inspected yet.
        reason: why it ended as it did; empty while it has not.
    """

    run: str
    status: str
    request: Request
    attempts: tuple[Attempt, ...]
    decisions: tuple[Decision, ...]
    delivered: int | None
    reason: str
    state: PolicyState | None


def past_of(settings: Settings, ledger: Ledger, run: str) -> Past:
    """Return what is known of the run whose id begins with `run`.

    Raises:
        RequestError: there is none, or there are several.
    """
    return _known(settings, ledger, ledger.runs.get(run))


def alike(settings: Settings, ledger: Ledger, request: Request) -> Past:
    """Return the latest run of a request's model, data and target, as if it had been asked for `request`.

    Raises:
        RequestError: there is none that inspected the model.
    """
    for record in ledger.runs.latest():
        asked = record.request
        if (asked.model, asked.data, asked.target) == (request.model, request.data, request.target):
            seen = _known(settings, ledger, record)
            if seen.state is not None:
                return replace(seen, request=request, delivered=None)
    raise RequestError("no run of this model and these data is known; see what --dry-run expects")


def _known(settings: Settings, ledger: Ledger, record: RunRecord) -> Past:
    trail = ledger.trail.of(record.id)
    body = next((entry.body for entry in trail if entry.kind == HARDWARE), None)
    hardware = this_machine() if body is None else validate(Hardware, body)
    host = known_host(settings, ledger, hardware) or assumed_host("the machine was not measured", hardware)
    return past(record, trail, host)


def past(record: RunRecord, trail: list[TrailEntry], host: HostProbe) -> Past:
    """Return what is known of a run; `host` stands for the machine where the run did not end and so does not say."""
    response = record.response
    request, decisions, rejected = _decided(record.request, trail)
    attempts = attempts_of(trail)
    profile = _profile(trail) or (response.profile if response else None)
    bodies = {entry.kind: entry.body for entry in trail}
    state = None
    if profile is not None and "admitted" in bodies:
        admitted = bodies["admitted"]
        state = PolicyState(
            request=request,
            profile=profile.model_copy(
                update={"size_bytes": validate(ArtifactRef, admitted["original"]).size_bytes or profile.size_bytes}
            ),
            host=(response.provenance.host if response else None) or host,
            attempts=attempts,
            rejected=rejected,
            labelled=validate(DataRef, admitted["data"]).labelled,
        )
    return Past(
        run=record.id,
        status=record.state,
        request=request,
        attempts=attempts,
        decisions=decisions,
        delivered=response.delivered if response else None,
        reason=response.reason if response else "",
        state=state,
    )


def _profile(trail: Iterable[TrailEntry]) -> Profile | None:
    found = [entry.body for entry in trail if entry.kind == "profiled"]
    return validate(Profile, found[-1]["profile"]) if found else None


def _decided(asked: Request, trail: Iterable[TrailEntry]) -> tuple[Request, tuple[Decision, ...], tuple[Plan, ...]]:
    """Return the request as people left it, what they decided, and the plans that they rejected."""
    request, decisions, rejected = asked, list[Decision](), list[Plan]()
    questions: dict[str, Question] = {}
    for entry in trail:
        if entry.kind == "question":
            question = validate(Question, entry.body)
            questions[question.id] = question
        elif entry.kind == "answer" and (about := questions.get(str(entry.body["question"]))) is not None:
            answer = validate(Answer, entry.body["answer"])
            edited = answer.changes.applied_to(request)
            decisions.append(Decision.of(about, answer, edits_between(request, edited), entry.created))
            if answer.action == "reject" and about.about == "plan":
                rejected.append(about.plan)
            request = edited
    return request, tuple(decisions), tuple(rejected)
