"""One conversation: what a person says goes in, entries come out, and all of it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO

from ...contracts import MAX_SAID, Answer, Broken, Entry, OptimizationError, ProductFile, Refused, RequestError, Said
from ..faults import fault_of
from ..text import clean
from .inquiring import HELP, Inquiries
from .intent import Intent, asks_in, classify, in_sequence
from .naming import Named, is_model, named, refuse_code
from .phrases import Kind
from .room import Room
from .runner import HOW_TO_RESUME, Runner
from .standing import RunView
from .wishing import CAN_BE_SAID, Wishes

_CLOSED = "Run {} broke off when shipfit was closed or killed"


class Conversation:
    """A person's conversation about fitting models of one workspace.

    All methods may be called from any thread. What happens is told as entries, never by what a method returns; what
    cannot be done is an entry of kind `refused`.

    Args:
        id: of the conversation.
        room: its things.
        slots: how many runs may be at work at once, over all conversations of the desk.
    """

    def __init__(self, id: str, room: Room, slots: threading.Semaphore) -> None:
        self.id = id
        self._room = room
        self._turn = threading.Lock()
        self._runner = Runner(room, slots)
        self._wishes = Wishes(room, self._runner)
        self._inquiries = Inquiries(room, self._wishes)
        self._take_up()

    @property
    def title(self) -> str:
        """The first words that were said."""
        return self._room.standing.title

    @property
    def is_working(self) -> bool:
        """Whether a run is at work now."""
        return self._runner.is_working

    @property
    def waits(self) -> bool:
        """Whether a run waits for a person's answer."""
        return self._waiting is not None

    def say(self, text: str = "", *, model: str | None = None, data: str | None = None) -> None:
        """Take what a person says, and do it; returns when it is answered, while a run goes on.

        Args:
            text: in plain words; more than `MAX_SAID` characters are refused.
            model: a model of the workspace, named beside the words.
            data: likewise.
        """
        text = text.encode(errors="replace").decode()
        with self._turn:
            self._guarded(lambda: self._take(text, model, data))

    def answer(self, answer: Answer) -> None:
        """Answer the question that a run waits with."""
        with self._turn:
            self._guarded(lambda: self._answer(answer))

    def stop(self) -> None:
        """End the run that is at work; it can be resumed. Never waits for another thread's turn to end."""
        self._guarded(self._stop)

    def resume(self) -> None:
        """Go on with the last run that broke off."""
        with self._turn:
            self._guarded(self._go_on)

    def entries(self, after: int = 0) -> list[Entry]:
        """Return the entries whose number is greater than `after`, in order."""
        return self._room.log.after(after)

    def follow(self, after: int = 0, timeout_s: float | None = None) -> Iterator[Entry]:
        """Yield the entries whose number is greater than `after`, then those that come.

        It ends when none has come for `timeout_s` seconds, or when the desk is closed.
        """
        return self._room.log.follow(after, timeout_s)

    def files(self) -> tuple[ProductFile, ...]:
        """Return the files of all results: products, reports, recipes."""
        return self._room.standing.files

    def open_file(self, name: str) -> BinaryIO:
        """Open one of `files` for reading.

        Raises:
            RequestError: it is none of them, or it is gone.
        """
        if name not in {file.name for file in self.files()}:
            raise RequestError(f"{clean(name, 100)!r} is no file of this conversation; say 'files' to see them")
        return self._room.workspace.open(name)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no run is at work and its end was told; returns whether it is so."""
        return self._runner.wait(timeout_s)

    def close(self) -> None:
        """End what is at work, and write no more."""
        self._runner.close()
        self._room.log.close()

    @property
    def _waiting(self) -> RunView | None:
        latest = self._room.standing.latest
        return latest if latest is not None and latest.state == "waiting" else None

    def _take_up(self) -> None:
        """Tell what became of what was at work when this conversation was last kept."""
        if self._room.log.damaged:
            self._room.tell(f"{self._room.log.damaged} lines of this conversation are damaged and not shown.")
        for view in list(self._room.standing.runs.values()):
            if view.state == "working":
                text = f"{_CLOSED.format(view.ordinal)}; {HOW_TO_RESUME}."
                self._room.add(Broken, run=view.run, cause="closed", text=text)

    def _guarded(self, do: Callable[[], None]) -> None:
        """Do something, and tell why where it cannot be done."""
        try:
            do()
        except OptimizationError as error:
            self._room.add(Refused, text=clean(error.message, 2000), type=error.type)
        except Exception as error:  # noqa: BLE001 - the last door of one message: the conversation goes on
            self._room.add(Refused, text=fault_of(error).message, type="runtime")

    def _take(self, text: str, model: str | None, data: str | None) -> None:
        left_out = max(len(text) - MAX_SAID, 0)
        self._room.add(Said, text=text[:MAX_SAID], left_out=left_out, model=_cut(model), data=_cut(data))
        if left_out:
            raise RequestError(
                f"a message of {len(text):,} characters is too long: at most {MAX_SAID:,} are read; nothing was done"
            )
        if text.strip() or model or data:
            self._hear(self._named(text, model, data))

    def _named(self, text: str, model: str | None, data: str | None) -> Named:
        """Return the files that were named, in words or beside them.

        Raises:
            RequestError: one of them may not be used, or is of the other kind.
        """
        found = named(text, self._room.workspace)
        return Named(found.words, self._found(model, "model") or found.model, self._found(data, "data") or found.data)

    def _found(self, given: str | None, what: str) -> str | None:
        if given is None:
            return None
        refuse_code(given)
        place = self._room.workspace.find(given)
        if is_model(place) != (what == "model"):
            raise RequestError(f"{clean(given, 100)!r} is no {what}; name another file of the workspace as the {what}")
        return self._room.workspace.relative(place)

    def _hear(self, found: Named) -> None:
        first, *rest = in_sequence(found.words)
        self._hear_one(replace(found, words=first))
        for words in rest:
            self._hear_one(Named(words))

    def _hear_one(self, found: Named) -> None:
        asks, words = asks_in(found.words)
        intent = classify(words)
        if asks is not None or self._names_another(found) or intent.kind == "wish":
            self._wish(intent, found, asks)
        else:
            self._orders(intent)[intent.kind]()

    def _names_another(self, found: Named) -> bool:
        """Tell whether a message names another model or other data than stand already."""
        draft = self._room.standing.draft
        return (found.model or draft.model, found.data or draft.data) != (draft.model, draft.data)

    def _wish(self, intent: Intent, found: Named, asks: bool | None) -> None:
        words = intent.text if intent.kind == "wish" else ""
        waiting = self._waiting
        if waiting is not None and asks is None and not self._names_another(found):
            self._wishes.edit(waiting, words)
            return
        self._wishes.take(words, found, asks)

    def _orders(self, intent: Intent) -> dict[Kind, Callable[[], object]]:
        ask = self._inquiries
        nothing = Named("")
        return {
            "yes": self._agree,
            "no": self._disagree,
            "stop": self._stop_or_hand_back,
            "resume": lambda: self._go_on(intent.text),
            "start": self._start,
            "help": lambda: self._room.tell(*HELP),
            "files": ask.files,
            "runs": ask.runs,
            "status": ask.status,
            "reset": self._wishes.reset,
            "undo": self._wishes.undo,
            "ask_first": lambda: self._wishes.take("", nothing, approve=True),
            "ask_never": lambda: self._wishes.take("", nothing, approve=False),
            "greeting": lambda: self._room.tell(f"Hello. You can {CAN_BE_SAID}."),
            "thanks": lambda: self._room.tell("You are welcome."),
            "compare": lambda: ask.compare(intent.text),
            "what_if": lambda: ask.what_if(intent.text, intent.supposed),
            "why": lambda: ask.why(intent.text),
        }

    def _agree(self) -> None:
        prompt = self._room.standing.prompt
        if self._waiting is not None:
            self._answer(Answer(action="go", words="yes"))
        elif prompt is not None and prompt.about == "restart":
            self._runner.restart()
        elif prompt is not None and prompt.about == "start":
            self._start()
        elif prompt is not None:
            self._wishes.prompt()
        else:
            self._go_on()

    def _disagree(self) -> None:
        prompt, latest = self._room.standing.prompt, self._room.standing.latest
        if self._waiting is not None:
            self._answer(Answer(action="reject", words="no"))
        elif prompt is not None and prompt.about == "restart" and latest is not None:
            self._wishes.go_back(latest)
        else:
            self._room.tell("All right. Say what shall be otherwise.")

    def _stop_or_hand_back(self) -> None:
        if self._waiting is not None:
            self._answer(Answer(action="stop", words="stop"))
        else:
            self._stop()

    def _stop(self) -> None:
        if not self._runner.stop():
            waits = "; the run waits for an answer: say 'stop' to have the original handed back" if self.waits else ""
            self._room.tell(f"Nothing is at work{waits}.")

    def _start(self) -> None:
        draft = self._room.standing.draft
        if self._waiting is not None:
            self._agree()
        elif self._runner.is_working:
            self._room.tell("A run is at work already; say 'stop' to end it.")
        elif draft.missing:
            self._wishes.take("", Named(""), approve=draft.approve)
        else:
            self._runner.start()

    def _go_on(self, words: str = "") -> None:
        if self._waiting is not None:
            self._agree()
        elif self._runner.is_working:
            self._room.tell("A run is at work already.")
        elif self._room.standing.runs:
            self._resume(self._inquiries.run_in(words))
        else:
            self._resume(None)

    def _resume(self, view: RunView | None) -> None:
        if view is None or view.state != "broken":
            self._room.tell(f"There is nothing to agree to or to go on with; you can {CAN_BE_SAID}.")
            return
        self._runner.resume(view)

    def _answer(self, answer: Answer) -> None:
        view = self._waiting
        if view is None:
            raise RequestError("nothing waits for an answer")
        self._runner.answer(view, answer)


def _cut(name: str | None) -> str | None:
    return None if name is None else name.encode(errors="replace").decode()[:1000]
