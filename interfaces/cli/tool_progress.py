"""Progress of one tool that works outside a run."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from ...contracts import Progress, ProgressSink
from ..text import clean
from .console import messages, say
from .progress import SECONDS_BETWEEN_PROGRESS


@contextmanager
def tool_progress() -> Generator[ProgressSink]:
    """Yield a sink that shows progress on stderr: a spinner on a terminal, sparse lines elsewhere."""
    console = messages()
    if not console.is_terminal or console.is_dumb_terminal:
        yield _sparse()
        return
    from rich.text import Text

    with console.status(Text("starting")) as status:
        yield lambda event: status.update(Text(_line(event)))


def _sparse() -> ProgressSink:
    last = -SECONDS_BETWEEN_PROGRESS

    def sink(event: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_PROGRESS:
            last = now
            say(_line(event))

    return sink


def _line(event: Progress) -> str:
    share = "" if event.fraction is None else f" {event.fraction:.0%}"
    return clean(f"{event.tool}{share} {event.message}".rstrip(), 200)
