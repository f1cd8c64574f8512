"""Tracing: what a run does as spans, for whoever has it switched on. Off by default, and then nothing is imported."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from ..contracts import Attempt, MissingExtraError, Request, Settings

# A node of the state machine, a job, or a job that measures.
SpanKind = Literal["AGENT", "TOOL", "MEASUREMENT"]
MEASURING = frozenset({"benchmark", "evaluate", "inspect", "probe", "sensitivity", "unit_times"})
NEEDED = ("mlflow", "sqlalchemy", "alembic")


class Span(Protocol):
    """A span that is open."""

    def note(self, **facts: Any) -> None:
        """Add attributes."""
        ...


class Tracer(Protocol):
    """Takes spans, which nest in the order in which they are opened, and the figures of attempts.

    Nothing that goes wrong in a tracer ends a run.
    """

    def span(self, name: str, kind: SpanKind, **facts: Any) -> AbstractContextManager[Span]:
        """Open a span below the one that is open; an error that passes through is recorded on it."""
        ...

    def attempt(self, attempt: Attempt) -> None:
        """Record what an attempt reached."""
        ...

    def session(self) -> AbstractContextManager[None]:
        """Open the outermost span, of one process's work on the run."""
        ...

    def finish(self, status: str, reason: str) -> None:
        """Record how the run ended."""
        ...


class _Nothing:
    def note(self, **facts: Any) -> None:
        """Pass over."""


class NoTracer:
    """Implements `Tracer` by doing nothing."""

    @contextmanager
    def span(self, name: str, kind: SpanKind, **facts: Any) -> Generator[Span]:
        """Yield a span that keeps nothing."""
        yield _Nothing()

    def attempt(self, attempt: Attempt) -> None:
        """Pass over."""

    @contextmanager
    def session(self) -> Generator[None]:
        """Open nothing."""
        yield

    def finish(self, status: str, reason: str) -> None:
        """Pass over."""


def check_tracing(settings: Settings) -> None:
    """Refuse to trace without what tracing needs; nothing is imported for it.

    Raises:
        MissingExtraError: tracing is on, and a package of the extra is missing.
    """
    missing = [name for name in NEEDED if settings.trace is not None and find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'tracing needs {", ".join(missing)}: pip install "shipfit[mlflow]"')


def open_tracer(settings: Settings, run: str, request: Request) -> Tracer:
    """Return the tracer that the settings ask for."""
    if settings.trace is None:
        return NoTracer()
    from .mlflow_tracer import MlflowTracer

    return MlflowTracer(settings.trace, run, request)
