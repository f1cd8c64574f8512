"""Intervals: of shares, of paired differences, of percentiles, and of ratios. All are 95 % unless they say so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ...contracts import Interval

Z95 = 1.959963984540054
# Student's t, two-sided, for 1, 2, … degrees of freedom, at 95 and at 99 %; beyond them it hardly falls.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10)
_T99 = (63.66, 9.92, 5.84, 4.60, 4.03, 3.71, 3.50, 3.36, 3.25, 3.17, 3.11, 3.05, 3.01, 2.98, 2.95, 2.92, 2.90, 2.88)


def wilson(successes: int, trials: int) -> Interval:
    """Return the score interval of a share (Wilson, 1927).

    Raises:
        ValueError: no trials.
    """
    if trials <= 0:
        raise ValueError("a share needs at least one trial")
    share = successes / trials
    spread = Z95 * math.sqrt(share * (1 - share) / trials + (Z95 / (2 * trials)) ** 2)
    middle = share + Z95**2 / (2 * trials)
    scale = 1 + Z95**2 / trials
    low = 0.0 if successes == 0 else (middle - spread) / scale
    return Interval(low=low, high=1.0 if successes == trials else (middle + spread) / scale)


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return the interval of (first − second), two shares of the same samples.

    Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), method 10: two Wilson intervals and their correlation.
    """
    total = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    p, q = first / total, second / total
    a, b = wilson(first, total), wilson(second, total)
    phi = _correlation(both, only_first, only_second, neither)
    low = _joined(p - a.low, b.high - q, phi)
    high = _joined(a.high - p, q - b.low, phi)
    return Interval(low=p - q - low, high=p - q + high)


def _joined(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Correlation of the two answers, with Newcombe's correction for continuity where it is positive."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - only_first * only_second)
    if product > 0:
        product = max(0.0, product - (both + only_first + only_second + neither) / 2)
    return product / math.sqrt(margins)


def percentile_interval(ordered: Sequence[float], share: float) -> Interval:
    """Return the interval of a percentile from order statistics of `ordered` (ascending).

    The ranks come from the normal approximation of the binomial count of values below the percentile;
    where there are too few values for a rank, the interval ends at the extreme value.
    """
    count = len(ordered)
    middle, spread = count * share, Z95 * math.sqrt(count * share * (1 - share))
    low = max(0, math.floor(middle - spread) - 1)
    high = min(count - 1, math.ceil(middle + spread))
    return Interval(low=float(ordered[min(low, count - 1)]), high=float(ordered[high]))


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the normal interval of a mean."""
    array = np.asarray(values, float)
    half = Z95 * float(array.std(ddof=1)) / math.sqrt(len(array)) if len(array) > 1 else math.inf
    return Interval(low=float(array.mean()) - half, high=float(array.mean()) + half)


def trimmed_ratio(ratios: Sequence[float], trim: float = 0.2) -> float:
    """Return the geometric mean of `ratios` without the share `trim` at either end (Tukey's trimmed mean of logs)."""
    return float(np.exp(_trimmed(np.log(np.asarray(ratios, float))[np.newaxis], trim)[0]))


def bootstrap_ratio(ratios: Sequence[float], trim: float = 0.2, resamples: int = 1000, seed: int = 0) -> Interval:
    """Return the percentile-bootstrap interval of `trimmed_ratio` (Efron, 1979); one ratio has none, so it is wide."""
    logs = np.log(np.asarray(ratios, float))
    if len(logs) < 2:
        return Interval(low=0.0, high=math.inf)
    rng = np.random.default_rng(seed)
    means = _trimmed(logs[rng.integers(0, len(logs), (resamples, len(logs)))], trim)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(low=math.exp(low), high=math.exp(high))


def student_ratio(ratios: Sequence[float], centre: float, sure: bool = False) -> Interval:
    """Return the interval about `centre` (Student, 1908), at 99 % where it is to be `sure`; one ratio has none.

    For few ratios, of which a bootstrap is too narrow.
    """
    if len(ratios) < 2:
        return Interval(low=0.0, high=math.inf)
    quantiles = _T99 if sure else _T95
    spread = float(np.log(np.asarray(ratios, float)).std(ddof=1)) / math.sqrt(len(ratios))
    half = quantiles[min(len(ratios) - 1, len(quantiles)) - 1] * spread
    return Interval(low=centre * math.exp(-half), high=centre * math.exp(half))


def biased(interval: Interval, same: Interval) -> Interval:
    """Return the interval of a ratio, wider by what two sessions of one model differ (`same`) beyond their noise."""
    apart = max(same.low, 1 / same.high, 1.0)
    return Interval(low=interval.low / apart, high=interval.high * apart)


def resampled(samples: int, seed: int, most: int = 300, elements: int = 20_000_000) -> Iterator[np.ndarray]:
    """Yield indices of `samples` drawn with replacement (Efron, 1979); of many samples, fewer resamples are taken."""
    rng = np.random.default_rng(seed)
    for _ in range(max(50, min(most, elements // max(samples, 1)))):
        yield rng.integers(0, samples, samples)


def resampled_groups(groups: Sequence[int], seed: int) -> Iterator[np.ndarray]:
    """Yield indices of samples whose groups are drawn with replacement, each with all its samples."""
    numbers, place = np.unique(np.asarray(groups), return_inverse=True)
    if len(numbers) == len(groups):
        yield from resampled(len(groups), seed)
        return
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    for drawn in resampled(len(numbers), seed, elements=20_000_000 * len(numbers) // len(groups)):
        yield np.concatenate([members[group] for group in drawn])


def _trimmed(rows: np.ndarray, trim: float) -> np.ndarray:
    """Mean of each row without its extremes."""
    drop = int(rows.shape[1] * trim)
    return np.sort(rows, axis=1)[:, drop : rows.shape[1] - drop].mean(axis=1)
