"""The attempts as a picture: time by quality, area by size, drawn as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ...contracts import Attempt, Constraints, OptimizationMetrics, OptimizationResponse, Quantity, units
from ..facts import VERDICT_WORDS, levers_text
from .axes import Axis, Tick, axis

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 28, 24, 56
# At the right of the picture, for attempts that ended before they were timed.
GUTTER = 88
LARGEST_RADIUS, SMALLEST_RADIUS = 26.0, 5.0
# Below half a millisecond an axis in milliseconds is all zeros.
SHORT_MS = 0.5

XKind = Literal["latency", "speed"]
YKind = Literal["accuracy", "fidelity"]


@dataclass(frozen=True)
class Point:
    """A model with its place in the picture; `kind` is `original` or the attempt's verdict."""

    x: float
    y: float
    radius: float
    label: str
    title: str
    kind: str
    delivered: bool = False


@dataclass(frozen=True)
class Line:
    """A bound of the request: at `at` on one of the axes."""

    axis: Literal["x", "y"]
    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """Everything that the template draws, in pixels; `gutter` is the middle of the column of what was not timed."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    x_title: str
    y_title: str
    missing: int
    gutter: float | None = None


@dataclass(frozen=True)
class _Model:
    """A model in the units of the axes; `x` is absent where it was not timed."""

    x: float | None
    y: float
    size: float
    label: str
    title: str
    kind: str
    delivered: bool = False


def draw(response: OptimizationResponse) -> Scatter | None:
    """Return the picture of a run, or None where no attempt was timed."""
    x_kind, y_kind = _kinds(response)
    attempts = [model for attempt in _attempts(response) if (model := _attempt(attempt, response, x_kind, y_kind))]
    if not any(model.x is not None for model in attempts):
        return None
    bounds = list(_bounds(response.request.constraints, x_kind, y_kind))
    # Bit-equal outputs have infinite fidelity: they stand a little above everything else.
    best = _above([*(model.y for model in attempts), *(line.at for line in bounds if line.axis == "y")])
    attempts = [replace(model, y=min(model.y, best)) for model in attempts]
    models = [model for model in (_original(response, x_kind, y_kind, best), *attempts) if model]
    right = WIDTH - RIGHT - (GUTTER if any(model.x is None for model in models) else 0)
    x_axis = _x_axis(models, bounds, x_kind, right)
    y_axis = _y_axis(models, bounds, y_kind)
    largest = max(model.size for model in models)
    gutter = right + GUTTER / 2 if right < WIDTH - RIGHT else None
    points = [_place(model, x_axis, y_axis, largest, gutter or 0.0) for model in models]
    return Scatter(
        width=WIDTH, height=HEIGHT, left=LEFT, right=right, top=TOP, bottom=HEIGHT - BOTTOM,
        points=tuple(sorted(points, key=lambda point: -point.radius)),
        x_ticks=tuple(x_axis.ticks()), y_ticks=tuple(y_axis.ticks()),
        lines=tuple(replace(line, at=(x_axis if line.axis == "x" else y_axis).at(line.at)) for line in bounds),
        x_title=_x_title(x_kind, x_axis), y_title=_Y_TITLES[y_kind],
        missing=len(response.attempts) - len(attempts), gutter=gutter,
    )  # fmt: skip


def _kinds(response: OptimizationResponse) -> tuple[XKind, YKind]:
    """Choose the axes: time as the request speaks of it, accuracy wherever it was measured."""
    bounds = response.request.constraints
    speaks_of_ratio = bounds.min_speedup is not None and bounds.max_latency_ms is None
    baseline = response.baseline
    has_latency = baseline is not None and baseline.latency is not None
    labelled = baseline is not None and baseline.accuracy is not None
    return ("speed" if speaks_of_ratio or not has_latency else "latency"), ("accuracy" if labelled else "fidelity")


def _attempts(response: OptimizationResponse) -> list[Attempt]:
    """Return the attempts; what became an offer was measured in full afterwards, and stands where that put it."""
    offers = {offer.attempt: {"metrics": offer.metrics, "comparison": offer.comparison} for offer in response.offers}
    return [attempt.model_copy(update=offers.get(attempt.index, {})) for attempt in response.attempts]


def _attempt(attempt: Attempt, response: OptimizationResponse, x_kind: XKind, y_kind: YKind) -> _Model | None:
    comparison = attempt.comparison
    y = _quality(attempt, response, y_kind)
    if comparison is None or y is None or math.isnan(y) or y == -math.inf:
        return None
    verdict = f"{VERDICT_WORDS[attempt.verdict.kind]}; {_numbers(comparison)}"
    return _Model(
        x=_time(attempt, comparison, x_kind),
        y=y,
        size=comparison.optimized_size.value,
        label=str(attempt.index),
        title=f"attempt {attempt.index}: {levers_text(attempt.plan)}: {verdict}",
        kind=attempt.verdict.kind,
        delivered=attempt.index == response.delivered,
    )


def _time(attempt: Attempt, comparison: OptimizationMetrics, kind: XKind) -> float | None:
    latency = attempt.metrics.latency if attempt.metrics else None
    quantity = comparison.speedup if kind == "speed" else latency.p50 if latency else None
    return quantity.value if quantity else None


def _quality(attempt: Attempt, response: OptimizationResponse, kind: YKind) -> float | None:
    """Return accuracy or fidelity; before the final part was looked at, accuracy is the original's plus the change."""
    comparison, baseline = attempt.comparison, response.baseline
    if kind == "fidelity":
        return comparison.fidelity.value if comparison and comparison.fidelity else None
    measured = attempt.metrics.accuracy if attempt.metrics else None
    original = baseline.accuracy if baseline else None
    delta = comparison.accuracy_delta if comparison else None
    if measured is None and original is not None and delta is not None:
        return original.value + delta.value
    return measured.value if measured else None


