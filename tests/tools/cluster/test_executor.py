"""Jobs on a real Ray cluster: what every executor owes, and what a node may do to the coordinator: nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from shipfit.contracts import (
    Job,
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    RequestError,
    WorkerMalformed,
)
from shipfit.tools.cluster.connect import Cluster
from shipfit.tools.cluster.executor import TRIES, RayExecutor

from ..worker.conftest import LIMITS
from ..worker.contract import ExecutorContract

# Starting nodes takes a quarter of a minute, on a busy machine several.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Run = Callable[..., JobResult]


class TestContract(ExecutorContract):
    """An executor over a cluster keeps what all owe."""


@pytest.mark.parametrize(
    ("tool", "kind", "says"),
    [
        ("node_no_text", WorkerMalformed, "no text"),
        ("node_no_json", WorkerMalformed, "no message"),
        ("node_giant", WorkerMalformed, "more than 524288 bytes"),
        ("node_no_result", WorkerMalformed, "no result"),
        ("node_no_progress", WorkerMalformed, "progress that is none"),
        ("node_no_error", RequestError, "^red line$"),
        ("node_silent", WorkerMalformed, "without an answer"),
        ("node_fails", WorkerMalformed, "ZeroDivisionError"),
        ("node_escapes", WorkerMalformed, "no result"),
        ("node_role", WorkerMalformed, "no result"),
        ("node_swells", WorkerMalformed, "cannot be"),
        ("node_lacks", MachineError, "lacks abababababab"),
    ],
)
def test_what_a_node_says_is_not_believed(run: Run, tool: str, kind: type[OptimizationError], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        run(tool, progress=lambda _: None)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message


def test_a_measurement_of_other_hardware_is_refused(executor: RayExecutor, tmp_path: Path) -> None:
    job = Job(tool="node_elsewhere", needs="bench", hardware=executor.hardware().fingerprint)
    with pytest.raises(WorkerMalformed, match="measured on hardware 0123456789ab"):
        executor.run(job, {}, tmp_path)


def test_a_job_whose_process_dies_is_run_elsewhere(run: Run, tmp_path: Path) -> None:
    told: list[Progress] = []
    run("node_dies_once", progress=told.append, params={"place": str(tmp_path / "place")})
    assert any("trying elsewhere" in item.message for item in told)


def test_not_for_ever(run: Run, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=f"lost with its node {TRIES} times"):
        run("node_dies", params={"place": str(tmp_path / "place")})
    assert (tmp_path / "place").read_text() == "x" * TRIES


def test_two_measure_at_once_on_two_nodes_and_a_third_waits(cluster: Cluster, tmp_path: Path) -> None:
    slots = cluster.slots
    assert slots == 2
    executors = [cluster.executor() for _ in range(slots + 1)]
    jobs = [Job(tool="sleeps", needs="bench", params={"pids": str(tmp_path / f"pid{n}")}) for n in range(slots + 1)]

    def work(number: int) -> None:
        with pytest.raises(OptimizationError):
            executors[number].run(jobs[number], {}, tmp_path / str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(slots + 1)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("pid?"))) < slots and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(list(tmp_path.glob("pid?"))) == slots
    for executor in executors:
        executor.cancel()
    for thread in threads:
        thread.join()


def test_what_is_measured_is_there_before_the_slot_is_taken(executor: RayExecutor, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "given.txt").write_text("here")
    told = tmp_path / "fetched"
    job = Job(tool="lists", needs="bench", params={"fetched": str(told)}, limits=LIMITS)
    result = executor.run(job, {"model": tmp_path / "model"}, tmp_path / "work")
    assert result.report["recommendation"] == "given.txt=here"
    assert told.read_text() == "CPU"


def test_a_node_that_goes_on_after_its_answer_is_stopped(
    cluster: Cluster, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: Any, gone: Any
) -> None:
    monkeypatch.setattr("shipfit.tools.cluster.link._END_S", 0.0)
    assert run("node_lingers", params={"place": str(tmp_path / "place")}).report == {}
    pid = int(appears(tmp_path / "place"))
    cluster.fleet.link.nodes()
    assert gone(pid)


def test_a_node_that_is_killed_loses_nothing(
    cluster: Cluster, executor: RayExecutor, ray_nodes: Any, tmp_path: Path, appears: Any, gone: Any
) -> None:
    lost = ray_nodes.add()
    deadline = time.monotonic() + 90
    while cluster.fleet.slots < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    raylet = next(each for each in psutil.Process(lost.pid).children() if each.name() == "raylet")
    place, told = tmp_path / "place", list[Progress]()
    pid: list[int] = []

    def kill_its_node() -> None:
        pid.append(int(appears(place)))
        ray_nodes.kill(lost)

    killer = threading.Thread(target=kill_its_node)
    killer.start()
    # The others are busy, so that the job goes to the node that is about to die.
    for node in cluster.fleet._nodes.values():
        node.jobs += 0 if _is_on(raylet, node.seen.id) else 9
    try:
        result = executor.run(Job(tool="node_sleeps", params={"place": str(place)}), {}, tmp_path / "work", told.append)
    finally:
        for node in cluster.fleet._nodes.values():
            node.jobs = 0
        killer.join()
    assert result.report == {}
    assert gone(pid[0])
    assert any("is lost" in item.message for item in told)


def _is_on(raylet: psutil.Process, node: str) -> bool:
    return any(node in argument for argument in raylet.cmdline())
