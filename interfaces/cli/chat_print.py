"""Entries of a conversation on a terminal, in the colours that the other commands use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contracts import Compared, Ended, Entry, Said
from ..chat.telling import lines
from ..text import clean
from .summary import STATUS_STYLES

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    "said": "bold", "prompt": "bold cyan", "question": "cyan", "refused": "red", "interrupted": "yellow",
    "started": "dim", "answered": "dim",
}  # fmt: skip


def print_title(console: Console, conversation: str) -> None:
    """Print what can be done here."""
    console.print(f"shipfit, conversation {conversation}", style="bold")
    console.print("Say what you want of a model, or 'help'. Ctrl-C stops a run, 'exit' leaves.", style="dim")


def print_entry(entry: Entry, console: Console) -> None:
    """Print an entry, a line each; two results side by side as a table."""
    if isinstance(entry, Compared):
        _print_compared(entry, console)
        return
    for number, line in enumerate(lines(entry)):
        first_style = STATUS_STYLES[entry.status] if isinstance(entry, Ended) else ""
        style = first_style if number == 0 and first_style else _STYLES.get(entry.kind, "")
        before = "> " if isinstance(entry, Said) and number == 0 else ""
        console.print(f"{before}{line}", style=style, soft_wrap=True)


def _print_compared(entry: Compared, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    for letter, run, title in zip("AB", (entry.first, entry.second), entry.titles, strict=True):
        console.print(f"{letter} {clean(run, 60)}: {clean(title, 600)}", style="bold", soft_wrap=True)
    for problem in entry.problems:
        console.print(f"note: {clean(problem, 500)}", style="yellow", soft_wrap=True)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", "", "A", "B", "change"):
        table.add_column(heading, overflow="fold")
    styles = {True: "green", False: "yellow", None: ""}
    group = ""
    for row in entry.rows:
        shown = "" if row.group == group else row.group
        group = row.group
        cells = (shown, clean(row.label, 100), clean(row.first, 300), clean(row.second, 300))
        table.add_row(*map(Text, cells), Text(clean(row.change, 60), styles[row.better]))
    console.print(table)