def _numbers(comparison: OptimizationMetrics) -> str:
    told = [f"size {units.format_share(comparison.size_ratio.value)}"]
    if comparison.speedup:
        told.append(f"speed {units.format_factor(comparison.speedup.value)}")
    if comparison.accuracy_delta:
        told.append(f"accuracy {comparison.accuracy_delta.value * 100:+.3g} points")
    if comparison.fidelity:
        told.append(f"fidelity {units.format_decibels(comparison.fidelity.value)}")
    return ", ".join(told)


def _original(response: OptimizationResponse, x_kind: XKind, y_kind: YKind, best: float) -> _Model | None:
    baseline = response.baseline
    if baseline is None or baseline.latency is None:
        return None
    accuracy: Quantity | None = baseline.accuracy
    y = accuracy.value if y_kind == "accuracy" and accuracy else best
    x = 1.0 if x_kind == "speed" else baseline.latency.p50.value
    return _Model(x, y, baseline.size.value, "original", "the original", "original")


def _bounds(constraints: Constraints, x_kind: XKind, y_kind: YKind) -> Iterable[Line]:
    """Yield the bounds that one of the axes can show."""
    if x_kind == "latency" and constraints.max_latency_ms is not None and constraints.latency_statistic == "p50":
        yield Line("x", constraints.max_latency_ms, f"≤ {units.format_milliseconds(constraints.max_latency_ms)}")
    if x_kind == "speed" and constraints.min_speedup is not None:
        yield Line("x", constraints.min_speedup, f"≥ {units.format_factor(constraints.min_speedup)}")
    if y_kind == "accuracy" and constraints.min_accuracy is not None:
        yield Line("y", constraints.min_accuracy, f"≥ {units.format_share(constraints.min_accuracy)}")
    if y_kind == "fidelity" and constraints.min_fidelity_db is not None:
        yield Line("y", constraints.min_fidelity_db, f"≥ {units.format_decibels(constraints.min_fidelity_db)}")


def _above(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) * 1.15 if finite and max(finite) > 0 else 100.0


def _x_axis(models: list[_Model], bounds: list[Line], kind: XKind, right: float) -> Axis:
    values = [model.x for model in models if model.x is not None] + [line.at for line in bounds if line.axis == "x"]
    if kind == "speed":
        return axis(values, LEFT, right, zero=True, suffix="×")
    return axis(values, LEFT, right, zero=True, factor=1000.0 if max(values) < SHORT_MS else 1.0)


def _y_axis(models: list[_Model], bounds: list[Line], kind: YKind) -> Axis:
    values = [model.y for model in models] + [line.at for line in bounds if line.axis == "y"]
    if kind == "accuracy":
        return axis(values, HEIGHT - BOTTOM, TOP, most=1.0, suffix=" %", factor=100.0)
    return axis(values, HEIGHT - BOTTOM, TOP)


def _x_title(kind: XKind, x_axis: Axis) -> str:
    if kind == "speed":
        return "speed against the original (more is better)"
    return f"median latency, {'ms' if x_axis.factor == 1 else 'µs'} (less is better)"


_Y_TITLES: dict[YKind, str] = {
    "accuracy": "accuracy (more is better)",
    "fidelity": "fidelity, dB (more is better)",
}


def _place(model: _Model, x_axis: Axis, y_axis: Axis, largest: float, gutter: float) -> Point:
    radius = max(SMALLEST_RADIUS, LARGEST_RADIUS * math.sqrt(model.size / largest))
    x, y = gutter if model.x is None else x_axis.at(model.x), y_axis.at(model.y)
    return Point(round(x, 1), round(y, 1), round(radius, 1), model.label, model.title, model.kind, model.delivered)
