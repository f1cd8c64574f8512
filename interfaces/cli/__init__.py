"""The command line `shipfit`. Importing it, asking for help and being wrong load nothing heavy."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    0 met · 1 a fault of ours or of the machine · 2 a wrong request · 3 rolled back, incompatible or a gate that
    closed · 4 unverified · 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminated_like_interrupted():
            return _run(arguments, as_json="--json" in arguments)
    except KeyboardInterrupt:  # before there was a command that could answer it
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _run(arguments: list[str], as_json: bool) -> int:
    import typer

    from ...contracts import Interrupted, OptimizationError
    from .app import command
    from .faults import report_error, report_fault, report_usage

    try:
        status = command().main(args=arguments, prog_name="shipfit", standalone_mode=False)
    except typer.TyperException as error:
        return report_usage(error, as_json)
    except OptimizationError as error:
        return report_error(error, as_json)
    except Exception as error:  # noqa: BLE001 - the last door: people see a line, developers the saved traceback
        return report_fault(error, as_json)
    if status == INTERRUPTED:  # outside a run: a run that is interrupted says how to go on
        return report_error(Interrupted("interrupted"), as_json)
    return int(status or 0)


@contextmanager
def _terminated_like_interrupted() -> Generator[None]:
    """Treat SIGTERM as Ctrl-C, so that a run that is stopped by its supervisor can be resumed."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
