"""`shipfit check`: does a model load and run in a runtime, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import CompatibilityReport, RuntimeName

INCOMPATIBLE = 3


def check(
    model: opt.Model,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="onnx|torch",
            show_default=False,
            help="Where it shall run; by default where such a file runs.",
        ),
    ] = None,
    data: opt.Data = None,
    shape: opt.Shape = None,
    json: opt.Json = False,
) -> int:
    """Say whether MODEL loads and runs in a runtime; exit with 3 when it does not."""
    from ...contracts import SERVED_RUNTIMES, load_settings, refuse_unserved
    from .bounds import read_shapes
    from .console import print_json
    from .paths import data_source, model_source

    where = "torch" if runtime == "js-torch" else runtime
    if where is not None:
        refuse_unserved("runtime", where, SERVED_RUNTIMES)
    path = model_source(model)
    source = data_source(data) if data is not None else None
    shapes = read_shapes(shape or [])

    from ...agents.standalone import check_model

    report = check_model(load_settings(), path, cast("RuntimeName | None", where), data=source, shape=shapes or None)
    if json:
        print_json({**report.model_dump(mode="json"), "compatible": report.compatible})
    else:
        _print(report)
    return 0 if report.compatible else INCOMPATIBLE


def _version(report: CompatibilityReport) -> str:
    return "" if report.runtime.startswith("torch") else f", opset {report.opset}"


def _print(report: CompatibilityReport) -> None:
    from ..text import clean
    from .console import results

    console = results()
    words = {True: "yes", False: "no"}
    verdict, style = ("compatible", "bold green") if report.compatible else ("not compatible", "bold red")
    console.print(f"{verdict} with {clean(report.runtime)}", style=style)
    console.print(f"loads: {words[report.loads]}, runs: {words[report.runs]}{_version(report)}")
    if report.unsupported:
        console.print(f"unsupported operators: {clean(', '.join(report.unsupported), 2000)}", style="red")
    for problem in report.problems:
        console.print(f"problem: {clean(problem, 2000)}", style="red")
    for warning in report.warnings:
        console.print(f"warning: {clean(warning, 2000)}", style="yellow")
