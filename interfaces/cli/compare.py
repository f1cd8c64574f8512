"""`shipfit runs compare`: two runs side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import OptimizationResponse
    from ..comparison import Comparison, Row
    from ..unlike import Unlike

_RUN = "A run's id, the beginning of it, or a folder with a report.json."
First = Annotated[str, typer.Argument(metavar="A", help=_RUN)]
Second = Annotated[str, typer.Argument(metavar="B", help=_RUN)]
Html = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="Write a page that needs nothing else; replaces only such a page."),
]
OutFolder = Annotated[
    str | None, typer.Option("--out", metavar="DIR", help="New or empty folder for compare.html and compare.json.")
]


def compare_runs(first: First, second: Second, html: Html = None, out: OutFolder = None, json: opt.Json = False) -> int:
    """Compare two finished runs: what was asked, what came out, how it was made."""
    from ..comparison import compare
    from ..comparison_files import check_folder, check_page, write_comparison, write_page
    from .console import print_json, say

    page, folder = (Path(place).absolute() if place else None for place in (html, out))
    if page:
        check_page(page)
    if folder:
        check_folder(folder)
    one, two = _response(first), _response(second)
    compared = compare(one, two)
    if page:
        write_page(page, one, two)
        say(f"page: {page}")
    if folder:
        write_comparison(folder, one, two)
        say(f"comparison: {folder}")
    if json:
        print_json(asdict(compared))
    else:
        _print(compared)
    return 0


def _response(name: str) -> OptimizationResponse:
    """Return a run's response from a folder that was delivered, or from the ledger."""
    from ..comparison_files import read_report
    from .seam import open_service

    if (path := Path(name)).is_dir() or path.name == "report.json":
        return read_report(path)
    service = open_service()
    return service.response(service.run(name).id)


def _print(compared: Comparison) -> None:
    from ..text import clean
    from .console import results
    from .summary import STATUS_STYLES

    console = results()
    for letter, side in (("A", compared.first), ("B", compared.second)):
        console.print(f"{letter} {clean(side.run)}  {clean(side.model, 1000)}", style="bold", soft_wrap=True)
        console.print(f"  {side.title}", style=STATUS_STYLES[side.status])
        console.print(f"  {clean(side.reason)}", style="dim")
    for line in compared.fairness.problems:
        console.print(f"not comparable: {clean(line)}", style="bold yellow")
    for line in compared.fairness.notes:
        console.print(f"note: {clean(line)}", style="yellow")
    _section("asked differently", compared.asked)
    _rows("product", compared.metrics, change=True)
    _rows("constraint", compared.constraints)
    _section("recipe", compared.steps)
    _section("layer", compared.layers)
    if compared.layers_left_out:
        console.print(f"{compared.layers_left_out} more layers are not listed", style="dim")
    _rows("attempt", compared.attempts)
    _rows("effort", compared.effort)


def _section(heading: str, rows: Iterable[Unlike]) -> None:
    _table(heading, [(row.what, row.first, row.second, "", None) for row in rows])


def _rows(heading: str, rows: Iterable[Row], *, change: bool = False) -> None:
    _table(heading, [(row.label, row.first, row.second, row.change, row.better) for row in rows], change=change)


def _table(heading: str, rows: list[tuple[str, str, str, str, bool | None]], *, change: bool = False) -> None:
    from rich.table import Table
    from rich.text import Text

    from .console import results

    if not rows:
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for name in (heading, "A", "B", *(("change",) if change else ())):
        table.add_column(name, overflow="fold")
    styles = {True: "green", False: "yellow", None: ""}
    for label, first, second, changed, better in rows:
        cells = [Text(label), Text(first), Text(second), *((Text(changed, styles[better]),) if change else ())]
        table.add_row(*cells)
    console = results()
    console.print()
    console.print(table)
