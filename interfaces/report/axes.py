"""Axes of a picture: from values to pixels, with marks at round values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

# Nothing that is measured lies beyond; what a foreign report claims must not overflow an axis.
LARGEST, SMALLEST = 1e15, 1e-12


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


class Scale(Protocol):
    """Where values stand."""

    def at(self, value: float) -> float:
        """Return the pixel of a value; what lies beyond an end stands at it."""
        ...


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
        """Return the pixel of a value; what lies beyond an end stands at it."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> Iterable[Tick]:
        """Yield the marks."""
        digits = _digits(self.step * self.factor)
        for index in range(math.floor((self.high - self.low) / self.step + 1e-6) + 1):
            value = self.low + index * self.step
            yield Tick(self.at(value), f"{value * self.factor:.{digits}f}{self.suffix}")


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis over positive values; ends as for `Axis`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value; what lies beyond an end stands at it."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


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
        values: what must find a place; infinite ones do not count.
        start: pixel of the low end.
        end: pixel of the high end.
        zero: begin at zero (or below, where a value is), so that lengths can be compared.
        most: no value can lie beyond it.
        suffix: follows every number.
        factor: numbers are written times this.
    """
    tame = [min(max(value, -LARGEST), LARGEST) for value in values if math.isfinite(value)] or [0.0]
    low, high = min([*tame, 0.0] if zero else tame), max([*tame, 0.0] if zero else tame)
    spread = high - low
    if spread <= max(abs(low), abs(high)) * SMALLEST + SMALLEST:
        spread = abs(high) * 0.2 + SMALLEST if high else 1.0
    step = _round_step(spread * 1.25 / 5)
    first = math.floor((low - spread * 0.12) / step + 1e-9) * step
    last = math.ceil((high + spread * 0.12) / step - 1e-9) * step
    if low >= 0:
        first = max(first, 0.0)
    return Axis(first, last if most is None else max(min(last, most), high), step, start, end, suffix, factor)


def log_axis(values: Sequence[float], start: float, end: float) -> LogAxis:
    """Return a logarithmic axis over positive `values`, with some room at both ends."""
    tame = [min(max(value, SMALLEST), LARGEST) for value in values if math.isfinite(value) and value > 0] or [1.0]
    room = (max(tame) / min(tame)) ** 0.08 * 1.1
    return LogAxis(min(tame) / room, max(tame) * room, start, end)


def spans_widely(values: Sequence[float], ratio: float = 12.0) -> bool:
    """Tell whether the least of `values` would vanish beside the greatest on a linear axis from zero."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) > ratio


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _digits(step: float) -> int:
    """Return the decimals that tell multiples of `step` apart."""
    return next((digits for digits in range(9) if math.isclose(step, round(step, digits), rel_tol=1e-6)), 9)
