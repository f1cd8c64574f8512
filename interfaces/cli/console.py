"""The two streams of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from ..text import clean

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

# Piped output has no width of its own; tables wider than this would be cut where nobody can scroll.
PIPED_WIDTH = 240
_ANSI = {"red": "\x1b[31m", "dim": "\x1b[2m"}
_RESET = "\x1b[0m"


def results() -> Console:
    """Return a console on stdout."""
    return _console(sys.stdout)


def messages() -> Console:
    """Return a console on stderr."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # Markup and emoji codes stay off: texts carry names that come from models.
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def say(text: str, style: str = "") -> None:
    """Print one line on stderr, never wrapped. Not through rich, which would double the cost of a wrong argument."""
    line = clean(text, limit=4000)
    coloured = style and sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    sys.stderr.write(f"{_ANSI[style]}{line}{_RESET}\n" if coloured else f"{line}\n")
    sys.stderr.flush()


def say_error(text: str) -> None:
    """Print `error: text` on one line of stderr."""
    say(f"error: {text}", style="red")


def print_json(document: BaseModel | dict[str, object]) -> None:
    """Print one JSON document on stdout; infinite numbers are written as strings, as contracts do."""
    from pydantic_core import to_json

    sys.stdout.write(to_json(document, indent=2, inf_nan_mode="strings").decode() + "\n")
    sys.stdout.flush()
