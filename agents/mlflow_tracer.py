"""Traces in MLflow, in a SQLite file of this machine: an MLflow run for a run, a trace for each process's work on it.

`mlflow ui --backend-store-uri sqlite:///FILE` shows them. A trace is written as its outermost span ends, so one of a
process that is killed is lost; the run goes on in a trace of its own, and metrics are written at once.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from langgraph.errors import GraphBubbleUp

from ..contracts import Attempt, Interrupted, Request
from .language.secrets import Secrets
from .tracing import SpanKind

EXPERIMENT = "shipfit"
RUN_TAG = "shipfit.run"
TEXT_AT_MOST = 2000
# Read when mlflow is imported. Spans are written when they end, not by a thread that outlives the run.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}  # fmt: skip
_log = logging.getLogger(__name__)


class MlflowTracer:
    """Implements `Tracer` over MLflow.

    Args:
        uri: `sqlite:///` and the absolute path of the file, made where it is not there.
        run: id of the run.
        request: as it was asked.
    """

    def __init__(self, uri: str, run: str, request: Request) -> None:
        self._uri = uri
        self._run = run
        self._request = request
        self._secrets = Secrets()
        self._open: list[tuple[str, str]] = []
        self._client: Any = None
        self._mlflow_run = self._experiment = ""
        self._mlflow = self._tried(_imported)

    @contextmanager
    def session(self) -> Generator[None]:
        """Open the store and the outermost span; an error that ends the process's work is recorded on it."""
        self._tried(self._begin)
        with self._kept(self._start_trace, self._end_trace):
            yield

    @contextmanager
    def span(self, name: str, kind: SpanKind, **facts: Any) -> Generator[_OpenSpan]:
        """Open a span below the one that is open."""
        opened = _OpenSpan(facts)

        def start() -> tuple[str, str]:
            trace, parent = self._open[-1]
            span = self._ready.start_span(name, trace, parent, span_type=kind, attributes=self._plain(facts))
            return trace, span.span_id

        def end(ids: tuple[str, str], error: BaseException | None) -> None:
            self._ready.end_span(*ids, attributes=self._plain(opened.facts, error), status=_status(error))

        if not self._open:  # the session could not be opened
            yield opened
            return
        with self._kept(start, end):
            yield opened

    def attempt(self, attempt: Attempt) -> None:
        """Write what an attempt reached, its number being the step."""

        def write() -> None:
            for name, value in _figures(attempt):
                self._ready.log_metric(self._mlflow_run, name, value, step=attempt.index)

        self._tried(write)

    def finish(self, status: str, reason: str) -> None:
        """Write how the run ended."""

        def write() -> None:
            self._ready.set_tag(self._mlflow_run, "shipfit.status", status)
            self._ready.set_tag(self._mlflow_run, "shipfit.reason", self._text(reason))
            self._ready.set_terminated(self._mlflow_run, "FAILED" if status == "failed" else "FINISHED")

        self._tried(write)

    @property
    def _ready(self) -> Any:
        if self._client is None:
            raise OSError("the store could not be opened")
        return self._client

    def _begin(self) -> None:
        mlflow = self._mlflow
        if mlflow is None:
            raise OSError("mlflow could not be imported")
        Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self._uri)  # spans are exported there, and to nothing else
        client = mlflow.MlflowClient(tracking_uri=self._uri)
        known = client.get_experiment_by_name(EXPERIMENT)
        folder = Path(f"{self._uri.removeprefix('sqlite:///')}.artifacts").as_uri()
        self._experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT, folder)
        found = client.search_runs([self._experiment], f"tags.`{RUN_TAG}` = '{self._run}'", max_results=1)
        if found:
            self._mlflow_run = found[0].info.run_id
        else:
            tags = {RUN_TAG: self._run}
            self._mlflow_run = client.create_run(self._experiment, tags=tags, run_name=self._run).info.run_id
            for name, value in self._params():
                client.log_param(self._mlflow_run, name, self._text(value)[:500])
        self._client = client

    def _params(self) -> Iterator[tuple[str, object]]:
        request = self._request
        yield "model", Path(request.model).name
        yield "target", f"{request.target.platform}, {request.target.runtime}"
        yield "level", request.optimization.level
        yield "objective", request.objective
        yield "seed", request.seed
        for bound in request.constraints.bounds():
            yield bound.name, bound.bound

    def _start_trace(self) -> tuple[str, str]:
        root = self._ready.start_trace(
            f"run {self._run}",
            experiment_id=self._experiment,
            tags={RUN_TAG: self._run, "mlflow.run": self._mlflow_run},
        )
        return root.trace_id, root.span_id

    def _end_trace(self, ids: tuple[str, str], error: BaseException | None) -> None:
        self._ready.end_trace(ids[0], attributes=self._plain({}, error), status=_status(error))

    @contextmanager
    def _kept(
        self,
        start: Callable[[], tuple[str, str]],
        end: Callable[[tuple[str, str], BaseException | None], None],
    ) -> Generator[None]:
        ids = self._tried(start)
        if ids is not None:
            self._open.append(ids)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if ids is not None:
                self._open.pop()
                failed = None if isinstance(error, GraphBubbleUp | Interrupted) else error
                self._tried(lambda: end(ids, failed))

    def _tried(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, None where the store fails: a trace is no reason to end a run."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever mlflow, SQLAlchemy or the disk raise, the run goes on
            _log.warning("tracing failed: %s", self._text(error))
            return None

    def _plain(self, facts: dict[str, Any], error: BaseException | None = None) -> dict[str, Any]:
        told = {"error.type": type(error).__name__, "error.message": str(error)} if error is not None else {}
        kept = {name: value for name, value in {**facts, **told}.items() if value is not None}
        return {name: self._text(value) if isinstance(value, str) else value for name, value in kept.items()}

    def _text(self, value: object) -> str:
        return self._secrets.mask(str(value))[:TEXT_AT_MOST]


def _imported() -> Any:
    """Return mlflow, quiet and without telemetry; by name, because type checkers run without the extra."""
    os.environ.update(_ENVIRONMENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mlflow and what it imports; they concern nobody who reads a trace
        mlflow = import_module("mlflow")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


class _OpenSpan:
    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = dict(facts)

    def note(self, **facts: Any) -> None:
        """Add attributes, written when the span ends."""
        self.facts.update(facts)


def _status(error: BaseException | None) -> str:
    return "OK" if error is None else "ERROR"


def _figures(attempt: Attempt) -> Iterator[tuple[str, float]]:
    """Yield what an attempt reached, numbers that a chart can show alone."""
    reached, metrics = attempt.comparison, attempt.metrics
    latency, memory = (metrics.latency, metrics.memory) if metrics else (None, None)
    quantities = {
        "size_ratio": reached.size_ratio if reached else None,
        "speedup": reached.speedup if reached else None,
        "accuracy_delta": reached.accuracy_delta if reached else None,
        "fidelity_db": reached.fidelity if reached else None,
        "memory_ratio": reached.memory_ratio if reached else None,
        "size_bytes": metrics.size if metrics else None,
        "latency_p95_ms": latency.p95 if latency else None,
        "memory_peak_bytes": memory.peak if memory else None,
    }
    yield "met", float(attempt.verdict.kind == "met")
    yield "wall_s", attempt.wall_s
    for name, quantity in quantities.items():
        if quantity is not None and math.isfinite(quantity.value):
            yield name, quantity.value
