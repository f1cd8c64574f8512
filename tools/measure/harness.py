"""Time several arms against each other on a noisy machine. Pure logic: the clock is given.

An arm is one loaded session. Every round runs all arms in a rotated order; after each switch an arm warms up
untimed, then a number of groups of calls is timed. A group is long enough for the clock and short enough to
often escape preemption. Arms are compared by the median of their undisturbed groups within a round, so that
what drifts from round to round cancels out. Where a round left too few undisturbed, their processor time
stands in for wall time: with one thread the two differ by nothing but the time spent waiting for the processor.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ...contracts import Interval
from .statistics import bootstrap_ratio, trimmed_ratio

# Runs an arm once on the feed of that number.
Arm = Callable[[int], object]


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return wall time in seconds."""
        ...

    def cpu(self) -> float:
        """Return processor time of this process in seconds."""
        ...

    def preemptions(self) -> int:
        """Return how often this process was preempted so far."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long and how often.

    Attributes:
        seconds: time limit of the whole measurement; at least `min_rounds_at_limit` rounds are made anyway.
        warm_calls, warm_s: untimed work after each switch, both at least; calls that worked for `warm_at_most_s` are
            enough, however few: what a switch costs is a fraction of a millisecond, and is paid by then.
        group_s: work per timed group; shorter calls are looped.
        timed_s, min_groups: timed work per arm and round, both at least.
        precision: half-width of the interval, as a share, at which measuring ends.
        min_rounds: rounds before precision is believed.
        balanced: it is believed only when every arm has had every position equally often.
        single_thread: processor time may stand in for wall time.
    """

    seconds: float = 8.0
    warm_calls: int = 3
    warm_s: float = 0.020
    warm_at_most_s: float = 0.040
    group_s: float = 0.0015
    timed_s: float = 0.020
    min_groups: int = 3
    precision: float = 0.02
    min_rounds: int = 9
    balanced: bool = True
    min_rounds_at_limit: int = 3
    single_thread: bool = True


@dataclass
class ArmRound:
    """One arm in one round: per group the wall and processor time of a call, and whether it was undisturbed."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])
    clean: list[bool] = field(default_factory=list[bool])

    @property
    def undisturbed(self) -> bool:
        """Whether enough groups were not preempted, a third of them."""
        return 3 * sum(self.clean) >= len(self.clean)

    def median(self, by_cpu: bool) -> float:
        """Median processor time of all groups, or wall time of the undisturbed ones (of all, if there are too few)."""
        if by_cpu:
            return statistics.median(self.cpu)
        kept = [value for value, clean in zip(self.wall, self.clean, strict=True) if clean]
        return statistics.median(kept if self.undisturbed else self.wall)


@dataclass
class Timings:
    """What was measured: per arm the rounds, and the wall seconds of every timed call."""

    rounds: list[list[ArmRound]]
    calls: list[list[float]]
    single_thread: bool = True
    seconds: float = 0.0

    @property
    def preempted_share(self) -> float:
        """Share of the timed groups in which the process was preempted."""
        flags = [clean for arm in self.rounds for each in arm for clean in each.clean]
        return 1 - sum(flags) / len(flags) if flags else 0.0

    def ratios(self, numerators: Sequence[int], denominator: int) -> list[float]:
        """Per round, the geometric mean time of arms `numerators` over that of arm `denominator`."""
        logs = np.log([self._medians(arms) for arms in zip(*self.rounds, strict=True)])
        return [float(value) for value in np.exp(logs[:, list(numerators)].mean(axis=1) - logs[:, denominator])]

    def _medians(self, arms: Sequence[ArmRound]) -> list[float]:
        """All arms of a round are measured by the same clock."""
        by_cpu = self.single_thread and not all(arm.undisturbed for arm in arms)
        return [arm.median(by_cpu) for arm in arms]

    def ratio(self, numerators: Sequence[int], denominator: int) -> tuple[float, Interval]:
        """Return the trimmed mean of the rounds' ratios with its bootstrap interval."""
        ratios = self.ratios(numerators, denominator)
        return trimmed_ratio(ratios), bootstrap_ratio(ratios)


def measure(
    arms: Sequence[Arm],
    feeds: int,
    clock: Clock,
    schedule: Schedule,
    settled: Callable[[Timings], bool],
) -> Timings:
    """Run rounds until `settled` says so, or the schedule's time is over.

    All arms of a round get the same feed; feeds and orders change from round to round.
    """
    started = clock.now()
    timings = Timings([[] for _ in arms], [[] for _ in arms], schedule.single_thread)
    for number, feed in enumerate(_shuffled(feeds)):
        if _finished(timings, number, clock.now() - started, schedule, settled):
            break
        for position in range(len(arms)):
            arm = (number + position) % len(arms)
            timings.rounds[arm].append(_run_arm(arms[arm], feed, clock, schedule, timings.calls[arm]))
    timings.seconds = clock.now() - started
    return timings


def _shuffled(feeds: int) -> Iterator[int]:
    """Yield each feed once in every `feeds` rounds, shuffled so that none always meets the same order of arms."""
    rng = random.Random(0)
    while True:
        yield from rng.sample(range(feeds), feeds)


def _finished(
    timings: Timings, rounds: int, elapsed: float, schedule: Schedule, settled: Callable[[Timings], bool]
) -> bool:
    if rounds >= schedule.min_rounds_at_limit and elapsed >= schedule.seconds:
        return True
    turn = len(timings.rounds) if schedule.balanced else 1
    return rounds >= schedule.min_rounds and rounds % turn == 0 and settled(timings)


def _run_arm(arm: Arm, feed: int, clock: Clock, schedule: Schedule, calls: list[float]) -> ArmRound:
    loops = _warm_up(arm, feed, clock, schedule)
    result = ArmRound()
    begin = clock.now()
    while len(result.wall) < schedule.min_groups or clock.now() - begin < schedule.timed_s:
        before, busy = clock.preemptions(), clock.cpu()
        last = start = clock.now()
        for _ in range(loops):
            arm(feed)
            now = clock.now()
            calls.append(now - last)
            last = now
        result.wall.append((last - start) / loops)
        result.cpu.append((clock.cpu() - busy) / loops)
        result.clean.append(clock.preemptions() == before)
    return result


def _warm_up(arm: Arm, feed: int, clock: Clock, schedule: Schedule) -> int:
    """Run untimed, and return how many calls make a group."""
    start = last = clock.now()
    busy = clock.cpu()
    shortest, worked = float("inf"), 0.0
    count = 0
    while (count < schedule.warm_calls or last - start < schedule.warm_s) and worked < schedule.warm_at_most_s:
        arm(feed)
        now = clock.now()
        shortest, last = min(shortest, now - last), now
        worked = min(now - start, clock.cpu() - busy)  # neither waiting for the processor nor further threads count
        count += 1
    return max(1, min(1000, round(schedule.group_s / max(shortest, 1e-9))))
