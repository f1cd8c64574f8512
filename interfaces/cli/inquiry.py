"""`shipfit runs explain`, `what-if` and `metrics`: what a run knows of itself, without running anything."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as opt

Run = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")]


def explain_run(
    run: Run,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="What about: attempt 2, int4, pruning, size …", show_default=False),
    ] = None,
    json: opt.Json = False,
) -> int:
    """Say why each attempt was made, what it missed, and why nothing else was tried."""
    from ..questions import decision_text
    from .console import print_json
    from .seam import open_service

    explanation = open_service().explain(run, " ".join(words or ()))
    if json:
        print_json(explanation)
    else:
        _print_lines([*explanation.text, *map(decision_text, explanation.decisions)])
    return 0


def what_if_run(
    run: Run,
    max_size: opt.MaxSize = None,
    max_memory: opt.MaxMemory = None,
    max_latency: opt.MaxLatency = None,
    latency_statistic: opt.LatencyStatistic = None,
    min_speedup: opt.MinSpeedup = None,
    min_throughput: opt.MinThroughput = None,
    min_accuracy: opt.MinAccuracy = None,
    max_drop: opt.MaxDrop = None,
    min_fidelity: opt.MinFidelity = None,
    min_logits_fidelity: opt.MinLogitsFidelity = None,
    allow_regression: opt.AllowRegression = None,
    forbid: opt.Forbid = None,
    objective: opt.Objective = None,
    json: opt.Json = False,
) -> int:
    """Say what other bounds would cost (`none` lifts one): what was measured is judged, the rest predicted."""
    given = dict(locals())
    from ...contracts import RequestError
    from ..answers import read_changes
    from .console import print_json
    from .seam import open_service

    names = [name for name, value in given.items() if name not in ("run", "json") and value]
    settings = [(name, ",".join(given[name]) if isinstance(given[name], list) else given[name]) for name in names]
    if not settings:
        raise RequestError("nothing is changed; say what shall be otherwise, such as --max-size 5MB")
    found = open_service().what_if(run, read_changes(settings))
    if json:
        print_json(found)
    else:
        _print_lines([*(f"if {edit.text()}" for edit in found.edits), *found.text])
    return 0


def metrics_run(run: Run, json: opt.Json = False) -> int:
    """Show what was collected of a run, phase by phase, and the alerts that each phase would raise."""
    from ..phases import phase_rows
    from ..text import clean
    from .console import print_json, results
    from .seam import open_service

    service = open_service()
    phases = service.metrics(run)
    if json:
        print_json({"run": service.run(run).id, "phases": [phase.model_dump(mode="json") for phase in phases]})
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("metric", *(phase.phase for phase in phases)):
        table.add_column(Text(clean(heading, 80)), justify="left" if heading == "metric" else "right", overflow="fold")
    for cells in phase_rows(phases):
        table.add_row(*(Text(clean(cell, 200)) for cell in cells))
    console = results()
    console.print(table if phases else "nothing was measured yet")
    for phase in phases:
        for alert in phase.alerts:
            console.print(f"alert ({clean(phase.phase, 80)}): {clean(alert)}", style="yellow")
    return 0


def _print_lines(lines: list[str]) -> None:
    from ..text import clean
    from .console import results

    console = results()
    for line in lines:
        console.print(clean(line, 2000), soft_wrap=True)
