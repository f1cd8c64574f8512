"""Runs of one conversation: each in a process of its own, what it tells as entries, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ...contracts import (
    Answer,
    Answered,
    Broken,
    Ended,
    Event,
    Happened,
    Interrupted,
    MachineError,
    OptimizationError,
    Progress,
    Questioned,
    Refused,
    Request,
    RequestError,
    RunStarted,
    Started,
    Taken,
    UserError,
    Waiting,
    WorkerCrashed,
    check_served,
    edits_between,
)
from ..faults import fault_of
from ..questions import question_lines
from ..running.environment import environment_of
from ..running.orders import Ended as Done, OptimizeOrder, ResumeOrder
from ..running.process import Work
from ..text import clean
from .drafting import changed_by, differences
from .inputs import placed
from .naming import PRODUCTS
from .results import ended_fields
from .room import Room
from .standing import RunView

# More progress than this nobody can read; every entry is kept, and written beside measurements.
_PROGRESS_EVERY_S = 0.5
HOW_TO_RESUME = "say 'go on' to resume it"


class Runner:
    """Starts, resumes, answers and stops the runs of a conversation.

    Args:
        room: the conversation.
        slots: how many runs may be at work at once, over all conversations.
    """

    def __init__(self, room: Room, slots: threading.Semaphore) -> None:
        self._room = room
        self._slots = slots
        self._lock = threading.Lock()
        self._work: Work | None = None
        self._thread: threading.Thread | None = None
        self._again = False
        self._closed = False
        self._next_progress = 0.0
        self._waiting: Waiting | None = None

    @property
    def is_working(self) -> bool:
        """Whether a run is at work now."""
        return self._work is not None

    def start(self) -> None:
        """Start a run of the draft as it stands.

        Raises:
            RequestError: something is missing or wrong with it, or too many runs are at work.
        """
        draft, workspace = self._room.standing.draft, self._room.workspace
        if draft.model is None or draft.missing:
            raise RequestError(f"something is missing: {', '.join(draft.missing)}")
        model = str(workspace.find(draft.model))
        data = str(workspace.find(draft.data)) if draft.data else None
        request = check_served(placed(draft, workspace).request(model, data))
        if (workspace.root / PRODUCTS).is_symlink():
            raise RequestError(f"{PRODUCTS!r} in the workspace is a link; products go into a folder: remove it")
        fields = request.model_dump(mode="json", exclude_none=True)
        order = OptimizeOrder(fields=fields, base=str(workspace.root), read=False)
        self._begin(order, request, "The run begins; the model is looked into first.")

    def resume(self, view: RunView) -> None:
        """Go on with a run that was interrupted.

        Raises:
            RequestError: too many runs are at work, or there is no such run any more.
        """
        request = self._room.service.run(view.run).request
        self._begin(ResumeOrder(run=view.run), request, f"Run {view.ordinal} goes on.")

    def answer(self, view: RunView, answer: Answer) -> None:
        """Answer the question that a run waits with, and have it go on.

        Raises:
            RequestError: the answer cannot be, the run waits for none, or too many runs are at work.
        """
        question = view.question
        if question is None:
            raise RequestError("nothing waits for an answer")
        self._room.service.answer(view.run, answer)
        edits = edits_between(question.request, answer.changes.applied_to(question.request))
        self._room.add(Answered, run=view.run, question=question.id, answer=answer, edits=edits)
        self._follow_edit(answer)
        self.resume(view)

    def stop(self) -> bool:
        """End what is at work, so that it can be resumed; returns whether something was."""
        self._again = False
        return self._end_work()

    def restart(self) -> None:
        """Stop what is at work, and start a run of the draft as it then stands."""
        self._again = True
        if not self._end_work():
            self._again = False
            self.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is at work; returns whether it is so."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join(None if until is None else max(until - time.monotonic(), 0))
            if until is not None and time.monotonic() >= until:
                break
        return not self.is_working

    def close(self) -> None:
        """End what is at work, for good."""
        self._closed = True
        self.stop()
        self.wait()

    def _follow_edit(self, answer: Answer) -> None:
        """Have the draft follow what a person edited, so that a later run is asked the same."""
        draft = self._room.standing.draft
        if answer.action != "edit":
            return
        with suppress(RequestError):  # it was changed since in a way that does not go with the edit
            changed = changed_by(draft, answer.changes)
            self._room.add(Taken, draft=changed, changed=differences(draft, changed))

    def _end_work(self) -> bool:
        work = self._work
        if work is None:
            return False
        work.stop()
        return True

    def _begin(self, order: OptimizeOrder | ResumeOrder, request: Request, told: str) -> None:
        with self._lock:
            if self._work is not None:
                raise RequestError("a run is at work already; stop it first")
            if not self._slots.acquire(blocking=False):
                raise RequestError("as many runs are at work as this workspace may have; wait for one, or stop one")
            work = self._work = Work(order, environment_of(self._room.settings))
        self._room.tell(told)
        self._thread = threading.Thread(target=self._follow, args=(work, order, request), daemon=True)
        self._thread.start()

    def _follow(self, work: Work, order: OptimizeOrder | ResumeOrder, request: Request) -> None:
        """Hear a run out, in a thread of its own, and tell what came of it.

        What a person may answer at once is told when the process is gone and the next may begin.
        """
        tell = self._hear_out(work, order, request)
        with self._lock:
            self._work = None
            self._slots.release()
        with suppress(MachineError):  # where nothing can be written, nothing can be told either
            tell()
        if self._again and not self._closed:
            self._again = False
            self._start_again()

    def _start_again(self) -> None:
        try:
            self.start()
        except OptimizationError as error:
            self._room.add(Refused, text=clean(error.message, 2000), type=error.type)

    def _hear_out(self, work: Work, order: OptimizeOrder | ResumeOrder, request: Request) -> Callable[[], object]:
        """Do the work and return what tells its end."""
        try:
            done = Done.model_validate(work.result(lambda event: self._hear(event, request)))
            fields = self._question() if done.waits else self._result(done.run)
        except OptimizationError as error:
            return partial(self._tell_error, order, work.run, error)
        except Exception as error:  # noqa: BLE001 - the last door of one run: the conversation and all others go on
            return partial(self._tell_error, order, work.run, fault_of(error))
        return partial(self._room.add, Questioned if done.waits else Ended, **fields)

    def _hear(self, event: Event, request: Request) -> None:
        match event:
            case RunStarted():
                self._room.add(Started, **self._started(event, request))
            case Waiting():
                self._waiting = event
            case Progress() if time.monotonic() < self._next_progress:
                pass
            case _:
                if isinstance(event, Progress):
                    self._next_progress = time.monotonic() + _PROGRESS_EVERY_S
                self._room.add(Happened, run=self._run_at_work(), event=event)

    def _started(self, event: RunStarted, request: Request) -> dict[str, Any]:
        known = self._room.standing.runs
        ordinal = known[event.run].ordinal if event.run in known else len(known) + 1
        return {"run": event.run, "ordinal": ordinal, "request": request, "resumed": event.resumed}

    def _run_at_work(self) -> str:
        work = self._work
        return (work.run if work else None) or ""

    def _question(self) -> dict[str, Any]:
        waiting = self._waiting
        if waiting is None:
            raise MachineError("a run waits without having asked")
        question = waiting.question
        return {"run": waiting.run, "question": question, "text": tuple(question_lines(question))}

    def _result(self, run: str) -> dict[str, Any]:
        service = self._room.service
        response, out = service.response(run), service.run(run).out
        if out is None:
            raise MachineError(f"run {run} was delivered nowhere")
        return ended_fields(response, Path(out), self._room.workspace)

    def _tell_error(self, order: OptimizeOrder | ResumeOrder, run: str | None, error: OptimizationError) -> None:
        named = run or (order.run if isinstance(order, ResumeOrder) else None)
        view = self._room.standing.runs.get(named or "")
        text = clean(error.message, 2000)
        if view is None or (isinstance(error, UserError) and view.state != "working"):
            if isinstance(error, Interrupted):
                self._room.tell("Stopped before the run began; nothing of it is left.")
            else:
                self._room.add(Refused, text=text, type=error.type)
            return
        cause = _cause(error)
        told = f"Run {view.ordinal} was stopped" if cause == "stopped" else f"Run {view.ordinal} broke off: {text}"
        self._room.add(Broken, run=view.run, cause=cause, text=f"{told}; {HOW_TO_RESUME}.")


def _cause(error: OptimizationError) -> Literal["stopped", "died", "failed"]:
    if isinstance(error, Interrupted):
        return "stopped"
    return "died" if isinstance(error, WorkerCrashed) else "failed"
