"""Ordered work in real processes: what it comes to, and what is told where it comes to nothing."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import (
    Event,
    Interrupted,
    ModelFileError,
    OptimizationError,
    RequestError,
    WorkerCrashed,
)
from shipfit.interfaces.running.orders import BenchmarkOrder, InspectOrder, OptimizeOrder, Order, ResumeOrder
from shipfit.interfaces.running.process import GRACE_S, Work
from shipfit.tools.worker.processes import descendants

from ... import models


def ignore(_event: Event) -> None:
    return None


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def outcome(work: Work, found: list[object]) -> threading.Thread:
    """Let another thread wait for `work`; what it returns or raises is appended to `found`."""

    def wait() -> None:
        try:
            found.append(work.result(ignore))
        except OptimizationError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        (OptimizeOrder(fields={"model": "digits.onnx", "threads": 0}, base="."), RequestError, "threads"),
        pytest.param(
            OptimizeOrder(fields={"model": "m.onnx", "words": "please"}, base="."),
            RequestError,
            "nothing was understood",
            marks=pytest.mark.slow,
        ),
        pytest.param(ResumeOrder(run="2001"), RequestError, "no run '2001'", marks=pytest.mark.slow),
        pytest.param(InspectOrder(model="digits.onnx"), ModelFileError, "digits.onnx", marks=pytest.mark.slow),
    ],
    ids=["field", "words", "run", "model"],
)
def test_what_is_wrong_is_raised_here(order: Order, error: type[OptimizationError], words: str):
    with pytest.raises(error, match=words):
        Work(order).result(ignore)


def test_work_that_was_stopped_before_it_began_does_not_begin():
    work = Work(ResumeOrder(run="any"))
    work.stop()
    with pytest.raises(Interrupted):
        work.result(ignore)


@pytest.mark.slow
def test_a_process_that_is_stopped_is_gone_with_all_below_it(home: Path):
    path = str(models.save(models.mlp(), home.parent / "mlp.onnx"))
    before, found = set(descendants(os.getpid())), list[object]()
    work = Work(BenchmarkOrder(original=path, candidate=path, seconds=60))
    thread = outcome(work, found)
    wait_for(lambda: len(set(descendants(os.getpid())) - before) > 1)
    started = time.monotonic()
    work.stop()
    thread.join(60)
    assert isinstance(found[0], Interrupted)
    assert set(descendants(os.getpid())) <= before
    assert time.monotonic() - started < GRACE_S + 20  # on any machine; docs/mcp.md has the figures


def test_a_process_that_dies_is_told(home: Path):
    before, found = set(descendants(os.getpid())), list[object]()
    path = str(models.save(models.mlp(), home.parent / "mlp.onnx"))
    thread = outcome(Work(BenchmarkOrder(original=path, candidate=path, seconds=60)), found)
    wait_for(lambda: set(descendants(os.getpid())) - before)
    os.kill(min(set(descendants(os.getpid())) - before), signal.SIGKILL)
    thread.join(60)
    assert isinstance(found[0], WorkerCrashed)
    assert "SIGKILL" in found[0].message
