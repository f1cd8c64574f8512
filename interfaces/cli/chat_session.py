"""A conversation on the terminal: what is typed goes in, entries come out as they happen."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from ...contracts import Entry, Happened, RequestError, Said
from ..chat.telling import lines
from ..text import clean
from .chat_print import print_entry, print_title
from .console import messages, results, say
from .noticed import signals_noticed

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from ..chat.desk import Desk, Listing

PROMPT = "> "
LEAVE = frozenset({"exit", "quit", "bye", "leave", ":q"})
# Of a conversation that is gone on with, this much is shown again.
_SHOWN_AGAIN = 30
_DONE_S = 0.05


class Left(BaseException):
    """The terminal or a supervisor wants this process to end; no error, so that nothing takes it for one."""


def choose(desk: Desk, go_on: bool, name: str | None) -> Conversation:
    """Return the conversation to hold: a new one, the one of an id or its beginning, or the last.

    Raises:
        RequestError: there is none to go on with.
    """
    if not go_on:
        return desk.open()
    known = desk.list()
    if name is None:
        if not known:
            raise RequestError("there is no conversation to go on with in this workspace; leave --continue out")
        return desk.open(known[0].id)
    found = [listing.id for listing in known if listing.id.startswith(name)]
    if len(found) != 1:
        how = "several conversations begin" if found else "no conversation begins"
        raise RequestError(f"{how} with {clean(name, 60)!r}; `shipfit chat --list` shows all")
    return desk.open(found[0])


def print_conversations(listed: Iterable[Listing]) -> None:
    """Print id, time and first words of conversations on stdout."""
    console = results()
    for listing in listed:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(listing.updated))
        console.print(f"{listing.id}  {when}  {clean(listing.title, 120)}", soft_wrap=True)


def talk(conversation: Conversation) -> int:
    """Hold a conversation until it is left; returns the exit status."""
    with _ended_by_signal():
        try:
            if sys.stdin.isatty() and messages().is_terminal and not messages().is_dumb_terminal:
                with signals_noticed():
                    _Terminal(conversation).run()
            else:
                _piped(conversation)
        except Left:
            pass
        if conversation.is_working:
            say("The run is stopped; say 'go on' when you come back.")
    say(f"This conversation is kept; go on with: shipfit chat --continue {conversation.id}")
    return 0


@contextmanager
def _ended_by_signal() -> Generator[None]:
    """Have SIGTERM and SIGHUP end the conversation, where Ctrl-C only stops a run."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise Left

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _piped(conversation: Conversation) -> None:
    """Take lines from a pipe or a file: each is said when the run that the one before started has ended."""
    seen = _tell_again(conversation)
    for line in sys.stdin:
        if line.strip().lower() in LEAVE:
            break
        say(f"{PROMPT}{line.rstrip()}")
        conversation.say(line.rstrip("\n"))
        seen = _watch_plainly(conversation, seen)


def _watch_plainly(conversation: Conversation, seen: int) -> int:
    """Print entries until nothing is at work any more; the first Ctrl-C stops a run, the next one leaves."""
    while True:
        try:
            done = conversation.wait(_DONE_S)
            for entry in conversation.entries(seen):
                seen = entry.number
                _print_plainly(entry)
            if done:
                return seen
        except KeyboardInterrupt:
            if not conversation.is_working:
                raise Left from None
            conversation.stop()


def _print_plainly(entry: Entry) -> None:
    if isinstance(entry, Happened):
        for line in lines(entry):
            say(line)
    elif not isinstance(entry, Said):
        print_entry(entry, results())


def _tell_again(conversation: Conversation) -> int:
    """Print the last of what was said before; returns the number of the last entry."""
    entries = conversation.entries()
    told = [entry for entry in entries if not isinstance(entry, Happened)]
    if len(told) > _SHOWN_AGAIN:
        say(f"({len(told) - _SHOWN_AGAIN} earlier entries are not shown)")
    for entry in told[-_SHOWN_AGAIN:]:
        print_entry(entry, results())
    return entries[-1].number if entries else 0


class _Terminal:
    """The loop of a person at a terminal."""

    def __init__(self, conversation: Conversation) -> None:
        self._readline = importlib.import_module("readline")  # line editing and history for `input`
        self._conversation = conversation
        self._seen = 0
        self._typed = ""

    def run(self) -> None:
        """Read and answer until the person leaves."""
        print_title(messages(), self._conversation.id)
        self._seen = _tell_again(self._conversation)
        warned = False
        while True:
            try:
                text = self._input()
            except EOFError:
                sys.stderr.write("\n")
                return
            except KeyboardInterrupt:
                sys.stderr.write("\n")
                if warned:
                    return
                warned = True
                say("Ctrl-C again leaves; so does 'exit'.")
                continue
            warned = False
            if text.strip().lower() in LEAVE:
                return
            self._conversation.say(text)
            self._show()

    def _input(self) -> str:
        """Read a line; what was being typed when a run ended is typed already."""
        typed, self._typed = self._typed, ""
        self._readline.set_startup_hook((lambda: self._readline.insert_text(typed)) if typed else None)
        return input(PROMPT)

    def _show(self) -> None:
        """Print what came, and watch a run until it ends or waits."""
        from .chat_watch import watch

        self._print_new()
        while not self._conversation.wait(_DONE_S):
            self._seen, self._typed = watch(self._conversation, self._seen)
        self._print_new()

    def _print_new(self) -> None:
        for entry in self._conversation.entries(self._seen):
            self._seen = entry.number
            if not isinstance(entry, Said | Happened):
                print_entry(entry, results())
