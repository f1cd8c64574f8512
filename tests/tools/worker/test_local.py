"""What a child may do to its coordinator: nothing but answer."""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import (
    DataError,
    Executor,
    Interrupted,
    Job,
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    RequestError,
    ToolError,
    WorkerCrashed,
    WorkerMalformed,
    WorkerOutOfMemory,
    WorkerTimeout,
)
from shipfit.tools.worker.local import LocalExecutor

from .conftest import ROGUE

Run = Callable[..., JobResult]
CONTROLS = [chr(code) for code in (*range(9), *range(11, 32), 127)]


def test_is_an_executor(executor: LocalExecutor) -> None:
    seam: Executor = executor
    assert seam is executor


def test_answer_comes_with_its_output_and_its_effort(run: Run, tmp_path: Path) -> None:
    result = run("answer")
    assert result.report["recommendation"] == "ok"
    assert result.outputs == {"model": "tool/model"}
    assert (tmp_path / "work" / result.outputs["model"] / "model.onnx").read_bytes() == b"model"
    assert 0 < result.cpu_s < 5
    assert 0 <= result.wall_s < 5
    assert result.peak_bytes > 10_000_000


def test_a_used_work_folder_is_cleared(run: Run, tmp_path: Path) -> None:
    left = tmp_path / "work" / "tool" / "model"
    left.mkdir(parents=True)
    (left / "old").touch()
    run("answer")
    assert [path.name for path in left.iterdir()] == ["model.onnx"]


def test_numbers_that_are_not_finite_survive(run: Run) -> None:
    report = run("infinite").report
    assert float(report["low"]) == -math.inf
    assert math.isnan(float(report["high"]))


def test_progress_is_forwarded_clean_and_under_the_jobs_name(run: Run) -> None:
    told: list[Progress] = []
    run("progress", progress=told.append)
    assert [item.message for item in told] == [f"step {step} red line" for step in range(5)]
    assert {item.tool for item in told} == {"progress"}


