"""Axes of a picture: from values to pixels, with marks at round values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low, high: ends in the unit of the values, `start` and `end` the same in pixels.
        step: distance of the marks, from `low` on.
        suffix, factor: how a value is written: times `factor`, then `suffix`.
    """

    low: float
    high: float
    step: float
    start: float
    end: float
    suffix: str = ""
    factor: float = 1.0

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> Iterable[Tick]:
        """Yield the marks."""
        digits = _digits(self.step * self.factor)
        for index in range(math.floor((self.high - self.low) / self.step + 1e-6) + 1):
            value = self.low + index * self.step
            yield Tick(self.at(value), f"{value * self.factor:.{digits}f}{self.suffix}")


def axis(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    most: float | None = None,
    suffix: str = "",
    factor: float = 1.0,
) -> Axis:
    """Return an axis over `values` with round ends and some room.

    Args:
        values: what must find a place.
        start: pixel of the low end.
        end: pixel of the high end.
        zero: begin at zero, so that lengths can be compared.
        most: no value can lie beyond it.
        suffix: follows every number.
        factor: numbers are written times this.
    """
    low, high = (0.0 if zero else min(values)), max(values)
    spread = (high - low) or abs(high) * 0.2 or 1.0
    step = _round_step(spread * 1.25 / 5)
    first = 0.0 if zero else math.floor((low - spread * 0.12) / step + 1e-9) * step
    last = math.ceil((high + spread * 0.12) / step - 1e-9) * step
    if low >= 0:
        first = max(first, 0.0)
    return Axis(first, last if most is None else max(min(last, most), high), step, start, end, suffix, factor)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _digits(step: float) -> int:
    """Return the decimals that tell multiples of `step` apart."""
    return next((digits for digits in range(9) if math.isclose(step, round(step, digits), rel_tol=1e-6)), 9)
