"""Time calls of programs that take turns, so that what else the machine does hits all of them."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import torch

from .feeds import Calls

_ROUND_S, _MOST_CALLS = 0.03, 64


@contextlib.contextmanager
def one_thread() -> Generator[None]:
    """Compute on one thread meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def call_seconds(run: Callable[..., Any], calls: Calls) -> float:
    """Return the median seconds of a call, after one that is not timed."""
    args, kwargs = calls[0]
    run(*args, **kwargs)
    spent: list[float] = []
    until = time.perf_counter() + _ROUND_S
    while len(spent) < _MOST_CALLS and (len(spent) < 2 or time.perf_counter() < until):
        args, kwargs = calls[len(spent) % len(calls)]
        started = time.perf_counter()
        run(*args, **kwargs)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)
