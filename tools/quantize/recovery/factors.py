"""Factors that move range, channel by channel, from one side of a product to the other."""

from __future__ import annotations

import numpy as np

from ..rounding import FloatArray

# e^7: a channel that is next to silent is raised by no more, since its rounding errors would be too.
LARGEST_LOG = 7.0


def balanced(first: FloatArray, second: FloatArray, migration: float) -> FloatArray:
    """Return first^migration / second^(1 − migration) for each channel, with a geometric mean of 1.

    Args:
        first: peaks of what is to be divided; a channel without a peak on either side gets the factor 1.
        second: peaks of what is to be multiplied.
        migration: 0 evens out the second alone, 1 the first.
    """
    live = (first > 0) & (second > 0) & np.isfinite(first) & np.isfinite(second)
    if not live.any():
        return np.ones(first.shape, np.float32)
    logs = migration * np.log(first, where=live, out=np.zeros(first.shape, np.float64))
    logs -= (1 - migration) * np.log(second, where=live, out=np.zeros(first.shape, np.float64))
    logs = np.where(live, logs - logs[live].mean(), 0.0)
    return np.exp(np.clip(logs, -LARGEST_LOG, LARGEST_LOG)).astype(np.float32)
