"""The commands, put together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ... import __version__
from .agents import agents
from .apply import apply
from .batch import batch
from .benchmark import benchmark
from .chat import chat
from .check import check
from .demo import demo
from .doctor import doctor
from .inspect import inspect
from .mcp import mcp
from .memory import memory
from .optimize import optimize
from .resume import resume
from .runs import runs
from .scenarios import scenarios
from .understand import understand


def command() -> Any:
    """Return the command `shipfit`."""
    app = typer.Typer(
        name="shipfit",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(shipfit)
    for function in (optimize, understand, chat, batch, inspect, benchmark, check, apply, resume, mcp, demo, doctor):
        app.command()(function)
    app.add_typer(runs, name="runs")
    app.add_typer(scenarios, name="scenarios")
    app.add_typer(agents, name="agents")
    app.add_typer(memory, name="memory")
    return typer.main.get_command(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"shipfit {__version__}")
        raise typer.Exit


def shipfit(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make a model fit to ship: within its bounds, measured, or handed back with the evidence."""
