"""Ranges chosen from histograms: within what was seen, finer where tails are long, unharmed where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from shipfit.tools.quantize.clipping import BINS, Histogram, Range, cut_entropy, cut_mse, cut_percentile

CUTS: list[Callable[[Histogram], Range]] = [cut_entropy, cut_mse, lambda histogram: cut_percentile(histogram, 99.9)]


def counted(values: np.ndarray) -> Histogram:
    low, high = float(values.min()), float(values.max())
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0].astype(np.int64))


def noise(values: np.ndarray, span: Range) -> float:
    """Energy that rounding to uint8 in `span`, widened to hold zero, costs."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    step = (high - low) / 255
    zero = np.rint(-low / step)
    rounded = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
    return float(np.square(values - rounded).sum())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), freedom=st.floats(2, 30), relu=st.booleans(), shift=st.floats(-3, 3))
def test_ranges_stay_within_what_was_seen(seed: int, freedom: float, relu: bool, shift: float) -> None:
    values = np.random.default_rng(seed).standard_t(freedom, 5000) + shift
    histogram = counted(np.maximum(values, 0.0) if relu else values)
    for cut in CUTS:
        span = cut(histogram)
        assert histogram.low <= span.low <= span.high <= histogram.high


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), freedom=st.floats(2, 30), relu=st.booleans())
def test_mse_never_rounds_notably_worse_than_the_extremes(seed: int, freedom: float, relu: bool) -> None:
    values = np.random.default_rng(seed).standard_t(freedom, 20_000)
    values = np.maximum(values, 0.0) if relu else values
    histogram = counted(values)
    assert noise(values, cut_mse(histogram)) <= 1.03 * noise(values, Range(histogram.low, histogram.high))


def test_entropy_cuts_what_hardly_occurs_and_keeps_what_is_even() -> None:
    rng = np.random.default_rng(0)
    rare = cut_entropy(counted(np.concatenate([rng.standard_normal(100_000), [-50.0, 50.0]])))
    assert -10 < rare.low < -3
    assert 3 < rare.high < 10
    even = counted(rng.random(100_000))
    assert cut_entropy(even) == Range(even.low, even.high)


def test_a_few_values_are_not_cut_for_being_few() -> None:
    histogram = counted(np.random.default_rng(1).standard_normal(1000))
    assert cut_entropy(histogram) == Range(histogram.low, histogram.high)


@pytest.mark.parametrize("cut", CUTS)
def test_a_constant_has_its_value_as_range(cut: Callable[[Histogram], Range]) -> None:
    counts = np.zeros(BINS, np.int64)
    counts[0] = 7
    assert cut(Histogram(2.0, 2.0, counts)) == Range(2.0, 2.0)
