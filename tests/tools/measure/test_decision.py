"""Speeds that are only told from a bound: on a simulated machine."""

from __future__ import annotations

import pytest

from shipfit.tools.measure.decision import compare_speed

from .test_harness import Machine


def compared(times: list[float], bound: float, indifferent: float = 0.0, seconds: float = 4.0) -> tuple[float, float]:
    """Return the speed of the second arm, and the simulated seconds that it took to tell."""
    machine = Machine()
    arms = [machine.arm(f"arm {number}", each) for number, each in enumerate(times)]
    value, _ = compare_speed(arms, 1, bound, seconds, indifferent, clock=machine)[0]
    return value, machine.time


def test_what_is_clear_takes_a_few_rounds():
    value, took = compared([0.030, 0.010], bound=1.0)
    assert value == pytest.approx(3, rel=0.02)
    assert took < 4 * (3 * 0.030 + 4 * 0.010) * 1.1


def test_what_is_near_takes_longer_and_ends_with_the_time():
    clear, near = compared([0.010, 0.005], bound=1.0)[1], compared([0.010, 0.01], bound=1.0)[1]
    assert clear < near < 4.5


def test_a_difference_that_does_not_matter_need_not_be_told():
    assert compared([0.010, 0.010], bound=1.0, indifferent=0.02)[1] < 1.5


def test_what_helps_too_little_is_told_from_the_bound():
    value, took = compared([0.010, 0.010], bound=1.03)
    assert value < 1.03
    assert took < 1.5


def test_what_a_busy_machine_leaves_unclear_is_told_as_it_looks():
    machine, speeds = Machine(), iter([0.9, 3.0, 2.9, 1.1] * 9)

    def uneven(_: int) -> None:
        machine.arm("uneven", 0.030 / next(speeds))(0)

    value, interval = compare_speed([machine.arm("even", 0.030), uneven], 1, 1.0, 0.6, clock=machine)[0]
    assert value > 1.2
    assert 0 < interval.low < value < interval.high
