"""The only place that binds an execution key to the store, the executor and the result."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from ..contracts import (
    ArtifactRef,
    Contract,
    DataRef,
    Effort,
    Event,
    Executor,
    Hardware,
    Job,
    JobResult,
    Limits,
    OptimizationError,
    OptimizeGraphStep,
    Progress,
    Step,
    WorkerCrashed,
    WorkerMalformed,
)
from ..memory.ledger import Ledger
from ..memory.store import LocalArtifactStore
from ..tools.registry import ToolSpec, spec
from .tracing import MEASURING, NoTracer, Tracer

R = TypeVar("R", bound=Contract)


EventSink = Callable[[Event], None]
# What a job may still take when the budget is spent: the current attempt is brought to its verdict.
GRACE_S = 20.0
# The same for measuring in full: 20 s of calls, and fresh processes that load both models, where a library alone may
# take seconds. Cut short, it would have cost the attempt for nothing.
MEASURING_GRACE_S = 60.0
# Signal that ended a child → how often its job is tried once more.
_RETRIES = {int(number): 1 for number in signal.Signals} | {int(signal.SIGKILL): 2}
# The kind of a trail's one entry about what the run measures on.
HARDWARE = "hardware"
_TIMED_STEPS = frozenset({"tune_runtime"})
_VERSIONED = ("onnx", "onnxruntime", "numpy", "torch")


class Executed(Contract, Generic[R]):
    """A tool's report with the artifacts it made and what it cost."""

    report: R
    outputs: dict[str, ArtifactRef] = {}
    effort: Effort = Effort()


