"""What every executor owes: the same suite for each, over the misbehaving tools of `rogue.py`."""

from __future__ import annotations

import math
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
from shipfit.tools.hardware import fingerprint

Run = Callable[..., JobResult]
CONTROLS = [chr(code) for code in (*range(9), *range(11, 32), 127)]


class ExecutorContract:
    """Subclassed for each executor, whose module gives the fixture `executor`; `run` has it run a rogue tool."""

    def test_answer_comes_with_its_output_and_its_effort(self, run: Run, tmp_path: Path) -> None:
        result = run("answer")
        assert result.report["recommendation"] == "ok"
        assert result.outputs == {"model": "tool/model"}
        assert (tmp_path / "work" / result.outputs["model"] / "model.onnx").read_bytes() == b"model"
        assert 0 < result.cpu_s < 5
        assert 0 <= result.wall_s < 5
        assert result.peak_bytes > 10_000_000

    def test_a_used_work_folder_is_cleared(self, run: Run, tmp_path: Path) -> None:
        left = tmp_path / "work" / "tool" / "model"
        left.mkdir(parents=True)
        (left / "old").touch()
        run("answer")
        assert [path.name for path in left.iterdir()] == ["model.onnx"]

    def test_inputs_are_seen(self, executor: Executor, tmp_path: Path) -> None:
        folder = tmp_path / "artifact"
        (folder / "weights").mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"graph")
        (folder / "weights" / "ä b.bin").write_bytes(b"weights")
        result = executor.run(Job(tool="lists"), {"model": folder}, tmp_path / "work")
        assert result.report["recommendation"] == "model.onnx=graph weights/ä b.bin=weights"

    def test_numbers_that_are_not_finite_survive(self, run: Run) -> None:
        report = run("infinite").report
        assert float(report["low"]) == -math.inf
        assert math.isnan(float(report["high"]))

    def test_progress_is_forwarded_clean_and_under_the_jobs_name(self, run: Run) -> None:
        told: list[Progress] = []
        run("progress", progress=told.append)
        assert {item.message for item in told} <= {f"step {step} red line" for step in range(5)}
        assert {item.tool for item in told} == {"progress"}

    def test_an_error_of_the_progress_sink_ends_the_child(self, run: Run, tmp_path: Path, gone: Any) -> None:
        def refuse(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run("tells_and_sleeps", progress=refuse, params={"pids": str(tmp_path / "pid")})
        assert gone(int((tmp_path / "pid").read_text()))

    @pytest.mark.parametrize(
        ("tool", "kind", "says"),
        [
            ("segfault", WorkerCrashed, "SIGSEGV"),
            ("killed", WorkerCrashed, "SIGKILL; memory has probably run out"),
            ("leaves", WorkerCrashed, "exit status 3"),
            ("chatters", WorkerCrashed, "exit status 5"),
            ("garbage", WorkerMalformed, "no message"),
            ("wrong_type", WorkerMalformed, "no result"),
            ("giant", WorkerMalformed, "more than 524288 bytes"),
            ("endless", WorkerMalformed, "more than 524288 bytes"),
            ("symlinked", WorkerMalformed, "outside"),
            ("outside", WorkerMalformed, "outside"),
            ("bug", ToolError, "KeyError: 'the first line"),
            ("memory_error", WorkerOutOfMemory, "memory ran out"),
            ("full_disk", MachineError, "disk is full"),
        ],
    )
    def test_misbehaviour_is_a_typed_error_of_one_line(
        self, run: Run, tool: str, kind: type[OptimizationError], says: str
    ) -> None:
        with pytest.raises(kind, match=says) as caught:
            run(tool, progress=lambda _: None)
        assert type(caught.value) is kind
        assert "\n" not in caught.value.message

    def test_time_is_limited(self, run: Run, tmp_path: Path, gone: Any) -> None:
        with pytest.raises(WorkerTimeout, match=r"longer than 2 s"):
            run("sleeps", params={"pids": str(tmp_path / "pid")}, time_s=2.0)
        assert gone(int((tmp_path / "pid").read_text()))

    def test_memory_of_the_whole_process_tree_is_limited(self, run: Run) -> None:
        with pytest.raises(WorkerOutOfMemory, match=r"more than 209\.7 MB"):
            run("hogs_below", memory_bytes=200 * 2**20)

    def test_last_words_of_a_crash_are_kept_without_control_codes(self, run: Run) -> None:
        with pytest.raises(WorkerCrashed) as caught:
            run("segfault")
        output = caught.value.details["output"]
        assert "last words" in output
        assert "in segfault" in output  # where it crashed
        assert not any(control in output for control in CONTROLS)

    @pytest.mark.parametrize("kind", [RequestError, DataError, ToolError, MachineError])
    def test_a_tools_own_error_comes_back_as_it_was_but_clean(self, run: Run, kind: type[OptimizationError]) -> None:
        with pytest.raises(kind) as caught:
            run("raises", params={"error": kind.__name__})
        assert type(caught.value) is kind
        assert caught.value.message == "what is wrong and more"
        assert caught.value.details["a"] == [1, "b"]

    def test_a_bug_in_a_tool_carries_its_traceback(self, run: Run) -> None:
        with pytest.raises(ToolError) as caught:
            run("bug")
        assert caught.value.details["exception"] == "builtins.KeyError"
        assert "in bug" in caught.value.details["traceback"]

    def test_nothing_that_a_tool_started_outlives_its_answer(self, run: Run, tmp_path: Path, gone: Any) -> None:
        pids = tmp_path / "pids"
        run("outlives", params={"pids": str(pids), "answers": True})
        started = [int(pid) for pid in pids.read_text().split()]
        assert len(started) == 2
        assert all(map(gone, started))

    def test_cancel_from_another_thread(
        self, executor: Executor, run: Run, tmp_path: Path, appears: Any, gone: Any
    ) -> None:
        pids = tmp_path / "pid"
        canceller = threading.Thread(target=lambda: (appears(pids), executor.cancel()))
        canceller.start()
        started = time.monotonic()
        with pytest.raises(Interrupted, match="can be resumed"):
            run("outlives", params={"pids": str(pids), "answers": False})
        canceller.join()
        assert time.monotonic() - started < 60
        assert all(gone(int(pid)) for pid in pids.read_text().split())
        assert run("answer").report  # the executor goes on

    def test_cancel_without_a_job_does_nothing(self, executor: Executor, run: Run) -> None:
        executor.cancel()
        assert run("answer").report

    def test_jobs_of_several_threads(self, executor: Executor, tmp_path: Path) -> None:
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

    def test_a_job_runs_on_its_hardware_or_not_at_all(
        self, executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shipfit.tools.cluster.fleet.PATIENCE_S", 0.0)
        here = executor.hardware()
        assert here.fingerprint == fingerprint()
        assert executor.run(Job(tool="answer", hardware=here.fingerprint), {}, tmp_path / "a").report
        with pytest.raises(MachineError, match="hardware 0123456789ab"):
            executor.run(Job(tool="answer", hardware="0123456789ab"), {}, tmp_path / "b")
