"""Time arms against each other only until it is clear which side of a bound each is on.

For choices within a search, which no verdict rests on: what is clear after four rounds needs no more. Rounds are few
and the end depends on them, so that it is Student's interval at 99 % that has to be clear: a bootstrap of four values
is too narrow. What is not clear when the time is over, as on a machine that does much else, is told at 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from ...contracts import Interval
from .benchmark import SystemClock, undisturbed
from .harness import Arm, Clock, Schedule, Timings, measure
from .statistics import student_ratio

_LEAST_ROUNDS = 4
# An arm whose calls are this long is warm after one, and timed by one.
SCHEDULE = Schedule(warm_calls=1, warm_s=0.020, timed_s=0.020, min_groups=1, min_rounds=_LEAST_ROUNDS)


def compare_speed(
    arms: Sequence[Arm],
    feeds: int,
    bound: float,
    seconds: float,
    indifferent: float = 0.0,
    single_thread: bool = True,
    clock: Clock | None = None,
) -> list[tuple[float, Interval]]:
    """Return the first arm's time / that of each other arm, with its interval.

    Args:
        arms: loaded and warm.
        feeds: numbers that they take.
        bound: what each speed is compared with.
        seconds: after which no further round is begun.
        indifferent: speeds within this share of the bound need not be told from it.
        single_thread: processor time may stand in for wall time.
        clock: the system's unless another is given.
    """
    schedule = replace(SCHEDULE, seconds=seconds, single_thread=single_thread)

    def settled(timings: Timings) -> bool:
        return all(_is_clear(_sure(timings.ratios((0,), arm)), bound, indifferent) for arm in range(1, len(arms)))

    with undisturbed():
        timings = measure(arms, feeds, clock or SystemClock(), schedule, settled)
    return [timings.ratio((0,), arm) for arm in range(1, len(arms))]


def _sure(ratios: Sequence[float]) -> Interval:
    value = math.exp(statistics.fmean(map(math.log, ratios)))
    return student_ratio(ratios, value, sure=True)


def _is_clear(interval: Interval, bound: float, indifferent: float) -> bool:
    """Tell whether the interval lies on one side of the bound, or so near to it that the side does not matter."""
    if interval.low > bound or interval.high < bound:
        return True
    return bound * (1 - indifferent) <= interval.low and interval.high <= bound * (1 + indifferent)
