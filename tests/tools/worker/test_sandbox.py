"""A job's processes end with their coordinator, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.tools.worker.protections import protections

COORDINATOR = """
import sys
from pathlib import Path
from shipfit.contracts import Job
from shipfit.tools.worker.local import LocalExecutor

rogue, work, pids, tool = sys.argv[1:]
job = Job(tool=tool, params={"pids": pids, "answers": False})
try:
    LocalExecutor([sys.executable, rogue]).run(job, {}, Path(work))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def coordinator(tmp_path: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    def start(tool: str) -> subprocess.Popen[bytes]:
        rogue = Path(__file__).with_name("rogue.py")
        arguments = [str(rogue), str(tmp_path / "work"), str(tmp_path / "pids"), tool]
        return subprocess.Popen([sys.executable, "-c", COORDINATOR, *arguments])

    return start


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_everything_ends_with_the_coordinator(
    coordinator: Callable[[str], subprocess.Popen[bytes]],
    appears: Callable[[Path], str],
    gone: Callable[[int], bool],
    tmp_path: Path,
    how: signal.Signals,
    status: int,
) -> None:
    process = coordinator("outlives")
    grandchildren = [int(pid) for pid in appears(tmp_path / "pids").split()]
    process.send_signal(how)
    assert process.wait(20) == status
    assert all(map(gone, grandchildren))


def test_a_worker_ends_with_its_guard(
    coordinator: Callable[[str], subprocess.Popen[bytes]],
    appears: Callable[[Path], str],
    gone: Callable[[int], bool],
    tmp_path: Path,
) -> None:
    import psutil

    process = coordinator("sleeps")
    worker = int(appears(tmp_path / "pids"))
    guard = psutil.Process(worker).parent()
    assert guard is not None
    os.kill(guard.pid, signal.SIGKILL)
    assert gone(worker)
    process.kill()
    process.wait(20)


def test_a_worker_started_by_hand_says_what_it_needs() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "shipfit.tools.worker"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("a worker is started by an executor")
    assert answer.stderr.count("\n") == 1


def test_a_worker_without_a_request_leaves() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "from shipfit.tools.worker.sandbox import confine; confine(1)"],
        input=b"no line",
        capture_output=True,
    )
    assert answer.returncode == 1
    assert b"one line of request" in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel offers less")
def test_protections_on_linux() -> None:
    active = protections()
    assert active["process group of its own"] is True
    assert active["dies with its coordinator"] is True
    assert active["orphans are adopted"] is True
    assert active["core dumps off"] is True
    assert "100 ms" in str(active["memory watchdog"])
    assert isinstance(active["network denied"], bool)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted where the kernel lists them")
def test_what_a_launcher_imports_starts_no_thread() -> None:
    """A fork has only the thread that forked; who waits for another would wait for ever."""
    code = (
        "import os, sys; from shipfit.tools.registry import import_homes; import_homes();"
        "print(len(os.listdir('/proc/self/task')), {'onnxruntime', 'torch', 'scipy', 'dspy'} & set(sys.modules))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "1 set()\n"
