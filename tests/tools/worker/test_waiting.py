"""Waiting for another measurement counts against no limit, and cannot be claimed beyond what passed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shipfit.contracts import JobResult, Progress, WorkerTimeout

Run = Callable[..., JobResult]


@pytest.mark.slow
def test_a_job_may_wait_longer_than_it_may_last(run: Run):
    told: list[Progress] = []
    result = run("waits", progress=told.append, time_s=5)
    assert 5 < result.waited_s < 20
    assert max(each.waited_s for each in told) <= result.waited_s


def test_what_did_not_pass_was_not_waited(run: Run):
    started = time.monotonic()
    with pytest.raises(WorkerTimeout) as caught:
        run("boasts", time_s=2)
    assert time.monotonic() - started < 15
    assert 0 < caught.value.details["waited_s"] < 10
