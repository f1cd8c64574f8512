"""Choose a range from the histogram of a tensor: which tails to cut so that the rest rounds finer.

- `percentile` cuts a fixed share of the values on either side.
- `entropy` keeps the distribution: of ranges that shrink towards zero, the one whose 8-bit version diverges least
  (Kullback-Leibler) from the values with their tails folded into the ends. Migacz, "8-bit inference with TensorRT",
  GTC 2017; its 2,048 bins, and 256 levels.
- `mse` keeps the values: the one with the least expected squared error, rounding inside (step² / 12) and clipping
  outside. Choukroun et al., "Low-bit quantization of neural networks for efficient inference", 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 2048
LEVELS = 256
STEPS = 255
CANDIDATES = 61
# What a bin without values counts for when two distributions are compared, as a share of one.
_SMOOTH = 1e-6

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ChannelSpans:
    """The range of each channel, before anything was cut, and the mean square of its values."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    energies: tuple[float, ...]


@dataclass(frozen=True)
class Range:
    """What a tensor's values lie between, finite and low ≤ high.

    Attributes:
        shape: of the tensor in the largest sample, where it was seen.
        channels: where a convolution reads the tensor.
    """

    low: float
    high: float
    shape: tuple[int, ...] | None = None
    channels: ChannelSpans | None = None


@dataclass(frozen=True)
class Histogram:
    """How many values fall into each of `BINS` bins of equal width over `low`..`high`."""

    low: float
    high: float
    counts: Counts

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.high - self.low) / BINS

    def between(self, first: int, end: int) -> Range:
        """Return the range of the bins `first` up to, but not with, `end`; the outermost ends are exact."""
        high = self.high if end >= BINS else self.low + end * self.width
        return Range(self.low + first * self.width, high)


def cut_percentile(histogram: Histogram, percentile: float) -> Range:
    """Return the narrowest run of bins that leaves out at most the tails' share on either side."""
    total = int(histogram.counts.sum())
    tail = (100.0 - percentile) / 100.0 * total
    cumulative = np.cumsum(histogram.counts)
    first = int(np.searchsorted(cumulative, tail, side="right"))
    last = int(np.searchsorted(cumulative, total - tail, side="left"))
    return histogram.between(min(first, last), last + 1)


def cut_entropy(histogram: Histogram) -> Range:
    """Return the shrunken range that diverges least from the values."""
    return _best(histogram, _divergence)


def cut_mse(histogram: Histogram) -> Range:
    """Return the shrunken range of the least expected squared error."""
    return _best(histogram, _squared_error)


def _best(histogram: Histogram, cost: Callable[[Histogram, int, int], float]) -> Range:
    """Return the candidate of the least cost; of equal ones the widest."""
    if not histogram.width > 0:
        return Range(histogram.low, histogram.high)
    costs = [(cost(histogram, first, end), first, end) for first, end in _candidates(histogram)]
    _, first, end = min(costs, key=lambda item: item[0])
    return histogram.between(first, end)


def _candidates(histogram: Histogram) -> list[tuple[int, int]]:
    """Return runs of bins, the widest first, that shrink in proportion on both sides of zero, or of the end near it.

    The shortest has one bin a level: below that, a histogram cannot tell rounding from none.
    """
    zero = min(max(-histogram.low / histogram.width, 0.0), float(BINS))
    lengths = np.linspace(BINS, LEVELS, CANDIDATES) / BINS
    return [(round(zero * (1 - share)), round(zero + (BINS - zero) * share)) for share in lengths]


def _divergence(histogram: Histogram, first: int, end: int) -> float:
    """Return the divergence of the rounded distribution from the clipped one, in nats.

    The bin of zero counts for neither: its values, often half of all, round to themselves. That few samples fill
    bins unevenly makes every merging of bins look like a loss; what that comes to by chance is taken off
    (Miller and Madow, 1955), else the narrowest range would always win.
    """
    counts = histogram.counts.astype(np.float64)
    counts[min(max(int(-histogram.low / histogram.width), 0), BINS - 1)] = 0.0
    inside = counts[first:end]
    clipped = inside.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[end:].sum()
    # A level gives its mass to those of its bins that hold any, in equal parts.
    level = np.arange(inside.size) * LEVELS // inside.size
    mass, filled = np.bincount(level, inside, LEVELS), np.bincount(level, inside > 0, LEVELS)
    share = np.divide(mass, filled, out=np.zeros(LEVELS), where=filled > 0)
    rounded = np.where(inside > 0, share[level], 0.0)
    by_chance = (filled.sum() - (filled > 0).sum()) / (2 * max(counts.sum(), 1.0))
    return _kullback_leibler(clipped, rounded) - float(by_chance)


def _kullback_leibler(truth: npt.NDArray[Any], model: npt.NDArray[Any]) -> float:
    if not model.sum() > 0.0:
        return float("inf")
    p, q = truth / truth.sum(), model / model.sum()
    present = p > 0
    return float(np.sum(p[present] * np.log(p[present] / np.maximum(q[present], _SMOOTH / p.size))))


def _squared_error(histogram: Histogram, first: int, end: int) -> float:
    """Return the expected squared error over all values, up to their number."""
    centres = histogram.low + (np.arange(BINS) + 0.5) * histogram.width
    span = histogram.between(first, end)
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    step = (high - low) / STEPS
    # Zero is met exactly, and what is near it rounds to no more than its own size.
    rounding = np.minimum(step**2 / 12, centres**2)
    outside = np.maximum(np.maximum(low - centres, centres - high), 0.0)
    return float(np.sum(histogram.counts * np.where(outside > 0, outside**2, rounding)))
