"""A child that a signal ended is tried again; one that our watchdog ended, or that crashes every time, is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from shipfit.agents.execute import Execution
from shipfit.contracts import Job, Limits, WorkerCrashed, WorkerOutOfMemory, WorkerTimeout
from shipfit.memory.store import LocalArtifactStore
from shipfit.tools.worker.local import LocalExecutor

ROGUE = Path(__file__).parent.parent / "tools" / "worker" / "rogue.py"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def execute(tmp_path: Path, told: list[str]) -> Execution:
    executor = LocalExecutor((sys.executable, "-P", str(ROGUE)))
    store = LocalArtifactStore(tmp_path / "store")
    return Execution("r", store, None, executor, tmp_path / "work", lambda event: told.append(event.message))  # type: ignore[union-attr]


def answer(execute: Execution, folder: Path, tool: str, **limits: Any) -> str:
    """Have a rogue tool run; how often it was tried is in a file."""
    job = Job(tool=tool, params={"pids": str(folder / "tries")}, limits=Limits(**{"time_s": 60, **limits}))
    return str(execute._answer(job, folder / "work").report["recommendation"])


@pytest.mark.parametrize(("tool", "tries"), [("killed_once", 2), ("answer", 0)])
def test_a_killed_child_is_tried_again(tool: str, tries: int, execute: Execution, tmp_path: Path, told: list[str]):
    assert answer(execute, tmp_path, tool) == "ok"
    if tries:
        assert (tmp_path / "tries").read_text() == "x" * tries
    assert sum("once more" in line for line in told) == max(tries - 1, 0)


def test_not_for_ever(execute: Execution, tmp_path: Path):
    with pytest.raises(WorkerCrashed, match="SIGKILL"):
        answer(execute, tmp_path, "killed_thrice")
    assert (tmp_path / "tries").read_text() == "xxx"


@pytest.mark.parametrize(
    ("tool", "error", "again"),
    [("segfault", WorkerCrashed, 1), ("leaves", WorkerCrashed, 0), ("sleeps", WorkerTimeout, 0),
     ("hogs", WorkerOutOfMemory, 0)],
)  # fmt: skip
def test_a_crash_is_tried_once_more_and_a_limit_is_a_limit(
    tool: str, error: type[Exception], again: int, execute: Execution, tmp_path: Path, told: list[str]
):
    limits = {"sleeps": {"time_s": 2.0}, "hogs": {"memory_bytes": 2**28}}.get(tool, {})
    with pytest.raises(error):
        answer(execute, tmp_path, tool, **limits)
    assert sum("once more" in line for line in told) == again
