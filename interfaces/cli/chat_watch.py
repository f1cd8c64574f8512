"""A run on the terminal while one can type: the board that other commands show, and a line to write on below it."""

from __future__ import annotations

import codecs
import os
import select
import sys
import termios
import tty
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...contracts import Budget, Entry, Happened, Said, Started
from ..text import clean
from .board import Board
from .chat_print import print_entry
from .console import messages
from .progress import LiveDisplay

if TYPE_CHECKING:
    from rich.text import Text

    from ..chat.conversation import Conversation

_POLL_S = 0.1
_ENTER, _BACKSPACE, _CLEAR, _END = "\r\n", "\x7f\x08", "\x15", "\x04"
_LONGEST = 8000
_HINT = "(type to ask or to correct; 'stop' or Ctrl-C stops the run)"


class Line:
    """What is being typed: the little of an editor that one line needs."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._escaped = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, keys: bytes) -> Iterator[str]:
        """Take what was typed, and yield each line that is complete."""
        for key in self._decoder.decode(keys):
            if self._escaped:  # an arrow or a function key: everything up to its last letter
                self._escaped = not (key.isalpha() or key == "~")
            elif key == "\x1b":
                self._escaped = True
            elif key in _ENTER:
                text, self.text = self.text, ""
                yield text
            else:
                self._edit(key)

    def _edit(self, key: str) -> None:
        if key in _BACKSPACE:
            self.text = self.text[:-1]
        elif key == _CLEAR:
            self.text = ""
        elif key == _END:
            self.ended = self.ended or not self.text
        elif key.isprintable() and len(self.text) < _LONGEST:
            self.text += key


def watch(conversation: Conversation, seen: int) -> tuple[int, str]:
    """Show a run until it ends or waits, and take what is typed meanwhile.

    Returns:
        The last entry that was shown, and what was typed but not sent.

    The first Ctrl-C stops the run.

    Raises:
        Left: a second Ctrl-C, or the end of what is typed.
    """
    from .chat_session import LEAVE, Left

    line, stopping = Line(), False
    with _keys(), LiveDisplay(messages(), Board(_budget(conversation)), lambda: _footer(line)) as display:
        while True:
            try:
                done = conversation.wait(0)
                seen = _show(conversation, seen, display)
                if done:
                    return seen, line.text
                for text in line.take(_typed()):
                    if text.strip().lower() in LEAVE:
                        raise Left
                    _say(conversation, text, display)
                if line.ended:
                    raise Left
                display.refresh()
            except KeyboardInterrupt:
                if stopping:
                    raise Left from None
                stopping = True
                display.print("stopping; Ctrl-C again leaves")
                conversation.stop()


def _budget(conversation: Conversation) -> Budget | None:
    started = [entry for entry in conversation.entries() if isinstance(entry, Started)]
    return started[-1].request.budget if started else None


def _say(conversation: Conversation, text: str, display: LiveDisplay) -> None:
    if text.strip():
        display.print(f"> {clean(text, _LONGEST)}", style="bold")
        conversation.say(text)


def _show(conversation: Conversation, seen: int, display: LiveDisplay) -> int:
    for entry in conversation.entries(seen):
        seen = entry.number
        _show_entry(entry, display)
    return seen


def _show_entry(entry: Entry, display: LiveDisplay) -> None:
    if isinstance(entry, Happened):
        display.show(entry.event)
    elif not isinstance(entry, Said):
        print_entry(entry, display.console)


def _footer(line: Line) -> Text:
    from rich.text import Text

    if not line.text:
        return Text(f"> {_HINT}", style="dim", overflow="ellipsis", no_wrap=True)
    # The end is what is being typed.
    width = max(messages().width - 4, 10)
    return Text(f"> {clean(line.text, _LONGEST)[-width:]}▏", no_wrap=True)


def _typed() -> bytes:
    ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
    if not ready:
        return b""
    return os.read(sys.stdin.fileno(), 4096) or _END.encode()


@contextmanager
def _keys() -> Generator[None]:
    """Have keys come one by one and unseen; Ctrl-C stays what it is."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)  # what was typed meanwhile is kept
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
