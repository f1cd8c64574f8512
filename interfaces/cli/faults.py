"""What is printed when a command ends in an error, and with which exit status."""

from __future__ import annotations

import typer

from ...contracts import Interrupted, OptimizationError, RequestError, to_wire
from ..faults import save_fault
from .console import print_json, say, say_error


def report_usage(error: typer.TyperException, as_json: bool = False) -> int:
    """Say on one line what is wrong with the arguments, and where the help is; likewise with `as_json`."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "shipfit")
    message = error.format_message().strip().rstrip(".")
    if not message:  # no command was given, and the help has been shown
        return error.exit_code
    return report_error(RequestError(f"{message}; see {command} --help"), as_json)


def report_error(error: OptimizationError, as_json: bool) -> int:
    """Say on one line what went wrong; with `as_json` the same as a document on stdout."""
    if isinstance(error, Interrupted):
        say(error.message)
    else:
        say_error(error.message)
    if as_json:
        print_json(to_wire(error))
    return error.exit_status


def report_fault(error: BaseException, as_json: bool = False) -> int:
    """Save the traceback of an error that nobody foresaw, and say on one line where."""
    summary = f"{type(error).__name__}: {error}".rstrip(": ")
    message = f"this is a fault of shipfit, not of your request: {summary} (traceback: {save_fault(error)})"
    return report_error(OptimizationError(message), as_json)