def test_an_error_of_the_progress_sink_ends_the_child(run: Run) -> None:
    def refuse(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("progress", progress=refuse)
    assert not _children()


@pytest.mark.parametrize(
    ("tool", "kind", "says"),
    [
        ("segfault", WorkerCrashed, "SIGSEGV"),
        ("killed", WorkerCrashed, "SIGKILL; memory has probably run out"),
        ("leaves", WorkerCrashed, "exit status 3"),
        ("system_exit", WorkerCrashed, "exit status 1"),
        ("chatters", WorkerCrashed, "exit status 5"),
        ("garbage", WorkerMalformed, "no message"),
        ("wrong_type", WorkerMalformed, "no result"),
        ("wrong_progress", WorkerMalformed, "progress"),
        ("giant", WorkerMalformed, "more than 524288 bytes"),
        ("endless", WorkerMalformed, "more than 524288 bytes"),
        ("symlink", WorkerMalformed, "outside"),
        ("symlinked", WorkerMalformed, "outside"),
        ("outside", WorkerMalformed, "outside"),
        ("absent", WorkerMalformed, "outside"),
        ("everything", WorkerMalformed, "outside"),
        ("bug", ToolError, "KeyError: 'the first line"),
        ("memory_error", WorkerOutOfMemory, "memory ran out"),
        ("full_disk", MachineError, "disk is full"),
    ],
)
def test_misbehaviour_is_a_typed_error_of_one_line(
    run: Run, tool: str, kind: type[OptimizationError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        run(tool, progress=lambda _: None)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    assert not _children()


def test_time_is_limited(run: Run, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(WorkerTimeout, match=r"longer than 0\.5 s"):
        run("sleeps", params={"pids": str(tmp_path / "pid")}, time_s=0.5)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("tool", ["hogs", "hogs_below"])
def test_memory_of_the_whole_process_tree_is_limited(run: Run, tool: str) -> None:
    with pytest.raises(WorkerOutOfMemory, match=r"more than 209\.7 MB"):
        run(tool, memory_bytes=200 * 2**20)


def test_last_words_of_a_crash_are_kept_without_control_codes(run: Run) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        run("segfault")
    output = caught.value.details["output"]
    assert "last words" in output
    assert "in segfault" in output  # where it crashed
    assert not any(control in output for control in CONTROLS)


def test_kept_output_is_bounded(run: Run) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        run("chatters")
    assert caught.value.details["output"] == "y" * 2000


@pytest.mark.parametrize("kind", [RequestError, DataError, ToolError, MachineError])
def test_a_tools_own_error_comes_back_as_it_was_but_clean(run: Run, kind: type[OptimizationError]) -> None:
    with pytest.raises(kind) as caught:
        run("raises", params={"error": kind.__name__})
    assert type(caught.value) is kind
    assert caught.value.message == "what is wrong and more"
    assert caught.value.details == {"a": [1, "b"]}


def test_a_bug_in_a_tool_carries_its_traceback(run: Run) -> None:
    with pytest.raises(ToolError) as caught:
        run("bug")
    assert caught.value.details["exception"] == "builtins.KeyError"
    assert "in bug" in caught.value.details["traceback"]


def test_nothing_that_a_tool_started_outlives_its_answer(run: Run, tmp_path: Path, gone: Callable[[int], bool]) -> None:
    pids = tmp_path / "pids"
    run("outlives", params={"pids": str(pids), "answers": True})
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert all(map(gone, started))


def test_cancel_from_another_thread(executor: LocalExecutor, run: Run, tmp_path: Path, appears: Any, gone: Any) -> None:
    pids = tmp_path / "pid"
    canceller = threading.Thread(target=lambda: (appears(pids), executor.cancel()))
    canceller.start()
    with pytest.raises(Interrupted, match="can be resumed"):
        run("outlives", params={"pids": str(pids), "answers": False})
    canceller.join()
    assert all(gone(int(pid)) for pid in pids.read_text().split())
    assert run("answer").report  # the executor goes on


def test_cancel_without_a_job_does_nothing(executor: LocalExecutor, run: Run) -> None:
    executor.cancel()
    assert run("answer").report


def test_jobs_of_several_threads(executor: LocalExecutor, tmp_path: Path) -> None:
    results: list[JobResult] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(executor.run(Job(tool="answer"), {}, tmp_path / str(n))))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3


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


def test_a_killed_launcher_is_replaced(run: Run, gone: Callable[[int], bool]) -> None:
    run("answer")
    (launcher,) = _launchers()
    launcher.kill()
    assert gone(launcher.pid)
    assert run("answer").report["recommendation"] == "ok"
    assert len(_launchers()) == 1


def test_a_launcher_killed_during_a_job_ends_nothing(run: Run, tmp_path: Path, appears: Any, gone: Any) -> None:
    pids = tmp_path / "pids"

    def kill() -> None:
        appears(pids)
        _launchers()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    assert run("lingers", params={"pids": str(pids)}).report["recommendation"] == "ok"
    killer.join()
    assert gone(int(pids.read_text()))


def test_a_launcher_leaves_with_its_executor(tmp_path: Path, gone: Callable[[int], bool]) -> None:
    executor = LocalExecutor(ROGUE)
    executor.run(Job(tool="answer"), {}, tmp_path / "work")
    (launcher,) = _launchers()
    del executor
    gc.collect()
    assert gone(launcher.pid)


def test_threads_have_launchers_of_their_own(executor: LocalExecutor, tmp_path: Path) -> None:
    for threads in (1, 2, 1):
        answer = executor.run(Job(tool="environment", threads=threads), {}, tmp_path / "work").report["recommendation"]
        assert f"threads={threads}" in answer
    assert len(_launchers()) == 2


def test_the_products_own_worker_serves_the_registry(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no tool 'absent'"):
        LocalExecutor().run(Job(tool="absent"), {}, tmp_path / "work")


def _launchers() -> list[Any]:
    """Return the launchers of executors that are still in use."""
    import psutil

    gc.collect()
    return psutil.Process().children()


def _children() -> list[Any]:
    """Return the processes below the launchers, which stay."""

    return [child for launcher in _launchers() for child in launcher.children(recursive=True)]
