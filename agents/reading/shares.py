"""The arithmetic of relative wishes: what `half`, `by 40 %` or `twice` ask of each quantity."""

from __future__ import annotations

import math
from typing import Literal

from .measures import Measure

# How a measure stands to the original: it is the share that is left (`to 30 %`, `half the size`), the difference
# (`by 30 %`, `30 % smaller`), or a factor (`4x smaller`).
Way = Literal["to", "by"]
_LARGEST = 10.0


def ratio(measure: Measure, way: Way, sign: str) -> float | None:
    """Return the share of the original that size, memory or time may have; None where that is none.

    Args:
        measure: a share, a percentage or a factor.
        way: whether it is what is left or the difference.
        sign: `-` for less, `+` for more, empty where only the way tells.
    """
    value = measure.value if sign != "+" else measure.top
    if measure.kind == "factor":
        value = _by_factor(value, sign)
    elif measure.kind in ("percent", "share"):
        value = value if way == "to" else (1 + value if sign == "+" else 1 - value)
    else:
        return None
    return rounded(value) if 0 < value <= _LARGEST else None


def _by_factor(value: float, sign: str) -> float:
    return 1 / value if sign == "-" and value > 0 else value


def speedup(measure: Measure, way: Way, sign: str) -> float | None:
    """Return the factor that speed must keep or gain; `sign` is of the speed."""
    value = measure.value
    if measure.kind == "factor":
        value = 1 / value if sign == "-" and value > 0 else value
    elif measure.kind in ("percent", "share"):
        if way == "by":
            value = 1 / (1 + measure.top) if sign == "-" else 1 + value
    else:
        return None
    return rounded(value) if 0 < value < 1e6 else None


def faster_by_time(left: float | None) -> float | None:
    """Return the speedup where time is this share of what it was."""
    return rounded(1 / left) if left else None


def rounded(value: float) -> float:
    """Return a value without the noise of binary fractions."""
    return value if not math.isfinite(value) else float(f"{value:.10g}")
