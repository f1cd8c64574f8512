"""The timing logic on a simulated machine: what it must not be fooled by."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from shipfit.tools.measure.benchmark import to_benchmark
from shipfit.tools.measure.harness import ArmRound, Schedule, Timings, measure


class Machine:
    """Simulated time. Caches warm up over the calls after a switch; other processes preempt at random."""

    def __init__(
        self, cold: float = 1.0, warm_after: int = 0, preempted: float = 0.0, drift: float = 0.0, waits: float = 0.01
    ) -> None:
        self.time = 0.0
        self.busy = 0.0
        self.count = 0
        self.running: object = None
        self.streak = 0
        self.order: list[tuple[str, int]] = []
        self.fed: list[str] = []
        self._cold, self._warm_after, self._preempted, self._drift = cold, warm_after, preempted, drift
        self._waits = waits
        self._rng = random.Random(1)

    def now(self) -> float:
        return self.time

    def cpu(self) -> float:
        return self.busy

    def preemptions(self) -> int:
        return self.count

    def arm(self, name: str, seconds: float) -> Callable[[int], object]:
        def run(feed: int) -> None:
            if self.running != name:
                self.running, self.streak = name, 0
                self.order.append((name, feed))
            self.streak += 1
            self.fed.append(name)
            cost = seconds * (self._cold if self.streak <= self._warm_after else 1) * self._rng.uniform(0.99, 1.01)
            cost *= 1 + self._drift * self.time
            self.busy += cost
            if self._rng.random() < self._preempted:
                self.count += 1
                cost += self._waits * self._rng.random()
            self.time += cost

        return run


def never(_: Timings) -> bool:
    return False


def run(machine: Machine, times: list[float], seconds: float = 4.0, feeds: int = 1, **schedule) -> Timings:
    arms = [machine.arm(f"arm {number}", each) for number, each in enumerate(times)]
    return measure(arms, feeds, machine, Schedule(seconds=seconds, **schedule), never)


def test_finds_the_ratio():
    value, interval = run(Machine(), [0.002, 0.001, 0.002]).ratio((0, 2), 1)
    assert value == pytest.approx(2, rel=0.01)
    assert interval.low <= 2 <= interval.high


def test_cold_calls_after_a_switch_are_not_timed():
    timings = run(Machine(cold=5.0, warm_after=3), [0.001] * 3)
    assert timings.ratio((0,), 1)[0] == pytest.approx(1, rel=0.01)
    assert max(max(calls) for calls in timings.calls) < 0.0012


@pytest.mark.parametrize(("seconds", "untimed"), [(0.001, 20), (0.015, 3), (0.025, 2), (0.05, 1)])
def test_long_calls_are_warm_after_few(seconds: float, untimed: int):
    timings, ran = run(machine := Machine(), [seconds] * 3, seconds=0.1), Counter(machine.fed)
    for number, calls in enumerate(timings.calls):
        rounds = len(timings.rounds[number])
        assert (ran[f"arm {number}"] - len(calls)) / rounds == pytest.approx(untimed, abs=1)
        assert (ran[f"arm {number}"] - len(calls)) / rounds >= min(untimed, 3)


def test_waiting_for_the_processor_warms_nothing():
    timings = run(Machine(cold=3.0, warm_after=3, preempted=1.0, waits=0.05), [0.004] * 3, seconds=2.0)
    assert max(max(each.cpu) for arm in timings.rounds for each in arm) < 0.0045


def test_drift_cancels_out():
    assert run(Machine(drift=0.5), [0.003, 0.001, 0.003]).ratio((0, 2), 1)[0] == pytest.approx(3, rel=0.03)


def test_preempted_groups_are_left_out():
    timings = run(Machine(preempted=0.3), [0.0015, 0.0015, 0.0015])
    assert 0.2 < timings.preempted_share < 0.4
    assert timings.ratio((0,), 1)[0] == pytest.approx(1, rel=0.01)
    assert max(timings.calls[0]) > 0.004, "but absolute latency shows them"


def test_processor_time_stands_in_where_every_group_is_preempted():
    timings = run(Machine(preempted=1.0), [0.03, 0.015, 0.03], seconds=10)
    assert timings.preempted_share == 1
    assert timings.ratio((0, 2), 1)[0] == pytest.approx(2, rel=0.01)


def test_several_threads_are_always_timed_by_the_wall():
    timings = run(Machine(preempted=1.0), [0.03, 0.015, 0.03], seconds=10, single_thread=False)
    wall = run(Machine(preempted=1.0), [0.03, 0.015, 0.03], seconds=10)
    assert timings.ratio((0, 2), 1)[0] == pytest.approx(2, rel=0.25)
    assert timings.ratio((0, 2), 1)[0] != wall.ratio((0, 2), 1)[0]


def test_all_arms_of_a_round_share_a_clock():
    arms = [ArmRound([2.0] * 3, [1.0] * 3, [clean] * 3) for clean in (True, False, True)]
    assert Timings([[arm] for arm in arms], [[]] * 3).ratios((0, 2), 1) == [1.0]


def test_every_arm_begins_equally_often_and_a_round_has_one_feed():
    machine = Machine()
    run(machine, [0.001] * 3, feeds=2, seconds=3.0)
    rounds = [machine.order[start : start + 3] for start in range(0, len(machine.order) - 2, 3)]
    assert all(len({feed for _, feed in each}) == 1 for each in rounds)
    assert {feed for each in rounds for _, feed in each} == {0, 1}
    cycle = rounds[:3]
    assert {each[0][0] for each in cycle} == {"arm 0", "arm 1", "arm 2"}


def test_short_calls_are_looped_and_long_ones_are_not():
    short = run(Machine(), [20e-6, 20e-6], seconds=0.5)
    groups = len(short.rounds[0][0].wall)
    assert 10 <= groups <= 20
    long = run(Machine(), [0.2, 0.2], seconds=1.0)
    assert len(long.rounds[0][0].wall) == 3
    assert len(long.rounds[0]) == 3, "the least number of rounds, though the time was over"


def test_stops_when_settled():
    machine = Machine()
    arms = [machine.arm(str(number), 0.001) for number in range(3)]
    timings = measure(arms, 1, machine, Schedule(seconds=60), lambda timings: len(timings.rounds[0]) >= 12)
    assert len(timings.rounds[0]) == 12


@pytest.mark.parametrize(("balanced", "rounds"), [(True, 6), (False, 4)])
def test_settles_at_any_round_where_places_do_not_matter(balanced: bool, rounds: int):
    machine = Machine()
    arms = [machine.arm(str(number), 0.001) for number in range(3)]
    schedule = Schedule(seconds=60, min_rounds=4, balanced=balanced)
    assert len(measure(arms, 1, machine, schedule, lambda _: True).rounds[0]) == rounds


def test_a_speed_is_no_surer_than_two_sessions_of_one_model_are_alike():
    alike = to_benchmark(run(Machine(), [0.002, 0.00205, 0.002]), 1)
    apart = to_benchmark(run(Machine(), [0.002, 0.0022, 0.0024]), 1)  # the original, and it again: a fifth slower
    assert alike.conclusive
    assert not apart.conclusive
    assert apart.speedup.interval is not None
    assert apart.speedup.interval.low < 0.95 < apart.speedup.interval.high


def test_few_rounds_are_not_believed_for_being_few():
    few = run(Machine(preempted=0.5), [0.5, 0.5, 0.5], seconds=0.1)
    assert len(few.rounds[0]) == 3
    found = to_benchmark(few, 1).speedup.interval
    assert found is not None
    assert found.half_width_ratio > few.ratio((0, 2), 1)[1].half_width_ratio
