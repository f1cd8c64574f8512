"""What of a run goes on its trail: the entries that a later reader, or a resumed run, needs."""

from __future__ import annotations

import hashlib
from typing import Any

from ..contracts import (
    Answer,
    ArtifactRef,
    AttemptFinished,
    AttemptJudgedAgain,
    Contract,
    DataRef,
    Effort,
    Event,
    NodeFinished,
    PhaseMetrics,
    Planned,
    Profiled,
    Question,
    Request,
)
from ..memory.trail import Trail
from .answers import METRICS, phases_of
from .state import RunInput

# The kind of the entries about what a language model was asked.
LANGUAGE = "language"


class RunTrail:
    """The trail of one run, with the kinds of entries that `agents` writes and reads.

    Args:
        trail: of all runs.
        run: whose entries these are.
    """

    def __init__(self, trail: Trail, run: str) -> None:
        self._trail = trail
        self._run = run

    def keep(self, event: Event) -> None:
        """Write down an event that has to outlive the process; most do not."""
        if isinstance(event, Profiled):
            self._once("profiled", event, "profiled")
        elif isinstance(event, Planned):  # a plan that was rejected leaves its number to the next
            self._once("planned", event, f"{event.attempt} {_mark(event)}")
        elif isinstance(event, AttemptFinished):
            self._once("attempt", event.attempt, str(event.attempt.index))
        elif isinstance(event, AttemptJudgedAgain):
            self._once("judged_again", event.attempt, f"{event.attempt.index} {event.question}")
        elif isinstance(event, NodeFinished):
            self._trail.append(self._run, "node", event.model_dump(mode="json"))

    def keep_metrics(self, found: PhaseMetrics) -> None:
        """Write down what a phase collected, once for each state that it was in."""
        body = found.model_dump(mode="json")
        self._trail.append(self._run, METRICS, body, once=f"{found.phase} {_mark(found)}")

    def keep_question(self, question: Question) -> None:
        """Write down what a person is asked."""
        self._once("question", question, question.id)

    def keep_language(self, body: dict[str, Any]) -> None:
        """Write down what a language model was asked and said, secrets masked."""
        self._trail.append(self._run, LANGUAGE, body)

    def keep_admitted(self, admitted: RunInput) -> None:
        """Write down what the run was admitted with; only the first time counts."""
        body = {
            "source": admitted["source"].model_dump(mode="json"),
            "original": admitted["original"].model_dump(mode="json"),
            "data": admitted["data"].model_dump(mode="json"),
            "data_source": admitted["data_source"],
            "data_notes": list(admitted["data_notes"]),
            "effort": admitted["effort"].model_dump(mode="json"),
            "elapsed_s": admitted["elapsed_s"],
        }
        self._trail.append(self._run, "admitted", body, once="admitted")

    @property
    def admitted(self) -> bool:
        """Whether model and data were taken in; a run that was killed before has to do it again."""
        return bool(self._trail.of(self._run, "admitted"))

    def inputs(self, request: Request) -> RunInput:
        """Return what the run was admitted with, for the state machine's first state."""
        body = self._trail.of(self._run, "admitted")[0].body
        return RunInput(
            source=ArtifactRef.model_validate(body.get("source", body["original"])),
            original=ArtifactRef.model_validate(body["original"]),
            data=DataRef.model_validate(body["data"]),
            data_source=str(body["data_source"]),
            data_notes=tuple(map(str, body.get("data_notes", ()))),
            asks=request.approve,
            effort=Effort.model_validate(body["effort"]),
            elapsed_s=float(body["elapsed_s"]),
        )

    def answer_to(self, question: Question) -> Answer | None:
        """Return what a person answered, None while nobody has."""
        given = [entry.body for entry in self._trail.of(self._run, "answer")]
        return next((Answer.model_validate(body["answer"]) for body in given if body["question"] == question.id), None)

    def language(self) -> list[dict[str, Any]]:
        """Return what language models were asked so far, in order."""
        return [entry.body for entry in self._trail.of(self._run, LANGUAGE)]

    def phases(self) -> list[PhaseMetrics]:
        """Return what was collected so far, in order."""
        return phases_of(self._trail.of(self._run))

    def _once(self, kind: str, body: Contract, once: str) -> None:
        self._trail.append(self._run, kind, body.model_dump(mode="json", exclude_none=True), once=once)


def _mark(body: Contract) -> str:
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()
