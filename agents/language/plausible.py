"""Whether a number that a language model read follows from an amount that stands in its passage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..reading.measures import Measure

# A third may be written .33; what is a number in the words is that number.
ROUNDED, EXACT = 0.011, 1e-6
# A bound takes the place of a guard, so one that asks for less than the guard would lift it: nobody asks for that.
_SENSIBLE = {"min_speedup": (1.0, 1e6), "min_accuracy": (0.5, 1.0), "max_accuracy_drop": (0.0, 0.25)}
_BYTES = (1.0, 1e3, 1e6, 1e9, 2.0**10, 2.0**20, 2.0**30)


def follows(field: str, value: float, amounts: Sequence[Measure]) -> bool:
    """Return whether `value` of `field` is one of `amounts`, as people may mean it: a share left or taken, a factor."""
    low, high = _SENSIBLE.get(field, (0.0, math.inf))
    if not low <= value <= high:
        return False
    tolerance = ROUNDED if field.endswith("_ratio") or field == "min_speedup" else EXACT
    return any(math.isclose(value, each, rel_tol=tolerance) for amount in amounts for each in _meanings(field, amount))


def _meanings(field: str, amount: Measure) -> Iterator[float]:
    for number in {amount.value, amount.top}:
        if field.endswith("_bytes"):
            yield from _as_bytes(amount.kind, number)
        elif field.endswith("_ratio"):
            yield from _as_share_left(amount.kind, number)
        elif field == "max_latency_ms":
            yield from _as_milliseconds(amount.kind, number)
        elif field == "min_speedup":
            yield from _as_speedup(amount.kind, number)
        elif field == "min_throughput_per_s":
            yield from _as_rate(amount.kind, number)
        elif field == "min_accuracy":
            yield from _as_fraction(amount.kind, number)
        elif field == "max_accuracy_drop":
            yield from (each for share in _as_fraction(amount.kind, number) for each in (share, 1 - share))
        elif field == "min_fidelity_db" and amount.kind in ("decibel", "bare"):
            yield number


def _as_bytes(kind: str, number: float) -> Iterator[float]:
    if kind == "bytes":
        yield number
    elif kind == "bare":
        yield from (number * unit for unit in _BYTES)


def _as_share_left(kind: str, number: float) -> Iterator[float]:
    shares = [number, 1 - number] if kind in ("percent", "share", "points") else []
    if kind in ("factor", "bare") and number > 0:
        shares = [number, 1 / number, number / 100, 1 - number / 100]
    yield from (share for share in shares if share < 1)


def _as_milliseconds(kind: str, number: float) -> Iterator[float]:
    if kind == "duration":
        yield number
    elif kind == "bare":
        yield from (number, number * 1e3)
    elif kind == "rate" and number > 0:
        yield 1e3 / number


def _as_speedup(kind: str, number: float) -> Iterator[float]:
    if kind in ("factor", "bare") and number > 0:
        yield from (number, 1 / number)
    share = number / 100 if kind == "bare" else number
    if kind in ("percent", "share", "bare"):
        yield 1 + share
        if 0 < share < 1:
            yield from (1 / share, 1 / (1 - share))


def _as_rate(kind: str, number: float) -> Iterator[float]:
    if kind in ("rate", "bare"):
        yield from (number, number / 60, number / 3600)
    elif kind == "duration" and number > 0:
        yield 1e3 / number


def _as_fraction(kind: str, number: float) -> Iterator[float]:
    if kind in ("percent", "points", "share"):
        yield number
    elif kind == "bare":
        yield from (number, number / 100)
