"""Each bound and guard as a gauge: what is allowed, what was measured with its interval, and the original."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...contracts import ConstraintResult, DeploymentMetrics, OptimizationResponse, Quantity, units
from ..facts import bound_text, constraint_label, is_lower_bound, measured_text, met_word
from .axes import Axis, LogAxis, axis, log_axis, spans_widely
from .labels import Label, text_width

WIDTH, HEIGHT = 300, 56
LEFT, RIGHT = 8.0, 292.0
# Room between the words below a gauge.
_GAP = 8.0

Mark = Literal["met", "missed", "open"]


@dataclass(frozen=True)
class Gauge:
    """One picture, in pixels.

    Attributes:
        id: unique on the page.
        words: what the picture says, for those who do not see it.
        allowed: both ends of the allowed side.
        bound: where the bound stands.
        measured: where the measured value stands; absent where it was not measured.
        whisker: both ends of its interval.
        mark: the shape of the measured point.
        original: where the original stands, if that is known.
        labels: words below the track.
        note: words above the track: that nothing was measured, or that the scale is logarithmic.
    """

    id: str
    width: int
    height: int
    left: float
    right: float
    words: str
    allowed: tuple[float, float]
    bound: float
    measured: float | None
    whisker: tuple[float, float] | None
    mark: Mark
    original: float | None
    labels: tuple[Label, ...]
    note: Label | None


def gauges(response: OptimizationResponse, prefix: str = "gauge") -> list[Gauge]:
    """Return one gauge per constraint, in order; their ids begin with `prefix`."""
    results = response.constraints
    return [
        _gauge(f"{prefix}-{index}", item, original_value(item, response)) for index, item in enumerate(results, start=1)
    ]


def _gauge(name: str, result: ConstraintResult, original: float | None) -> Gauge:
    measured = None if result.measured is None or math.isnan(result.measured) else result.measured
    scale = _scale(result, measured, original)
    bound = _finite(result.bound)
    ends = (scale.start, scale.at(bound))
    placed = None if measured is None else round(scale.at(measured), 1)
    return Gauge(
        id=name, width=WIDTH, height=HEIGHT, left=LEFT, right=RIGHT,
        words=_words(result, original, isinstance(scale, LogAxis)),
        allowed=_rounded((scale.at(bound), scale.end) if is_lower_bound(result) else ends),
        bound=round(scale.at(bound), 1), measured=placed,
        whisker=_whisker(result, scale) if placed is not None else None, mark=_mark(result),
        original=None if original is None else round(scale.at(original), 1),
        labels=_labels(result, scale, bound, original), note=_note(measured, scale, original),
    )  # fmt: skip


def _mark(result: ConstraintResult) -> Mark:
    if result.met is None:
        return "open"
    return "met" if result.met else "missed"


def _scale(result: ConstraintResult, measured: float | None, original: float | None) -> Axis | LogAxis:
    values = [_finite(result.bound), *(value for value in (measured, original) if value is not None)]
    if result.interval and measured is not None:
        values += [result.interval.low, result.interval.high]
    finite = [value for value in values if math.isfinite(value)]
    if spans_widely(finite) and result.unit != "dB":
        return log_axis(finite, LEFT, RIGHT)
    # Accuracies differ in their last digits: from zero on, they would all stand at one place.
    if result.name == "min_accuracy":
        return axis(finite, LEFT, RIGHT, most=1.0)
    return axis(finite, LEFT, RIGHT, zero=True)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _whisker(result: ConstraintResult, scale: Axis | LogAxis) -> tuple[float, float] | None:
    interval = result.interval
    if interval is None or math.isnan(interval.low) or math.isnan(interval.high):
        return None
    return _rounded((scale.at(interval.low), scale.at(interval.high)))


def _rounded(ends: tuple[float, float]) -> tuple[float, float]:
    return round(min(ends), 1), round(max(ends), 1)


def _labels(result: ConstraintResult, scale: Axis | LogAxis, bound: float, original: float | None) -> tuple[Label, ...]:
    """Return the words below the track: the bound always, the original where there is room for it."""
    first = _below(bound_text(result), scale.at(bound), "bound")
    if original is None:
        return (first,)
    second = _below("original", scale.at(original), "original")
    if second.left > first.right + _GAP or second.right < first.left - _GAP:
        return first, second
    left, right = _beside(second, first.left - _GAP, "end"), _beside(second, first.right + _GAP, "start")
    fitting = [label for label in (right, left) if label.left >= 0 and label.right <= WIDTH]
    return (first, min(fitting, key=lambda label: abs(label.x - second.x))) if fitting else (first,)


def _below(text: str, at: float, kind: str) -> Label:
    half = text_width(text) / 2
    return Label(text=text, x=round(min(max(at, half), WIDTH - half), 1), y=HEIGHT - 4, anchor="middle", kind=kind)


def _beside(label: Label, at: float, anchor: Literal["start", "end"]) -> Label:
    return Label(text=label.text, x=round(at, 1), y=label.y, anchor=anchor, kind=label.kind)


def _note(measured: float | None, scale: Axis | LogAxis, original: float | None) -> Label | None:
    """Return what is said above the track, away from the mark of the original."""
    text = "not measured" if measured is None else "log scale" if isinstance(scale, LogAxis) else ""
    if not text:
        return None
    if original is not None and scale.at(original) > WIDTH / 2:
        return Label(text, LEFT, 10, "start")
    return Label(text, RIGHT, 10, "end")


def _words(result: ConstraintResult, original: float | None, logarithmic: bool) -> str:
    parts = [f"{constraint_label(result)}: bound {bound_text(result)}", f"measured {measured_text(result)}"]
    if result.measured is None:
        parts[1] = "not measured"
    elif result.interval:
        low, high = (units.format_value(end, result.unit) for end in (result.interval.low, result.interval.high))
        parts.append(f"interval {low} to {high}")
    if original is not None:
        parts.append(f"original {units.format_value(original, result.unit)}")
    parts.append(met_word(result))
    return "; ".join(parts) + ("; logarithmic scale" if logarithmic else "")


_ONE, _NONE = 1.0, 0.0
_ORIGINALS: dict[str, float | Callable[[DeploymentMetrics], Quantity | None]] = {
    "max_size_bytes": lambda m: m.size,
    "max_size_ratio": _ONE,
    "max_memory_bytes": lambda m: m.memory.peak if m.memory else None,
    "max_memory_ratio": _ONE,
    "min_speedup": _ONE,
    "min_throughput_per_s": lambda m: m.throughput,
    "min_accuracy": lambda m: m.accuracy,
    "max_accuracy_drop": _NONE,
    "guard_latency": _ONE,
    "guard_size": _ONE,
    "guard_memory": lambda m: m.memory.peak if m.memory else None,
    "guard_accuracy": _NONE,
}


def original_value(result: ConstraintResult, response: OptimizationResponse) -> float | None:
    """Return what the original has of the constrained quantity, in the constraint's unit, where that is known."""
    if result.unit == "dB":  # the original is bit-equal to itself
        return None
    if result.name == "max_latency_ms":
        latency = response.baseline.latency if response.baseline else None
        quantity = getattr(latency, response.request.constraints.latency_statistic) if latency else None
        return _value(quantity)
    found = _ORIGINALS.get(result.name)
    if not callable(found):
        return found
    return _value(found(response.baseline)) if response.baseline else None


def _value(quantity: Quantity | None) -> float | None:
    return quantity.value if quantity and math.isfinite(quantity.value) else None