class Execution:
    """Performs tool calls for one run, answering from the store what was already done.

    Without a ledger nothing is looked up or recorded, as for a single tool call outside a run.

    Attributes:
        tools_s: seconds spent in tools; `waited_s` more they waited for measurements of others, which counts for
            nothing.
    """

    def __init__(
        self,
        run: str,
        store: LocalArtifactStore,
        ledger: Ledger | None,
        executor: Executor,
        work: Path,
        emit: EventSink,
        *,
        seed: int = 0,
        threads: int = 1,
        limits: Limits | None = None,
    ) -> None:
        self.run = run
        self.store = store
        self.ledger = ledger
        self.executor = executor
        self.work = work
        self.emit = emit
        self.seed = seed
        self.threads = threads
        self.limits = limits or Limits()
        self.tracer: Tracer = NoTracer()
        self._hardware: Hardware | None = None
        self.tools_s = 0.0
        self.waited_s = 0.0

    def __call__(
        self,
        tool: str,
        report: type[R],
        *,
        inputs: Mapping[str, ArtifactRef] | None = None,
        data: DataRef | None = None,
        step: Step | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Executed[R]:
        """Return the tool's answer, from the store when the same was done before.

        `data` also mounts the artifact in role `data`.

        Raises:
            WorkerError: the child did not deliver.
            OptimizationError: what the tool raised.
        """
        registered = spec(tool)
        mounted = dict(inputs or {})
        if data is not None:
            mounted["data"] = ArtifactRef(id=data.id, kind="data")
        timed = registered.needs == "bench" or _is_timed(step)
        job = Job(
            tool=tool,
            step=step,
            inputs=mounted,
            data=data,
            params=dict(params or {}),
            seed=self.seed,
            threads=self.threads,
            needs="bench" if timed else "cpu",
            hardware=self.hardware.fingerprint if timed or tool in MEASURING else None,
            limits=self.limits,
        )
        key = self.key(job, registered)
        what = step.kind if step is not None else None
        with self.tracer.span(tool, "MEASUREMENT" if tool in MEASURING else "TOOL", step=what) as span:
            known = self._known(key, report) if registered.cached else None
            done = known or self._perform(key, job, registered, report)
            spent = done.effort
            span.note(cached=known is not None, cpu_s=spent.cpu_s, wall_s=spent.wall_s, sample_runs=spent.sample_runs)
        return done

    @property
    def hardware(self) -> Hardware:
        """What this run measures on: chosen by the executor at the first measurement, and kept from then on."""
        if self._hardware is None:
            self._hardware = self._pinned() if self.ledger else self.executor.hardware()
        return self._hardware

    def _pinned(self) -> Hardware:
        assert self.ledger is not None
        trail = self.ledger.trail
        if not trail.of(self.run, HARDWARE):
            trail.append(self.run, HARDWARE, self.executor.hardware().model_dump(mode="json"), once=HARDWARE)
        return Hardware.model_validate(trail.of(self.run, HARDWARE)[0].body)

    def clear(self) -> None:
        """Remove what killed jobs of this run left in the work folder."""
        for folder in self.work.glob(f"{self.run}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def key(self, job: Job, registered: ToolSpec) -> str:
        """Return the execution key: everything that decides the result.

        What was timed belongs to its machine, and to this run unless it lasts: another run measures anew. What else
        was measured belongs to its machine too.
        """
        timed = job.needs == "bench" and not registered.lasting
        facts = {
            "tool": [job.tool, registered.version],
            "job": job.model_dump(mode="json", exclude={"limits", "tool", "needs", "hardware"}),
            "libraries": {name: version(name) for name in _VERSIONED},
            "measured": [job.hardware, self.run] if timed else [job.hardware],
            "run": self.run if registered.cached == "run" else None,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _known(self, key: str, report: type[R]) -> Executed[R] | None:
        found = self.ledger.executions.find(key, self.run) if self.ledger else None
        if found is None or not all(self.store.exists(ref.id) for ref in found.outputs.values()):
            return None
        try:
            known = report.model_validate(found.result.report)
        except ValidationError:
            return None
        return Executed(report=known, outputs=found.outputs, effort=Effort(cached_jobs=1))

    def _perform(self, key: str, job: Job, registered: ToolSpec, report: type[R]) -> Executed[R]:
        folder = Path(tempfile.mkdtemp(prefix=f"{self.run}-", dir=_made(self.work)))
        started, waited = time.monotonic(), self.waited_s
        try:
            result = self._answer(job, folder)
            answer = _validated(result, report)
            outputs = {role: self._keep(role, folder / path) for role, path in result.outputs.items()}
            if registered.cached and self.ledger:
                self.ledger.executions.record(key, job.tool, result, outputs, self.run)
        finally:
            spent = time.monotonic() - started - (self.waited_s - waited)
            self.tools_s += spent
            shutil.rmtree(folder, ignore_errors=True)
        runs = _sample_runs(result)
        effort = Effort(jobs=1, cpu_s=result.cpu_s, wall_s=spent, sample_runs=runs)
        return Executed(report=answer, outputs=outputs, effort=effort)

    def _answer(self, job: Job, folder: Path) -> JobResult:
        """Have the job run, and run again when a signal ended its child.

        A kill came from outside, or from the kernel for want of memory, and says nothing about the model; a model that
        crashes its runtime does so again. Our own watchdog's kills are no crashes: they are not repeated.
        """
        tries = 0
        while True:
            try:
                return self._run(job, folder)
            except WorkerCrashed as error:
                tries += 1
                if tries > _RETRIES.get(-int(error.details.get("exit_status", 0)), 0):
                    raise
                self._progress(Progress(tool=job.tool, message=f"{error.message}; once more"))
                if self.ledger:
                    self.ledger.trail.append(self.run, "retried", {"tool": job.tool, "reason": error.message})

    def _run(self, job: Job, folder: Path) -> JobResult:
        paths = {role: self.store.path(ref) for role, ref in job.inputs.items()}
        try:
            result = self.executor.run(job, paths, folder, self._progress)
        except OptimizationError as error:
            self.waited_s += float(error.details.get("waited_s", 0.0))
            raise
        self.waited_s += result.waited_s
        return result

    def _keep(self, role: str, folder: Path) -> ArtifactRef:
        kind = next((each for each in ("model", "data", "table") if role.partition("_")[0] == each), "model")
        claim = self.ledger.leases.claim(self.run) if self.ledger else None
        return self.store.put(folder, kind, move=True, claim=claim)

    def _progress(self, progress: Progress) -> None:
        self.emit(progress)


def _sample_runs(result: JobResult) -> int:
    """Return how often a model ran on a sample, as counted, or as reported by a tool that runs models its own way."""
    report = result.report
    read = 0 if result.sample_runs else int(report.get("details", {}).get("calibration_samples", 0) or 0)
    return max(result.sample_runs, int(report.get("sample_runs", 0) or 0), read)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_timed(step: Step | None) -> bool:
    if isinstance(step, OptimizeGraphStep):
        return step.layout == "auto" or not step.decided
    return step is not None and step.kind in _TIMED_STEPS


def _validated(result: JobResult, report: type[R]) -> R:
    try:
        return report.model_validate(result.report)
    except ValidationError as error:
        raise WorkerMalformed(f"the child's report is not a {report.__name__}") from error
