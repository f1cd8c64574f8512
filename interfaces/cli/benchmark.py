"""`shipfit benchmark`: two models, measured against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...agents.standalone import BenchmarkResult

GATE_CLOSED = 3
DEFAULT_SECONDS = 8.0


def benchmark(
    a: Annotated[str, typer.Argument(metavar="A", help="The model to compare with, as for optimize.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The model in question, as for optimize.")],
    data: opt.Data = None,
    config: opt.DataConfig = None,
    metric: opt.Metric = None,
    shape: opt.Shape = None,
    threads: opt.Threads = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, max=600, help="Time to measure at most.", rich_help_panel=opt.DATA)
    ] = DEFAULT_SECONDS,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="'speed < 1.1'",
            help="Exit with 3 when it holds; repeatable. Names: speed, size, size_ratio, latency (p95 of B), "
            "memory_ratio, fidelity, accuracy, drop.",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = None,
    json: opt.Json = False,
) -> int:
    """Measure B against A in one process: speed, size, latency, memory, fidelity and, with labels, accuracy."""
    from ...contracts import load_settings
    from .bounds import read_shapes
    from .console import print_json
    from .gate import read_conditions
    from .paths import data_source, model_source
    from .request import data_handling
    from .tool_progress import tool_progress

    first, second = model_source(a), model_source(b)
    source = data_source(data) if data is not None else None
    handling = data_handling(config, metric, source)
    shapes = read_shapes(shape or [])
    conditions = read_conditions(fail_if or [], has_data=source is not None)

    from ...agents.standalone import benchmark_models

    with tool_progress() as progress:
        result = benchmark_models(
            load_settings(),
            first,
            second,
            data=source,
            threads=threads or 1,
            seconds=seconds,
            shape=shapes or None,
            handling=handling,
            progress=progress,
        )
    failures = [failure for condition in conditions if (failure := condition.failure(result))]
    if json:
        print_json({**result.model_dump(mode="json"), "failed": failures})
    else:
        _print(result)
    return _close(failures)


def _close(failures: Sequence[str]) -> int:
    from .console import say

    for failure in failures:
        say(f"gate closed: {failure}", style="red")
    return GATE_CLOSED if failures else 0


def _print(result: BenchmarkResult) -> None:
    from rich.table import Table

    from ...contracts import units
    from ..facts import metric_rows_of
    from ..text import show, show_interval
    from .console import results

    console = results()
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("", "A", "B", "change", "95 % interval of B"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in metric_rows_of(result.baseline, result.candidate, result.benchmark.speedup, result.evaluation.metric):
        table.add_row(row.label, show(row.before), show(row.after), row.change, show_interval(row.after))
    console.print(table)
    measured = result.benchmark
    noise = "" if measured.conclusive else "; too noisy to tell"
    console.print(
        f"{measured.rounds} rounds in {units.format_seconds(measured.seconds)}, {measured.threads} thread(s); "
        f"A against itself {show(measured.same_arm)}{noise}",
        style="dim",
    )
