"""The bounds of a request as lines in a picture of size against another measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ...contracts import Constraints, OptimizationResponse, units

Measure = Literal["speed", "accuracy", "fidelity"]


@dataclass(frozen=True)
class Bound:
    """A bound at `at` on one of the axes, in the axis's unit; `text` is it as asked."""

    axis: Literal["x", "y"]
    at: float
    text: str


def bounds_on(response: OptimizationResponse, measure: Measure) -> Iterable[Bound]:
    """Yield the bounds that one of the axes can show."""
    bounds = response.request.constraints
    if bounds.max_size_ratio is not None:
        yield Bound("x", bounds.max_size_ratio, f"≤ {units.format_share(bounds.max_size_ratio)}")
    size = response.baseline.size.value if response.baseline else 0.0
    if bounds.max_size_bytes is not None and size > 0:
        yield Bound("x", bounds.max_size_bytes / size, f"≤ {units.format_bytes(bounds.max_size_bytes)}")
    yield from {"speed": _speed_bounds, "accuracy": _accuracy_bounds, "fidelity": _fidelity_bounds}[measure](
        bounds, response
    )


def _speed_bounds(bounds: Constraints, response: OptimizationResponse) -> Iterable[Bound]:
    if bounds.min_speedup is not None:
        yield Bound("y", bounds.min_speedup, f"≥ {units.format_factor(bounds.min_speedup)}")
    latency = response.baseline.latency if response.baseline else None
    # Speed is a ratio of medians: a bound on another statistic has no place on its axis.
    if latency and bounds.max_latency_ms is not None and bounds.latency_statistic == "p50":
        at, text = latency.p50.value / bounds.max_latency_ms, units.format_milliseconds(bounds.max_latency_ms)
        yield Bound("y", at, f"≤ {text}")


def _accuracy_bounds(bounds: Constraints, response: OptimizationResponse) -> Iterable[Bound]:
    if bounds.min_accuracy is not None:
        yield Bound("y", bounds.min_accuracy, f"≥ {units.format_share(bounds.min_accuracy)}")
    accuracy = response.baseline.accuracy if response.baseline else None
    if accuracy and bounds.max_accuracy_drop is not None:
        text = f"loss ≤ {units.format_share(bounds.max_accuracy_drop)}"
        yield Bound("y", accuracy.value - bounds.max_accuracy_drop, text)


def _fidelity_bounds(bounds: Constraints, _: OptimizationResponse) -> Iterable[Bound]:
    if bounds.min_fidelity_db is not None:
        yield Bound("y", bounds.min_fidelity_db, f"≥ {units.format_decibels(bounds.min_fidelity_db)}")
