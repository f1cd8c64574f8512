"""`shipfit runs`: what was run here, and what it takes up."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt
from .compare import compare_runs
from .inquiry import explain_run, metrics_run, what_if_run

if TYPE_CHECKING:
    from ...contracts import NodeTime
    from ...memory.runs import RunRecord

runs = typer.Typer(no_args_is_help=True, help="List runs, show one, compare two, or free the space they take.")
runs.command("compare")(compare_runs)
runs.command("explain")(explain_run)
runs.command("what-if")(what_if_run)
runs.command("metrics")(metrics_run)


@runs.command("list")
def list_runs(json: opt.Json = False) -> int:
    """List all runs, the latest first."""
    from rich.table import Table
    from rich.text import Text

    from ..text import clean
    from .console import print_json, results
    from .seam import open_service

    records = open_service().runs()
    if json:
        print_json({"runs": [_document(record) for record in records]})
        return 0
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("run", "started", "status", "time", "model", "product"):
        table.add_column(heading, overflow="fold")
    for record in records:
        cells = (record.id, _when(record.created), record.state, _duration(record), record.model, record.out or "–")
        table.add_row(*(Text(clean(cell, 1000)) for cell in cells))
    console = results()
    console.print(table if records else "no runs yet; start one with: shipfit optimize MODEL")
    return 0


@runs.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")],
    json: opt.Json = False,
) -> int:
    """Show a run and every attempt on its trail."""
    from ..text import clean
    from .console import print_json, results
    from .progress import attempts_table
    from .seam import open_service

    service = open_service()
    record = service.run(run)
    trail, timeline = service.trail(record.id), service.timeline(record.id)
    if json:
        times = [item.model_dump(mode="json") for item in timeline]
        print_json({"run": _document(record), "timeline": times, "trail": [asdict(entry) for entry in trail]})
        return 0
    console = results()
    console.print(f"run {record.id}: {record.state}", style="bold")
    for label, text in (
        ("started", _when(record.created)), ("took", _duration(record)), ("model", record.model),
        ("product", record.out or "–"), ("report", _report(record)), ("stages", _stages(timeline)),
    ):  # fmt: skip
        console.print(f"{label:8} {clean(text, 1000)}", soft_wrap=True)
    attempts = list(service.attempts(record.id))
    if attempts:
        console.print()
        console.print(attempts_table(attempts))
        for attempt in attempts:
            console.print(f"{attempt.index}. {clean(attempt.verdict.reason)}", style="dim")
    return 0


def _report(record: RunRecord) -> str:
    """Return where the report is; a product may have been moved or removed since."""
    page = Path(record.out) / "report.html" if record.out else None
    return str(page) if page and page.is_file() else "–"


def _stages(timeline: tuple[NodeTime, ...]) -> str:
    """Return which stage took how long, over all processes of the run."""
    from ..report.timeline import pauses_of, stage_totals

    told = ", ".join(f"{total.stage} {total.seconds}" for total in stage_totals(timeline))
    gaps = len(pauses_of(timeline))
    return (told or "–") + (f"; {gaps} gap{'' if gaps == 1 else 's'} between processes" if gaps else "")


def _document(record: RunRecord) -> dict[str, object]:
    names = ("id", "created", "updated", "model", "out", "elapsed_s")
    return {**{name: getattr(record, name) for name in names}, "status": record.state, "alive": record.live}


def _when(timestamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp))


def _duration(record: RunRecord) -> str:
    from ...contracts import units

    return units.format_seconds(record.elapsed_s) if record.elapsed_s else "–"


@runs.command("prune")
def prune_runs(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="7d", help="Spare runs that ended less than so long ago.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Unfinished runs too, unless a process works on them.", show_default=False)
    ] = False,
    json: opt.Json = False,
) -> int:
    """Remove finished runs and what only they need; delivered products stay where they are."""
    from ...contracts import units
    from .console import print_json, results
    from .seam import open_service

    age = units.parse_seconds(older_than, "--older-than") if older_than else None
    report = open_service().prune(older_than_s=age, everything=everything)
    if json:
        print_json(asdict(report))
        return 0
    freed = units.format_bytes(report.freed_bytes)
    results().print(f"removed {len(report.runs)} runs and {len(report.artifacts)} artifacts, {freed} freed")
    return 0
