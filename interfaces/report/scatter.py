"""The attempts as a picture: time by quality, area by size, drawn as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ...contracts import Attempt, Constraints, OptimizationMetrics, OptimizationResponse, units
from ..facts import VERDICT_WORDS, levers_text

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 28, 24, 56
LARGEST_RADIUS, SMALLEST_RADIUS = 26.0, 5.0

XKind = Literal["latency", "speed"]
YKind = Literal["accuracy", "fidelity"]
_X_TITLES: dict[XKind, str] = {
    "latency": "median latency, ms (less is better)",
    "speed": "speed against the original (more is better)",
}
_Y_TITLES: dict[YKind, str] = {
    "accuracy": "accuracy (more is better)",
    "fidelity": "fidelity, dB (more is better)",
}


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
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A bound of the request: at `at` on one of the axes."""

    axis: Literal["x", "y"]
    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """Everything that the template draws, in pixels."""

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


@dataclass(frozen=True)
class _Model:
    """A model in the units of the axes."""

    x: float
    y: float
    size: float
    label: str
    title: str
    kind: str
    delivered: bool = False


def draw(response: OptimizationResponse) -> Scatter | None:
    """Return the picture of a run, or None where no attempt came far enough to stand in it."""
    x_kind, y_kind = _kinds(response)
    attempts = [model for attempt in response.attempts if (model := _attempt(attempt, response, x_kind, y_kind))]
    if not attempts:
        return None
    bounds = list(_bounds(response.request.constraints, x_kind, y_kind))
    best = _exact_level([*(model.y for model in attempts), *(line.at for line in bounds if line.axis == "y")])
    models = [model for model in (_original(response, x_kind, y_kind, best), *attempts) if model]
    x_scale = _scale([*(m.x for m in models), *(line.at for line in bounds if line.axis == "x")], LEFT, WIDTH - RIGHT)
    y_values = [min(m.y, best) for m in models] + [line.at for line in bounds if line.axis == "y"]
    y_scale = _scale(y_values, HEIGHT - BOTTOM, TOP, most=1.0 if y_kind == "accuracy" else None)
    largest = max(model.size for model in models)
    points = [_place(model, x_scale, y_scale, best, largest) for model in models]
    return Scatter(
        width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP, bottom=HEIGHT - BOTTOM,
        points=tuple(sorted(points, key=lambda point: -point.radius)),
        x_ticks=tuple(x_scale.ticks("ms" if x_kind == "latency" else "ratio")),
        y_ticks=tuple(y_scale.ticks("fraction" if y_kind == "accuracy" else "dB")),
        lines=tuple(replace(line, at=(x_scale if line.axis == "x" else y_scale).at(line.at)) for line in bounds),
        x_title=_X_TITLES[x_kind], y_title=_Y_TITLES[y_kind], missing=len(response.attempts) - len(attempts),
    )  # fmt: skip


def _kinds(response: OptimizationResponse) -> tuple[XKind, YKind]:
    """Choose the axes: time as the request speaks of it, accuracy wherever it was measured."""
    bounds = response.request.constraints
    speaks_of_ratio = bounds.min_speedup is not None and bounds.max_latency_ms is None
    baseline = response.baseline
    has_latency = baseline is not None and baseline.latency is not None
    labelled = any(a.metrics and a.metrics.accuracy for a in response.attempts)
    return ("speed" if speaks_of_ratio or not has_latency else "latency"), ("accuracy" if labelled else "fidelity")


def _attempt(attempt: Attempt, response: OptimizationResponse, x_kind: XKind, y_kind: YKind) -> _Model | None:
    metrics, comparison = attempt.metrics, attempt.comparison
    if metrics is None or comparison is None:
        return None
    latency = metrics.latency.p50 if metrics.latency else None
    x = comparison.speedup if x_kind == "speed" else latency
    y = metrics.accuracy if y_kind == "accuracy" else metrics.fidelity or comparison.fidelity
    if x is None or y is None:
        return None
    verdict = f"{VERDICT_WORDS[attempt.verdict.kind]}; {_numbers(comparison)}"
    title = f"attempt {attempt.index}: {levers_text(attempt.plan)}: {verdict}"
    delivered = attempt.index == response.delivered
    return _Model(x.value, y.value, metrics.size.value, str(attempt.index), title, attempt.verdict.kind, delivered)


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
    if baseline is None:
        return None
    latency = baseline.latency.p50.value if baseline.latency else None
    x = 1.0 if x_kind == "speed" else latency
    accuracy = baseline.accuracy.value if baseline.accuracy else None
    y = best if y_kind == "fidelity" else accuracy
    if x is None or y is None:
        return None
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


def _exact_level(values: list[float]) -> float:
    """Return where bit-equal outputs, whose fidelity is infinite, stand: a little above everything else."""
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) * 1.15 if finite and max(finite) > 0 else 100.0


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    step: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, unit: str) -> Iterable[Tick]:
        """Yield marks at round values."""
        for index in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + index * self.step
            yield Tick(self.at(value), _tick_text(value, unit, self.step))


def _tick_text(value: float, unit: str, step: float) -> str:
    scaled, step = (value * 100, step * 100) if unit == "fraction" else (value, step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    sign = {"fraction": " %", "ratio": "×"}.get(unit, "")
    return f"{scaled:.{digits}f}{sign}"


def _scale(values: list[float], start: float, end: float, most: float | None = None) -> _Scale:
    """Return an axis over `values` with round ends and some room, never beyond `most`."""
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) * 0.2 or 1.0
    step = _round_step(spread * 1.3 / 5)
    first = math.floor((low - spread * 0.12) / step) * step
    last = math.ceil((high + spread * 0.12) / step) * step
    first = max(first, 0.0) if low >= 0 else first
    return _Scale(first, last if most is None else max(min(last, most), high), step, start, end)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _place(model: _Model, x_scale: _Scale, y_scale: _Scale, best: float, largest: float) -> Point:
    radius = max(SMALLEST_RADIUS, LARGEST_RADIUS * math.sqrt(model.size / largest))
    x, y = x_scale.at(model.x), y_scale.at(min(model.y, best))
    return Point(round(x, 1), round(y, 1), round(radius, 1), model.label, model.title, model.kind, model.delivered)
