"""`LocalExecutor`: runs each job in a child process on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...contracts import (
    Hardware,
    Interrupted,
    Job,
    JobResult,
    MachineError,
    OptimizationError,
    ProgressSink,
    WorkerCrashed,
    WorkerMalformed,
)
from ..hardware import fingerprint, this_machine
from .conversation import Conversation
from .environment import child_environment
from .launching import Launcher
from .messages import TEMPORARY_FOLDER, TOOL_FOLDER, WorkerRequest, clean_error, clean_line
from .process import ChildProcess

# `-P`: a folder that somebody works in must not lend its modules to the child.
_COMMAND = (sys.executable, "-P", "-m", "shipfit.tools.worker")
# Importing takes half a second, on a machine that is overloaded a minute.
_PATIENCE_S = 120.0


class LocalExecutor:
    """Implements `contracts.Executor` with one fresh child process a job, forked by a launcher that all jobs share.

    Several threads may run jobs at once.

    Args:
        command: starts a launcher; the executor appends `--launcher FD`.
        patience_s: seconds that a launcher may take for an answer, which count against no job's limit.
    """

    def __init__(self, command: Sequence[str] = _COMMAND, patience_s: float = _PATIENCE_S) -> None:
        self._command = tuple(command)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._launchers: dict[int, Launcher] = {}  # by threads, which numeric libraries read when they are imported
        self._running: set[ChildProcess] = set()
        self._cancelled: set[ChildProcess] = set()

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        """Run `job` in a child that sees the folders of `inputs` and writes below `work`, which is made if need be.

        The outputs of the result are paths relative to `work`, checked to lie in it and to hold no links.

        Raises:
            WorkerError: crash, time-out, out of memory or a malformed answer; details hold the end of its output.
            OptimizationError: what the tool itself raised.
            MachineError: the job belongs on other hardware.
            Interrupted: `cancel` was called.
        """
        check_hardware(job.hardware)
        work = work.absolute()
        temporary = prepare(work)
        request = WorkerRequest(
            job=job, inputs={role: os.fspath(path.absolute()) for role, path in inputs.items()}, work=os.fspath(work)
        )
        with self._child(job, child_environment(os.environ, temporary, job.threads)) as child:
            conversation = Conversation(job, child, progress)
            try:
                message = conversation.answer(request.model_dump_json().encode() + b"\n")
            except OptimizationError:
                self._raise_if_cancelled(child)
                raise
        if message.kind == "error":
            error = clean_error(message.body)
            if conversation.waited_s:
                error.details["waited_s"] = conversation.waited_s
            raise error
        return _result(job, message.body, work, conversation, child)

    def hardware(self) -> Hardware:
        """Return what this machine is."""
        return this_machine()

    def cancel(self) -> None:
        """Kill the children that are running; their `run` raises `Interrupted`."""
        with self._lock:
            children = set(self._running)
            self._cancelled |= children
        for child in children:
            child.kill()

    @contextlib.contextmanager
    def _child(self, job: Job, environment: Mapping[str, str]) -> Generator[ChildProcess]:
        with self._lock:  # `cancel` waits, and then finds the child that is being started
            child = self._forked(job, environment)
            self._running.add(child)
        try:
            with child:
                yield child
        finally:
            with self._lock:
                self._running.discard(child)
                self._cancelled.discard(child)

    def _forked(self, job: Job, environment: Mapping[str, str]) -> ChildProcess:
        known = self._launchers.get(job.threads)
        if known is not None:
            with contextlib.suppress(WorkerCrashed):  # ended from outside: the next one goes on
                return ChildProcess(known, environment)
        self._launchers[job.threads] = launcher = Launcher(self._command, environment, self._patience_s)
        return ChildProcess(launcher, environment)

    def _raise_if_cancelled(self, child: ChildProcess) -> None:
        with self._lock:
            cancelled = child in self._cancelled
        if cancelled:
            raise Interrupted("the job was cancelled; the run can be resumed")


def check_hardware(wanted: str | None) -> None:
    """Refuse a job whose run measures on other hardware: its measurements could not be compared.

    Raises:
        MachineError: this is not the hardware.
    """
    if wanted is not None and wanted != fingerprint():
        raise MachineError(
            f"this run measures on hardware {wanted} and this machine is {fingerprint()}; go on there, or start it anew"
        )


def prepare(work: Path) -> Path:
    """Make the folders of a job, empty even where a killed run left something, and return the temporary one."""
    try:
        for name in (TOOL_FOLDER, TEMPORARY_FOLDER):
            if (work / name).exists():
                shutil.rmtree(work / name)
            (work / name).mkdir(parents=True)
    except OSError as error:
        raise MachineError(f"{work} cannot be written: {error.strerror}; free space or choose another home") from error
    return work / TEMPORARY_FOLDER


def _result(job: Job, body: dict[str, Any], work: Path, heard: Conversation, child: ChildProcess) -> JobResult:
    try:
        result = JobResult.model_validate(body)
    except ValidationError as error:
        raise WorkerMalformed(f"the worker of {job.tool} answered something that is no result") from error
    for role, path in result.outputs.items():
        if not _is_inside(work, path):
            raise WorkerMalformed(
                f"the worker of {job.tool} gave an output outside its folder, or a link",
                details={"role": clean_line(role), "path": clean_line(path)},
            )
    peak = max(result.peak_bytes, heard.peak_bytes)
    cpu_s = result.cpu_s + child.launching_cpu_s
    return result.model_copy(update={"waited_s": heard.waited_s, "peak_bytes": peak, "cpu_s": cpu_s})


def _is_inside(work: Path, path: str) -> bool:
    """Tell whether `path` names a file or folder of its own below `work`, with no link on the way or within."""
    real = Path(os.path.realpath(work))
    output = real / path
    if "\0" in path or output == real or real not in output.parents or Path(os.path.realpath(output)) != output:
        return False
    if not output.is_dir():
        return output.is_file()
    return all(
        _is_plain(os.path.join(folder, name))
        for folder, folders, files in os.walk(output)
        for name in (*folders, *files)
    )


def _is_plain(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
