"""Where a conversation stands: what its entries come to, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...contracts import (
    Answered,
    Broken,
    Draft,
    Ended,
    Entry,
    ProductFile,
    Prompted,
    Question,
    Questioned,
    Said,
    Started,
    Taken,
)


@dataclass
class RunView:
    """A run of the conversation.

    Attributes:
        draft: that it was made from, with what a person edited since.
        question: what it waits to be told.
    """

    run: str
    ordinal: int
    draft: Draft
    state: Literal["working", "waiting", "ended", "broken"] = "working"
    question: Question | None = None
    result: Ended | None = None


class Standing:
    """Everything that decides what the next message means.

    Attributes:
        draft: the request as it stands.
        prompt: the last question of the conversation's own that is still open.
        earlier: the drafts before it, the last change last.
        runs: by id, in the order in which they were started.
        title: the first words that were said.
    """

    def __init__(self) -> None:
        self.draft = Draft()
        self.earlier: list[Draft] = []
        self.prompt: Prompted | None = None
        self.runs: dict[str, RunView] = {}
        self.title = ""

    @property
    def latest(self) -> RunView | None:
        """The run that was started last."""
        return next(reversed(self.runs.values()), None)

    @property
    def ended(self) -> list[RunView]:
        """The runs that have a result."""
        return [run for run in self.runs.values() if run.state == "ended"]

    @property
    def files(self) -> tuple[ProductFile, ...]:
        """The files of all results."""
        return tuple(file for run in self.ended if run.result for file in run.result.files)

    def take(self, entry: Entry) -> None:
        """Change with an entry."""
        match entry:
            case Said():
                self.title = self.title or entry.text[:200]
            case Taken():
                self._redraft(entry.draft)
            case Prompted():
                self.prompt = entry
            case Started():
                self._start(entry)
            case Questioned():
                self._change(entry.run, lambda view: self._ask(view, entry.question))
            case Answered():
                self.prompt = None
                self._change(entry.run, lambda view: self._ask(view, None))
            case Ended():
                self._change(entry.run, lambda view: self._end(view, entry))
            case Broken():
                self._change(entry.run, lambda view: setattr(view, "state", "broken"))
            case _:
                pass

    def _redraft(self, draft: Draft) -> None:
        """Take the request as it now stands; one that is the one before again takes the last change back."""
        if self.earlier and draft == self.earlier[-1]:
            self.earlier.pop()
        elif draft != self.draft:
            self.earlier.append(self.draft)
        self.draft, self.prompt = draft, None

    def _start(self, entry: Started) -> None:
        self.prompt = None
        if (view := self.runs.get(entry.run)) is None:
            self.runs[entry.run] = RunView(entry.run, entry.ordinal, self.draft)
        else:
            view.state, view.question = "working", None

    def _change(self, run: str, change: Callable[[RunView], None]) -> None:
        if (view := self.runs.get(run)) is not None:
            change(view)

    @staticmethod
    def _ask(view: RunView, question: Question | None) -> None:
        view.state, view.question = ("waiting" if question else "working"), question

    @staticmethod
    def _end(view: RunView, entry: Ended) -> None:
        view.state, view.question, view.result = "ended", None, entry
