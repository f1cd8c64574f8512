"""The worker's side: run one tool, tell its progress, send its answer or its error."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from ...contracts import (
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    ToolError,
    WorkerMalformed,
    WorkerOutOfMemory,
    to_wire,
)
from .. import registry
from ..artifact_files import share
from ..context import ToolAnswer, ToolContext
from ..measure.lock import waiting_told
from ..sample_runs import counted
from .messages import TOOL_FOLDER, WorkerRequest, encode
from .sandbox import Confined

Lookup = Callable[[str], registry.Tool]

_PROGRESS_EVERY_S = 0.1
_TRACEBACK_CHARS = 4000
_NO_MEMORY = ("bad_alloc", "bad allocation", "can't allocate memory", "Cannot allocate memory")


def main(confined: Confined, lookup: Lookup = registry.tool) -> NoReturn:
    """Do what the request asks, and leave without tearing native libraries down, which takes time and may crash."""
    pipe = _Pipe(confined.answers)
    try:
        request = WorkerRequest.model_validate_json(confined.request)
        result = _run(request, lookup, pipe, confined.cpu_s)
        pipe.send("answer", result.model_dump(mode="json"))
    except Exception as error:  # noqa: BLE001 - the border: whatever a tool raises crosses it as a typed error
        pipe.send("error", to_wire(as_ours(error)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _run(request: WorkerRequest, lookup: Lookup, pipe: _Pipe, cpu_before: float) -> JobResult:
    started = time.perf_counter()
    work = Path(request.work)
    context = ToolContext(
        job=request.job,
        inputs={role: Path(folder) for role, folder in request.inputs.items()},
        work=work / TOOL_FOLDER,
        progress=pipe.progress,
    )
    share(context.inputs.values())
    tool = lookup(request.job.tool)
    gc.freeze()
    gc.enable()
    with waiting_told(pipe.progress):
        answer = tool(context)
    return JobResult(
        report=answer.report.model_dump(mode="json"),
        outputs=_outputs(answer, work),
        sample_runs=counted(),
        cpu_s=cpu_before + _cpu_seconds(),
        wall_s=time.perf_counter() - started,
        peak_bytes=_peak_bytes(),
    )


def _outputs(answer: ToolAnswer, work: Path) -> dict[str, str]:
    return {role: os.path.relpath(path, work) for role, path in answer.outputs.items()}


def _usages() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def _cpu_seconds() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in _usages())


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return max(usage.ru_maxrss for usage in _usages()) * unit


class _Pipe:
    """Writes messages; a tool may tell progress from several threads, as often as it likes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._next_progress = 0.0

    def send(self, kind: str, body: dict[str, Any]) -> None:
        line = memoryview(encode(kind, body))
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        waits = progress.waited_s > 0  # these extend the time limit, and are few
        if waits or now >= self._next_progress:
            self._next_progress = now + _PROGRESS_EVERY_S
            self.send("progress", progress.model_dump(mode="json"))


def as_ours(error: Exception) -> OptimizationError:
    """Return `error` as one of ours; one that is already stays what it is.

    A full disk is the machine's fault and memory the job's limit; anything else is a tool that could not cope
    with this model, and carries its traceback.
    """
    if isinstance(error, OptimizationError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError("disk is full: free some space where the state is kept, then run again")
    if isinstance(error, MemoryError) or any(word in str(error) for word in _NO_MEMORY):
        return WorkerOutOfMemory("memory ran out; free some, or give the job fewer samples", details=_facts(error))
    if isinstance(error, ValidationError) and error.title == WorkerRequest.__name__:
        return WorkerMalformed("the worker does not understand its request", details=_facts(error))
    lines = str(error).strip().splitlines() or ["no message"]
    return ToolError(f"{type(error).__name__}: {lines[0]}", details=_facts(error))


def _facts(error: Exception) -> dict[str, Any]:
    return {
        "exception": f"{type(error).__module__}.{type(error).__qualname__}",
        "traceback": "".join(traceback.format_exception(error))[-_TRACEBACK_CHARS:],
    }
