"""Real coordinators over real models: killed without warning, joined by a second one, stopped by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from shipfit.contracts import load_settings
from shipfit.memory.ledger import Ledger

from ... import models
from .conftest import rows

pytestmark = pytest.mark.slow

MAIN = "import sys; from shipfit.interfaces.cli import main; sys.exit(main(sys.argv[1:]))"
Start = Callable[..., subprocess.Popen[str]]
# Longer than anything takes that is waited for, on a machine that does much else.
_WAIT_S = 200.0


@pytest.fixture
def real_zoo(zoo: Path) -> Path:
    """Three sound models, whose time is up before an attempt, and a broken one."""
    for name in ("a", "b", "c"):
        models.save(models.mlp(width={"a": 16, "b": 24, "c": 32}[name]), zoo / f"{name}.onnx")
    (zoo / "broken.onnx").write_bytes(b"\x08\x08\x12\x00")
    (zoo / "zoo.yaml").write_text(
        "defaults: {min_fidelity: 190dB, time_limit: 1s, memory: false}\nmodels:\n  - glob: '*.onnx'\n"
    )
    return zoo


@pytest.fixture
def start(real_zoo: Path) -> Start:
    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", MAIN, "batch", str(real_zoo), "--out", "out", "--workers", "2", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return begin


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until the process has a job running, and return everything below it; nothing once it has ended."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return []
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if found := psutil.Process(process.pid).children(recursive=True):
                return found
        time.sleep(0.05)
    raise AssertionError("no job was started")


def kill_one_of(process: subprocess.Popen[str], killed: set[psutil.Process]) -> None:
    """Kill one more process below it, if the batch goes on for long enough."""
    while below := children_of(process):
        for victim in set(below) - killed:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
                killed.add(victim)
                psutil.wait_procs([victim], timeout=_WAIT_S)
                return
        time.sleep(0.05)


def statuses() -> dict[str, str]:
    return {name: row["status"] for name, row in rows(Path("out")).items()}


ENDED = {"a": "rolled_back", "b": "rolled_back", "c": "rolled_back", "broken": "failed"}


def test_killed_and_resumed_by_two(start: Start):
    with start() as process:
        children = children_of(process)
        time.sleep(2)
        process.kill()
        process.communicate()
    assert not psutil.wait_procs(children, timeout=_WAIT_S)[1]
    with start("--resume") as one, start("--resume") as other:
        for each in (one, other):
            each.communicate(timeout=_WAIT_S)
            assert each.returncode == 3
    assert statuses() == ENDED
    with Ledger(load_settings().ledger) as ledger:
        delivered = [record.out for record in ledger.runs.latest()]
    assert sorted(Path(out).name for out in delivered if out) == ["a", "b", "c"], "one run for each, and no other"


def test_stopped_leaves_no_children_and_goes_on(start: Start):
    with start() as process:
        children = children_of(process)
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted; go on with: shipfit batch ")
    assert not psutil.wait_procs(children, timeout=_WAIT_S)[1]
    with start("--resume") as process:
        process.communicate(timeout=_WAIT_S)
    assert process.returncode == 3
    assert statuses() == ENDED


def test_a_worker_that_is_killed_changes_nothing(start: Start):
    with start("--workers", "1") as process:
        killed: set[psutil.Process] = set()
        kill_one_of(process, killed)
        time.sleep(2.5)
        kill_one_of(process, killed)
        process.communicate(timeout=_WAIT_S)
    assert process.returncode == 3
    assert statuses() == ENDED
