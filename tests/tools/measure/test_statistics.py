import math
import random

import numpy as np
import pytest

from shipfit.tools.measure.statistics import (
    bootstrap_ratio,
    mean_interval,
    paired_difference,
    percentile_interval,
    student_ratio,
    trimmed_ratio,
    wilson,
)


def test_wilson_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        interval = wilson(successes, trials)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)
    assert wilson(29, 29).high == 1
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0, 0)


def test_paired_difference_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998) 2635-2650, table II, method 10.
    for table, low, high in (
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3290),
    ):
        interval = paired_difference(*table)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-3)


def test_paired_difference_is_antisymmetric():
    one, other = paired_difference(50, 5, 2, 10), paired_difference(50, 2, 5, 10)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_percentile_interval_covers(share: float):
    rng = np.random.default_rng(0)
    true = -math.log(1 - share)
    hits = 0
    for _ in range(200):
        interval = percentile_interval(sorted(rng.exponential(size=400)), share)
        hits += interval.low <= true <= interval.high
    assert hits >= 182


def test_percentile_interval_of_few_values_ends_at_the_extremes():
    interval = percentile_interval([1.0, 2.0, 3.0], 0.95)
    assert interval.high == 3
    assert interval.low >= 1


def test_trimmed_ratio_ignores_outliers():
    ratios = [2.0] * 8 + [100.0, 0.01]
    assert trimmed_ratio(ratios) == pytest.approx(2)
    interval = bootstrap_ratio(ratios)
    assert interval.low <= 2 <= interval.high
    assert math.isinf(bootstrap_ratio([2.0]).high)


def test_bootstrap_covers():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        interval = bootstrap_ratio(np.exp(rng.normal(0.5, 0.1, 24)).tolist(), resamples=300)
        hits += interval.low <= math.exp(0.5) <= interval.high
    assert hits >= 175


def test_mean_interval():
    interval = mean_interval([1.0, 2.0, 3.0])
    assert (interval.low + interval.high) / 2 == pytest.approx(2)
    assert math.isinf(mean_interval([1.0]).high)


@pytest.mark.parametrize(("sure", "most"), [(True, 25), (False, 75)])
@pytest.mark.parametrize("count", [4, 6, 9, 30])
def test_the_interval_of_few_ratios_holds_the_truth(count: int, sure: bool, most: int):
    rng, misses = random.Random(0), 0
    for _ in range(1000):
        ratios = [1.5 * math.exp(rng.gauss(0, 0.05)) for _ in range(count)]
        interval = student_ratio(ratios, math.exp(float(np.mean(np.log(ratios)))), sure)
        misses += not interval.low <= 1.5 <= interval.high
    assert misses < most


def test_one_ratio_has_no_interval():
    assert student_ratio([2.0], 2.0).high == math.inf
