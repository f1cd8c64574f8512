"""The last lines of a run: what it came to, in a table that fits a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...contracts import OptimizationResponse, units
from ..command_line import offer_command
from ..facts import STATUS_TITLES, bound_text, constraint_label, measured_text, met_word, metric_rows
from ..language_use import language_line
from ..questions import decision_text
from ..text import clean, show, show_interval
from .console import results
from .progress import attempts_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STATUS_STYLES = {"met": "bold green", "unverified": "bold yellow", "rolled_back": "bold yellow", "failed": "bold red"}
# A class is told of when it lost this share, and this many samples net.
NOTABLE_DROP, NOTABLE_SAMPLES, NOTABLE_LINES = 0.05, 2, 3
_MET_STYLES = {"met": "green", "not met": "red", "not verified": "yellow"}


def print_summary(response: OptimizationResponse) -> None:
    """Print what a run came to on stdout."""
    console = results()
    console.print()
    console.print(STATUS_TITLES[response.status], style=STATUS_STYLES[response.status])
    console.print(clean(response.reason), style="dim")
    console.print()
    console.print(attempts_table(list(response.attempts)) if response.artifact.original else _comparison(response))
    if response.constraints:
        console.print()
        console.print(_constraints(response))
    _print_offers(console, response)
    for decision in response.decisions:
        console.print(decision_text(decision), style="dim")
    for note in response.provenance.data_notes:
        console.print(f"data: {clean(note)}", style="dim")
    for line in class_lines(response):
        console.print(line, style="yellow")
    if response.comparison and response.comparison.synthetic_data:
        console.print("fidelity is known on synthesised inputs only; give --data for more", style="yellow")
    if response.language is not None:
        console.print(language_line(response.language), style="dim")
    for alert in response.alerts:
        console.print(f"alert: {clean(alert)}", style="yellow")
    _print_places(console, response)


def class_lines(response: OptimizationResponse) -> list[str]:
    """Return a line for each class that lost notably more than the whole did, the worst first."""
    comparison = response.comparison
    if comparison is None or comparison.accuracy_delta is None or response.artifact.original:
        return []
    notable = [
        item
        for item in comparison.class_drops
        if item.drop >= NOTABLE_DROP and item.drop * item.samples >= NOTABLE_SAMPLES - 1e-9
    ]
    return [
        f"class {item.label} lost: {units.format_share(item.original)} → {units.format_share(item.candidate)} right "
        f"of {item.samples}"
        for item in notable[:NOTABLE_LINES]
    ]


def _comparison(response: OptimizationResponse) -> Table:
    table = _table("", "original", "product", "change", "95 % interval of the product")
    for row in metric_rows(response):
        style = {True: "green", False: "yellow", None: ""}[row.better]
        table.add_row(
            row.label, show(row.before), show(row.after), _styled(row.change, style), show_interval(row.after)
        )
    return table


def _constraints(response: OptimizationResponse) -> Table:
    table = _table("constraint", "bound", "measured", "verdict", "note")
    for result in response.constraints:
        word = met_word(result)
        measured = measured_text(result)
        table.add_row(
            constraint_label(result), bound_text(result), measured, _styled(word, _MET_STYLES[word]), clean(result.note)
        )
    return table


def _print_offers(console: Console, response: OptimizationResponse) -> None:
    if not response.offers:
        return
    console.print()
    console.print("What could be had instead (each measured):", style="bold")
    for number, offer in enumerate(response.offers, start=1):
        console.print(f"  {number}. {clean(offer.text)}")
        console.print(f"     {clean(offer_command(response.request, offer), 2000)}", style="cyan", soft_wrap=True)


def _print_places(console: Console, response: OptimizationResponse) -> None:
    count = response.effort.attempts
    took = units.format_seconds(response.timing.wall_s)
    console.print()
    console.print(f"{count} attempt{'' if count == 1 else 's'}, {took}, run {response.run}", style="dim")
    if response.out:
        folder = Path(response.out)
        for what, name in (("product", response.artifact.path), ("report", "report.html")):
            console.print(f"{what + ':':9}{clean(folder / name, 2000)}", soft_wrap=True)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in headings:
        left = heading in ("", "constraint", "verdict", "note")
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    return table


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)
