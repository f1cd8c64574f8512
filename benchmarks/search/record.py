"""An executor that answers from a record what was done before, at the cost that it had.

Different policies try many of the same plans on the same models. Such a job runs once, whoever asks for it first; who
asks again gets the answer, the files, and the effort of that one run. So every run is counted in full, and the whole
benchmark takes minutes. Two more things are done for time, for everybody alike. A job runs in this process and not in
one of its own, so that its CPU time is that of the work alone, without starting an interpreter and importing
libraries. And a candidate is timed shortly, whatever is bounded, so that it serves all cases of a model.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shipfit.contracts import Hardware, Interrupted, Job, JobResult, ProgressSink, ToolError
from shipfit.contracts.errors import from_wire, to_wire
from shipfit.tools.context import ToolContext
from shipfit.tools.hardware import this_machine
from shipfit.tools.registry import spec, tool
from shipfit.tools.sample_runs import counted
from shipfit.tools.worker.child import as_ours

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TIMING = {"seconds": 0.6, "at_most": 4.0, "bounds": [], "footprint": False}
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")


class RecordedExecutor:
    """Implements `contracts.Executor` over a folder; several processes may share it.

    Attributes:
        ran: how many jobs were really run.
        answered: how many were answered from the record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = self.answered = 0
        self._stopped = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        """Return what the job answered before, or run it and keep its answer.

        Raises:
            Interrupted: the run was stopped.
            OptimizationError: what the tool raised, now or then.
        """
        if self._stopped.is_set():
            raise Interrupted("the run was stopped")
        job = _timed_alike(job)
        place = self.folder / key(job)
        if not (place / "answer.json").is_file():
            self.ran += 1
            self._perform(job, inputs, place)
        else:
            self.answered += 1
        return _replayed(place, work)

    def hardware(self) -> Hardware:
        """Return this machine, whatever was recorded where: records are compared as if it had been here."""
        return this_machine()

    def cancel(self) -> None:
        """Start nothing more."""
        self._stopped.set()

    def _perform(self, job: Job, inputs: Mapping[str, Path], place: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as scratch:
            work, kept = Path(scratch) / "work", Path(scratch) / "kept"
            kept.mkdir()
            try:
                result = run_here(job, inputs, work)
            except ToolError as error:
                answer: dict[str, Any] = {"error": to_wire(error)}
            else:
                answer = {"result": result.model_dump(mode="json")}
                for path in result.outputs.values():
                    _copy(work / path, kept / path)
            (kept / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
            if not place.exists():
                kept.rename(place)


def run_here(job: Job, inputs: Mapping[str, Path], work: Path) -> JobResult:
    """Run a job in this process, and tell its answer as a child's would be told.

    Raises:
        OptimizationError: what the tool raised, as one of ours.
    """
    (work / "made").mkdir(parents=True)
    started, cpu, ran = time.perf_counter(), _cpu_s(), counted()
    try:
        answer = tool(job.tool)(ToolContext(job=job, inputs=inputs, work=work / "made"))
    except Exception as error:
        raise as_ours(error) from error
    return JobResult(
        report=answer.report.model_dump(mode="json"),
        outputs={role: os.path.relpath(path, work) for role, path in answer.outputs.items()},
        sample_runs=counted() - ran,
        cpu_s=_cpu_s() - cpu,
        wall_s=time.perf_counter() - started,
    )


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _timed_alike(job: Job) -> Job:
    return job.model_copy(update={"params": {**job.params, **TIMING}}) if job.tool == "benchmark" else job


def _replayed(place: Path, work: Path) -> JobResult:
    """Return a recorded answer with its files laid into `work`.

    Raises:
        ToolError: that was the answer.
    """
    answer = json.loads((place / "answer.json").read_text(encoding="utf-8"))
    if "error" in answer:
        raise from_wire(answer["error"])
    result = JobResult.model_validate(answer["result"])
    for path in result.outputs.values():
        _copy(place / path, work / path)
    return result


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def key(job: Job) -> str:
    """Return what decides a job's answer: the job, the code of the tools, libraries, and files outside of the store."""
    facts = {
        "job": job.model_dump(mode="json", exclude={"limits", "needs", "hardware"}),
        "tool": spec(job.tool).version,
        "tools": _code(TOOLS),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "files": {name: _digest(value) for name, value in job.params.items() if _is_file(value)},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _code(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _is_file(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and Path(value).is_file()


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
