"""Show a batch while it runs: a live table on a terminal, a line for each thing that happens elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...contracts import AttemptFinished, BatchRow, Event, NodeStarted, Planned, Progress, RowStatus, units
from ..cli.console import messages, say
from ..text import clean
from .coordinator import Board
from .words import STATUS_WORDS, quality_text, share_text, speed_text
from .worker import Notice

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

STYLES = {"met": "green", "unverified": "yellow", "rolled_back": "yellow", "failed": "red"}
_ROWS_BESIDE = 6


@contextmanager
def open_board(models: int) -> Generator[Board]:
    """Yield the board that suits stderr, for a batch of so many models."""
    console = messages()
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainBoard(models)
        return
    from rich.live import Live

    board = LiveBoard(models, console)
    # Redrawing costs processor time beside the measurements.
    with Live(console=console, get_renderable=board.draw, refresh_per_second=2, transient=True):
        yield board


class PlainBoard:
    """A line as a model begins, one for each attempt, one as it ends; no control codes."""

    def __init__(self, models: int) -> None:
        self._models = models
        self._done = 0
        self._started = time.monotonic()

    def show(self, name: str, notice: Notice) -> None:
        """Print what happened, where it is worth a line."""
        if notice is None:
            self._say(f"{name}: begins")
        elif isinstance(notice, BatchRow):
            self._done += 1
            self._say(f"{name}: {outcome_text(notice)} ({self._done} done of {self._models})")
        elif isinstance(notice, AttemptFinished):
            attempt = notice.attempt
            self._say(f"{name}: attempt {attempt.index}: {attempt.verdict.kind}: {attempt.verdict.reason}")

    def _say(self, text: str) -> None:
        say(f"[{time.monotonic() - self._started:6.1f} s] {text}")


def outcome_text(row: BatchRow) -> str:
    """Return what became of a model on one line."""
    if row.status in ("met", "unverified"):
        facts = f"size {share_text(row.size_ratio)}, speed {speed_text(row.speedup)}, {quality_text(row)}"
        return f"{STATUS_WORDS[row.status]} ({facts})"
    return f"{STATUS_WORDS[row.status]}: {row.reason}"


@dataclass
class _Doing:
    """What is being done on a model."""

    since: float = field(default_factory=time.monotonic)
    node: str = "preparing"
    attempt: int = 0
    detail: str = ""

    def take(self, event: Event) -> None:
        match event:
            case NodeStarted():
                self.node, self.detail = event.node, ""
            case Planned():
                self.attempt = event.attempt
            case Progress():
                self.detail = event.message
            case _:
                pass


class LiveBoard:
    """A table that is redrawn in place: what is being worked on, and the latest rows."""

    def __init__(self, models: int, console: Console) -> None:
        self._models = models
        self._console = console
        self._running: dict[str, _Doing] = {}
        self._rows: list[BatchRow] = []
        self._started = time.monotonic()

    def show(self, name: str, notice: Notice) -> None:
        """Take it into the table."""
        if notice is None:
            self._running[name] = _Doing()
        elif isinstance(notice, BatchRow):
            self._running.pop(name, None)
            self._rows.append(notice)
        elif name in self._running:
            self._running[name].take(notice)

    def draw(self) -> RenderableType:
        """Return the table, no higher than the terminal."""
        from rich.console import Group
        from rich.text import Text

        counts: Counter[RowStatus] = Counter(row.status for row in self._rows)
        told = ", ".join(f"{count} {STATUS_WORDS[status]}" for status, count in counts.items())
        head = f"{len(self._rows)} of {self._models} models done" + (f": {told}" if told else "")
        clock = units.format_seconds(time.monotonic() - self._started)
        return Group(Text(f"{head} · {clock}", style="bold", no_wrap=True, overflow="ellipsis"), self._table())

    def _table(self) -> Table:
        from rich.text import Text

        table = new_table()
        room = max(self._console.height - _ROWS_BESIDE - len(self._running), 1)
        for row in self._rows[-room:]:
            add_row(table, row)
        for name, doing in list(self._running.items()):
            took = units.format_seconds(time.monotonic() - doing.since)
            attempt = str(doing.attempt) if doing.attempt else ""
            what = f"{doing.node}{': ' if doing.detail else ''}{doing.detail}"
            table.add_row(
                Text(clean(name, 60)), Text("running", style="cyan"), attempt, "", "", "", took, Text(clean(what, 200))
            )
        return table


def new_table() -> Table:
    """Return an empty table of rows."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    for heading in ("model", "status", "attempts", "size", "speed", "quality", "time"):
        left = heading in ("model", "status")
        table.add_column(heading, justify="left" if left else "right", overflow="ellipsis", no_wrap=True)
    table.add_column("why", ratio=1, overflow="ellipsis", no_wrap=True)
    return table


def add_row(table: Table, row: BatchRow) -> None:
    """Add what became of a model."""
    from rich.text import Text

    product = row.status in ("met", "unverified")
    table.add_row(
        Text(clean(row.name, 60)),
        Text(STATUS_WORDS[row.status], style=STYLES.get(row.status, "dim")),
        str(row.attempts) if row.attempts else "",
        share_text(row.size_ratio) if product else "",
        speed_text(row.speedup) if product else "",
        quality_text(row) if product else "",
        units.format_seconds(row.wall_s) if row.wall_s else "",
        Text(clean(row.reason, 300), style="dim"),
    )
