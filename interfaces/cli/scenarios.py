"""`shipfit scenarios`: end-to-end cases as data, and how they end here."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ..scenarios.outcome import ScenarioReport

OTHERWISE = 3
DEFAULT_SUITE = "quick"
MAX_REPEATS = 1000

scenarios = typer.Typer(no_args_is_help=True, help="Run end-to-end cases that say how they must end, or list them.")

Wanted = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SUITE|FILE]...", help="Suites, files or folders. (default: quick)", show_default=False),
]


@scenarios.command("list")
def list_scenarios(wanted: Wanted = None, json: opt.Json = False) -> int:
    """List the cases of suites (by default of all) with how each must end."""
    from rich.table import Table

    from ...contracts import RequestError
    from ..scenarios.load import load_suite, suites
    from ..text import clean
    from .console import print_json, results

    names = wanted or suites()
    if not names:
        raise RequestError("there are no suites beside the code; a clone of shipfit has them, or give a path")
    found = {name: load_suite(name) for name in names}
    if json:
        cases = {name: [case.model_dump(mode="json") for case in suite] for name, suite in found.items()}
        print_json({"suites": cases})
        return 0
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("suite", "scenario", "expected", "model", "about"):
        table.add_column(heading, overflow="fold")
    for name, suite in found.items():
        for case in suite:
            status = case.expect.status.replace("_", " ")
            table.add_row(clean(name), case.name, status, case.model, clean(case.about))
    results().print(table)
    return 0


@scenarios.command("run")
def run(
    wanted: Wanted = None,
    repeats: Annotated[
        int,
        typer.Option("--repeats", metavar="K", min=1, max=MAX_REPEATS, help="Each so often, other seeds each time."),
    ] = 1,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="New or empty folder that keeps all of it.", show_default=False),
    ] = None,
    json: opt.Json = False,
) -> int:
    """Run cases, and say how each ended; exit with 3 when one did not end as it says."""
    from ...contracts import load_settings
    from ..scenarios.files import check_prepared
    from ..scenarios.load import load
    from .console import print_json, say
    from .paths import output_folder

    cases = load(wanted or [DEFAULT_SUITE])
    for case in cases:
        check_prepared(case)
    kept = output_folder(out) if out is not None else None

    from ..scenarios.run import run_scenarios

    with tempfile.TemporaryDirectory(prefix="shipfit-scenarios-") if kept is None else nullcontext(kept) as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        report = run_scenarios(cases, Path(folder), load_settings(), repeats, say)
        _write(report, Path(folder))
    if json:
        print_json({**report.model_dump(mode="json"), "as_expected": report.as_expected})
    else:
        _print(report)
    return 0 if report.as_expected else OTHERWISE


def _write(report: ScenarioReport, folder: Path) -> None:
    from ...contracts import MachineError
    from ..scenarios.table import markdown

    try:
        (folder / "results.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / "results.md").write_text(markdown(report), encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{str(folder)!r} cannot be written: {error.strerror}") from error


def _print(report: ScenarioReport) -> None:
    from rich.table import Table

    from ..scenarios.table import HEADINGS, misses, rows
    from .console import results

    console = results()
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for case, row in zip(report.cases, rows(report), strict=True):
        table.add_row(*row, style=None if case.as_expected else "red")
    console.print(table)
    for line in misses(report):
        console.print(line, style="yellow", soft_wrap=True)
