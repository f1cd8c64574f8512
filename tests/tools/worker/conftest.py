"""An executor whose children run the tools of `rogue.py`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from shipfit.contracts import Job, JobResult, Limits
from shipfit.tools.worker.local import LocalExecutor

ROGUE = (sys.executable, "-P", str(Path(__file__).with_name("rogue.py")))
LIMITS = Limits(time_s=60, memory_bytes=2**30, answer_bytes=2**19)

Run = Callable[..., JobResult]


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor(ROGUE)


@pytest.fixture
def run(executor: LocalExecutor, tmp_path: Path) -> Run:
    """Run one of the rogue tools with limits that a test may narrow."""

    def call(tool: str, *, progress: Any = None, params: dict[str, Any] | None = None, **limits: Any) -> JobResult:
        job = Job(tool=tool, params=params or {}, limits=LIMITS.model_copy(update=limits))
        return executor.run(job, {}, tmp_path / "work", progress)

    return call


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Tell whether a process ends; one that is to be killed on a busy machine has time for it."""

    def wait(pid: int) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.02)
        return False

    return wait


@pytest.fixture
def appears() -> Callable[[Path], str]:
    """Return the content of a file that another process will write."""

    def wait(path: Path) -> str:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if path.exists() and (text := path.read_text()):
                return text
            time.sleep(0.01)
        raise AssertionError(f"{path} did not appear")

    return wait
