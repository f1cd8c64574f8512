"""Show a run while it works: a live board on a terminal, one line per event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from ...contracts import Attempt, Budget, Event, NodeFinished, NodeStarted, Progress, RunFinished, units
from ..facts import plan_text, proposer_text, quality_text, size_ratio_text, speed_text, verdict_text
from ..text import clean
from .board import Board, describe
from .console import messages, say

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

VERDICT_STYLES = {"met": "green", "not_met": "yellow", "inconclusive": "yellow", "failed": "red"}
# A line for each step of a tool would drown the others in a log.
SECONDS_BETWEEN_PROGRESS = 2.0
# Shown on the board while it lasts, not kept above it.
_FLEETING = (Progress, NodeStarted, NodeFinished, RunFinished)


class Display(Protocol):
    """A context in which events are shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def open_display(budget: Budget | None = None) -> Display:
    """Return the display that suits stderr."""
    console = messages()
    live = console.is_terminal and not console.is_dumb_terminal
    return LiveDisplay(console, Board(budget)) if live else PlainDisplay()


class PlainDisplay:
    """One line per event, without control codes; progress inside a tool at most every other second."""

    def __init__(self) -> None:
        self._last_progress = -SECONDS_BETWEEN_PROGRESS
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: Event) -> None:
        """Print the event's line."""
        now = time.monotonic()
        if isinstance(event, Progress):
            if now - self._last_progress < SECONDS_BETWEEN_PROGRESS:
                return
            self._last_progress = now
        if line := describe(event):
            say(f"[{now - self._started:6.1f} s] {line}")


class LiveDisplay:
    """A board that is redrawn in place: what is going on, and the attempts so far.

    Args:
        console: that it is drawn on.
        board: what is shown.
        footer: drawn below it, such as a line that somebody types.
    """

    def __init__(self, console: Console, board: Board, footer: Callable[[], RenderableType] | None = None) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self.console = console
        self._board = board
        self._footer = footer
        self._spinner = Spinner("dots")
        # Redrawing costs processor time beside the measurements: four times a second is enough for an eye.
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        """Take the event into the board; what was found out stays visible above it."""
        self._board.take(event)
        if not isinstance(event, _FLEETING) and (line := describe(event)):
            self._live.console.print(clean(line), style="dim", soft_wrap=False, overflow="ellipsis", no_wrap=True)

    def print(self, text: str, style: str = "dim") -> None:
        """Print a line above the board."""
        self._live.console.print(text, style=style)

    def refresh(self) -> None:
        """Draw what changed at once."""
        self._live.refresh()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        self._spinner.update(text=Text(self._headline(), style="bold", overflow="ellipsis", no_wrap=True))
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        head.add_row(self._spinner, Text(self._clock(), style="dim"))
        lines: list[RenderableType] = [head]
        if self._board.plan:
            lines.append(Text(f"  {clean(self._board.plan, 300)}", style="italic", overflow="ellipsis", no_wrap=True))
        if self._board.attempts:
            lines.append(attempts_table(self._board.attempts))
        if self._footer is not None:
            lines.append(self._footer())
        return Group(*lines)

    def _headline(self) -> str:
        board = self._board
        share = "" if board.fraction is None else f" {board.fraction:.0%}"
        doing = f"{board.doing}{share}" if board.doing else ""
        parts = [board.node, self._attempt(), doing or board.detail, board.measured]
        return clean(" · ".join(part for part in parts if part), 300)

    def _attempt(self) -> str:
        board = self._board
        if board.attempt is None:
            return ""
        most = f" of {board.budget.max_attempts}" if board.budget else ""
        return f"attempt {board.attempt}{most}"

    def _clock(self) -> str:
        limit = self._board.budget.time_limit_s if self._board.budget else None
        elapsed = f"{self._board.elapsed:.0f} s"
        return elapsed if limit is None else f"{elapsed} / {units.format_seconds(limit)}"


def attempts_table(attempts: list[Attempt], delivered: int | None = None) -> Table:
    """Return a table of attempts: plan, size, speed, quality, verdict."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("#", "plan", "size", "speed", "accuracy or fidelity", "verdict"):
        table.add_column(heading, justify="left" if heading in ("plan", "verdict") else "right", overflow="fold")
    for attempt in attempts:
        style = VERDICT_STYLES[attempt.verdict.kind]
        table.add_row(
            str(attempt.index),
            Text(_plan(attempt)),
            size_ratio_text(attempt.comparison),
            speed_text(attempt.comparison),
            quality_text(attempt.comparison),
            Text(verdict_text(attempt, delivered), style=style),
        )
    return table


def _plan(attempt: Attempt) -> str:
    """Return what was tried, and who asked for it where that was not the policy."""
    proposer = proposer_text(attempt.plan.proposer)
    return f"{plan_text(attempt)} ({proposer})" if proposer else plan_text(attempt)
