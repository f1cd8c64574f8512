"""CPU time of a call of several models against each other, in one process and in rotating order."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from onnx import ModelProto

from ..measure.benchmark import SystemClock, undisturbed
from ..measure.harness import Arm, Schedule, Timings, measure
from ..model_files import serialized
from ..quantize.trial import run
from ..session import open_bytes

SECONDS = 3.5
_PRECISION = 0.02
# Calls longer than this: one at a time is timed, after one that is not; above the second, it is warm from the start.
_LONG_S, _SLOW_S = 0.012, 0.1
_FEWEST_ROUNDS = 4


def call_seconds(model: ModelProto, feeds: Sequence[Mapping[str, Any]]) -> float:
    """Return the wall time of the second call of `model`, to plan by."""
    session = open_bytes(serialized(model))
    run(session, feeds[0])
    started = time.perf_counter()
    run(session, feeds[0])
    return time.perf_counter() - started


def cpu_times(
    models: Sequence[ModelProto], feeds: Sequence[Mapping[str, Any]], call_s: float = 0.0, seconds: float = SECONDS
) -> list[float]:
    """Return CPU microseconds of a call of each model, one thread; only their ratios are exact.

    Each round runs every model on the same feed; a model's time is the median over rounds of its ratio to the first
    model's, so that what slows the machine down for a while slows all alike.

    Args:
        models: small enough for protobuf.
        feeds: at least one.
        call_s: what a call takes.
        seconds: after which no further round is begun; three are made anyway, two of slow ones.

    Raises:
        ToolError: a model does not load, or does not run on the feeds.
    """
    sessions = [open_bytes(serialized(each)) for each in models]
    for session in sessions:
        run(session, feeds[0])  # what is refused becomes a typed error here
    arms = [_arm(session, feeds) for session in sessions]
    with undisturbed():
        timings = measure(arms, len(feeds), SystemClock(), _schedule(call_s, seconds), _settled)
    rounds = [[each.median(by_cpu=True) for each in arm] for arm in timings.rounds]
    base = statistics.median(rounds[0])
    return [1e6 * base * statistics.median(_ratios(arm, rounds[0])) for arm in rounds]


def _schedule(call_s: float, seconds: float) -> Schedule:
    if is_slow(call_s):
        return Schedule(seconds=seconds, warm_calls=1, warm_s=0, timed_s=0, min_groups=1, min_rounds_at_limit=2)
    if call_s > _LONG_S:  # their place in a round means nothing to them
        few = Schedule(seconds=seconds, warm_calls=1, warm_s=0.008, timed_s=0, min_groups=1)
        return replace(few, min_rounds=_FEWEST_ROUNDS, balanced=False)
    return Schedule(seconds=seconds, warm_calls=2, warm_s=0.008, timed_s=0.012, min_groups=2)


def is_slow(seconds: float) -> bool:
    """Tell whether calls are so long that there is time for few."""
    return seconds > _SLOW_S


def _arm(session: Any, feeds: Sequence[Mapping[str, Any]]) -> Arm:
    given = [dict(feed) for feed in feeds]

    def arm(number: int) -> object:
        return session.run(None, given[number])

    return arm


def _ratios(arm: Sequence[float], first: Sequence[float]) -> list[float]:
    return [own / other for own, other in zip(arm, first, strict=True)]


def _settled(timings: Timings) -> bool:
    """Tell whether another round would hardly move any model's ratio: the standard error of its mean is small."""
    rounds = [[each.median(by_cpu=True) for each in arm] for arm in timings.rounds]
    ratios = [_ratios(arm, rounds[0]) for arm in rounds[1:]]
    return all(statistics.stdev(each) / statistics.fmean(each) / len(each) ** 0.5 < _PRECISION for each in ratios)
