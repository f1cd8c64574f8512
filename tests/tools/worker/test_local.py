"""What a child may do to its coordinator: nothing but answer."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import (
    Executor,
    Job,
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    RequestError,
    WorkerCrashed,
    WorkerMalformed,
    WorkerOutOfMemory,
    WorkerTimeout,
)
from shipfit.tools.worker.local import LocalExecutor

from .conftest import ROGUE
from .contract import ExecutorContract

Run = Callable[..., JobResult]
Launchers = Callable[[], list[Any]]
CONTROLS = [chr(code) for code in (*range(9), *range(11, 32), 127)]


class TestContract(ExecutorContract):
    """A local executor keeps what all owe."""


def test_is_an_executor(executor: LocalExecutor) -> None:
    seam: Executor = executor
    assert seam is executor


def test_progress_is_forwarded_clean_and_under_the_jobs_name(run: Run) -> None:
    told: list[Progress] = []
    run("progress", progress=told.append)
    assert [item.message for item in told] == [f"step {step} red line" for step in range(5)]
    assert {item.tool for item in told} == {"progress"}


@pytest.mark.parametrize(
    ("tool", "kind", "says"),
    [
        ("system_exit", WorkerCrashed, "exit status 1"),
        ("wrong_progress", WorkerMalformed, "progress"),
        ("symlink", WorkerMalformed, "outside"),
        ("absent", WorkerMalformed, "outside"),
        ("everything", WorkerMalformed, "outside"),
    ],
)
def test_misbehaviour_is_a_typed_error_of_one_line(
    below: Launchers, run: Run, tool: str, kind: type[OptimizationError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        run(tool, progress=lambda _: None)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    assert not below()


def test_memory_is_limited(run: Run) -> None:
    with pytest.raises(WorkerOutOfMemory, match=r"more than 209\.7 MB"):
        run("hogs", memory_bytes=200 * 2**20)


def test_kept_output_is_bounded(run: Run) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        run("chatters")
    assert caught.value.details["output"] == "y" * 2000


def test_nothing_is_left_open(run: Run) -> None:
    run("answer")
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for tool in ("answer", "garbage", "leaves"):
        try:
            run(tool)
        except OptimizationError:
            continue
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_a_child_sees(executor: LocalExecutor, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor.run(Job(tool="answer"), {}, tmp_path / "before")  # whose folder the launcher starts in, and finds
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("SHIPFIT_HOME", "x")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    seen = dict(line.split("=", 1) for line in run("environment").report["recommendation"].splitlines())
    names = seen["names"].split()
    assert "LC_ALL" in names
    assert "PATH" in names
    assert not {"SECRET_TOKEN", "SHIPFIT_HOME", "PYTEST_CURRENT_TEST"} & set(names)
    assert seen["cwd"] == os.getcwd()
    assert seen["home"] == seen["temporary"] == str(tmp_path / "work" / "tmp")
    assert seen["threads"] == "1"
    assert seen["stdin"] == "0"
    assert seen["network"] != "connected"


def test_a_folder_that_cannot_be_written(executor: LocalExecutor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be written"):
        executor.run(Job(tool="answer"), {}, tmp_path / "file" / "work")


def test_a_command_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="could not be started"):
        LocalExecutor([str(tmp_path / "absent")]).run(Job(tool="answer"), {}, tmp_path / "work")


def test_a_launcher_that_never_answers(tmp_path: Path) -> None:
    deaf = LocalExecutor(["/bin/sh", "-c", "sleep 300"], patience_s=0.5)
    with pytest.raises(WorkerTimeout, match=r"within 0\.5 s"):
        deaf.run(Job(tool="answer"), {}, tmp_path / "work")


def test_a_launcher_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    broken = LocalExecutor(["/bin/sh", "-c", "echo '\033[31mno module' >&2; exit 1"])
    with pytest.raises(WorkerCrashed) as caught:
        broken.run(Job(tool="answer"), {}, tmp_path / "work")
    assert caught.value.details == {"output": "no module\n", "exit_status": 1}


def test_a_child_that_never_reads_its_request(tmp_path: Path) -> None:
    job = Job(tool="answer", params={"much": "x" * 2**20})
    job = job.model_copy(update={"limits": job.limits.model_copy(update={"time_s": 0.5})})
    forks = "import sys, time; from shipfit.tools.worker.launcher import serve; serve(sys.argv[1:]); time.sleep(300)"
    with pytest.raises(WorkerTimeout):
        LocalExecutor([sys.executable, "-c", forks]).run(job, {}, tmp_path / "work")


def test_importing_is_paid_once_and_counted(run: Run) -> None:
    first, second = run("answer").cpu_s, run("answer").cpu_s
    assert second < first / 2


def test_a_killed_launcher_is_replaced(launchers: Launchers, run: Run, gone: Callable[[int], bool]) -> None:
    run("answer")
    (launcher,) = launchers()
    launcher.kill()
    assert gone(launcher.pid)
    assert run("answer").report["recommendation"] == "ok"
    assert len(launchers()) == 1


def test_a_launcher_killed_during_a_job_ends_nothing(
    launchers: Launchers, run: Run, tmp_path: Path, appears: Any, gone: Any
) -> None:
    pids = tmp_path / "pids"

    def kill() -> None:
        appears(pids)
        launchers()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    assert run("lingers", params={"pids": str(pids)}).report["recommendation"] == "ok"
    killer.join()
    assert gone(int(pids.read_text()))


def test_a_launcher_leaves_with_its_executor(launchers: Launchers, tmp_path: Path, gone: Callable[[int], bool]) -> None:
    executor = LocalExecutor(ROGUE)
    executor.run(Job(tool="answer"), {}, tmp_path / "work")
    (launcher,) = launchers()
    del executor
    gc.collect()
    assert gone(launcher.pid)


def test_threads_have_launchers_of_their_own(launchers: Launchers, executor: LocalExecutor, tmp_path: Path) -> None:
    for threads in (1, 2, 1):
        answer = executor.run(Job(tool="environment", threads=threads), {}, tmp_path / "work").report["recommendation"]
        assert f"threads={threads}" in answer
    assert len(launchers()) == 2


def test_the_products_own_worker_serves_the_registry(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no tool 'absent'"):
        LocalExecutor().run(Job(tool="absent"), {}, tmp_path / "work")


@pytest.fixture
def launchers() -> Callable[[], list[Any]]:
    """Return the launchers that were started in this test and are in use; others may have theirs."""
    import psutil

    others = {each.pid for each in psutil.Process().children()}

    def found() -> list[Any]:
        gc.collect()
        children = [each for each in psutil.Process().children() if each.pid not in others]
        return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]

    return found


@pytest.fixture
def below(launchers: Launchers) -> Callable[[], list[Any]]:
    """Return the processes below the launchers of this test, which stay."""
    return lambda: [child for launcher in launchers() for child in launcher.children(recursive=True)]
