"""What the attempts trade: size against speed and against quality, with the front that none of them beats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ...contracts import Attempt, OptimizationMetrics, OptimizationResponse, metric_words, units
from ..facts import VERDICT_WORDS, levers_text, quality_text
from .axes import Axis, Tick, axis
from .bounds import Bound, Measure, bounds_on
from .front import Place, front, steps
from .labels import Anchor, Anchored, Box, Label, least_covering, place

WIDTH, HEIGHT = 490, 370
LEFT, RIGHT, TOP, BOTTOM = 80, 26, 16, 52
# Below the picture, for attempts that ended before this was measured.
STRIP = 30
RADIUS = 6.0


@dataclass(frozen=True)
class Point:
    """A model with its place in the picture; `kind` is `original` or the attempt's verdict, `text` its label."""

    x: float
    y: float
    text: str
    title: str
    kind: str
    delivered: bool = False
    offer: int | None = None


@dataclass(frozen=True)
class Line:
    """A bound of the request: at `at` on one of the axes."""

    axis: Literal["x", "y"]
    at: float
    label: Label


@dataclass(frozen=True)
class Pareto:
    """Everything that the template draws of one picture, in pixels.

    Attributes:
        allowed: left, top, right and bottom of what the bounds of this picture leave; absent without such bounds.
        front: corners of the step line.
        strip: the height at which stand those of which only the size is known.
        missing: attempts without a place.
        words: the picture in words.
    """

    id: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    title: str
    x_title: str
    y_title: str
    words: str
    points: tuple[Point, ...]
    labels: tuple[Label, ...]
    front: tuple[Place, ...]
    lines: tuple[Line, ...]
    allowed: tuple[float, float, float, float] | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    strip: float | None
    strip_text: str
    missing: int


@dataclass(frozen=True)
class _Model:
    """A model in the units of the axes; `y` is absent where it was not measured."""

    x: float
    y: float | None
    text: str
    title: str
    kind: str
    delivered: bool = False
    offer: int | None = None


def pareto(response: OptimizationResponse) -> list[Pareto]:
    """Return the pictures of a run: none where no attempt was measured."""
    accuracy = response.baseline.accuracy if response.baseline else None
    # An error in the targets' own unit has no axis here: candidates are compared by fidelity then.
    labelled = accuracy is not None and accuracy.unit == "fraction"
    measures: tuple[Measure, ...] = ("speed", "accuracy" if labelled else "fidelity")
    return [picture for measure in measures if (picture := _picture(response, measure))]


def _picture(response: OptimizationResponse, measure: Measure) -> Pareto | None:
    attempts = [model for attempt in _attempts(response) if (model := _attempt(attempt, response, measure))]
    if not any(model.y is not None for model in attempts):
        return None
    bounds = list(bounds_on(response, measure))
    # Bit-equal outputs have infinite fidelity: they stand a little above everything else.
    best = _above([*(model.y for model in attempts if model.y is not None), *(b.at for b in bounds if b.axis == "y")])
    models = [*_original(response, measure, best), *attempts]
    strip = STRIP if any(model.y is None for model in models) else 0
    bottom = HEIGHT - BOTTOM - strip
    x_axis = axis([*(m.x for m in models), *(b.at for b in bounds if b.axis == "x")], LEFT, WIDTH - RIGHT, zero=True,
                  suffix=" %", factor=100.0)  # fmt: skip
    y_axis = _y_axis(models, bounds, measure, best, bottom)
    low = bottom + strip - 10.0
    points = tuple(_point(model, x_axis, y_axis, best, low) for model in models)
    corners = front((m.x, min(m.y, best)) for m in models if m.y is not None)
    pixels = [(round(x_axis.at(x), 1), round(y_axis.at(y), 1)) for x, y in corners]
    stairs, frame = steps(pixels, WIDTH - RIGHT, bottom), Box(LEFT + 2, TOP, WIDTH - 2, HEIGHT - BOTTOM)
    solid = [*(_box(point) for point in points), *(_thin(start, end) for start, end in pairwise(stairs))]
    lines = tuple(_line(bound, solid, x_axis, y_axis) for bound in bounds)
    return Pareto(
        id=f"pareto-{measure}", width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP, bottom=bottom,
        title=f"Size and {measure}", x_title="size, share of the original (less is better)",
        y_title=_y_title(measure, response.request.scored_by), points=points,
        words=_words(models, corners, best, measure),
        labels=tuple(place(_wishes(points, stairs), frame, _taken(lines, stairs, bottom))),
        front=tuple(stairs), lines=lines, allowed=_allowed(bounds, x_axis, y_axis),
        x_ticks=tuple(x_axis.ticks()), y_ticks=tuple(_y_ticks(models, y_axis, best)), strip=low if strip else None,
        strip_text="not timed" if measure == "speed" else "unknown",
        missing=len(response.attempts) - len(attempts),
    )  # fmt: skip


def _attempts(response: OptimizationResponse) -> list[Attempt]:
    """Return the attempts; what became an offer was measured in full afterwards, and stands where that put it."""
    offers = {offer.attempt: {"metrics": offer.metrics, "comparison": offer.comparison} for offer in response.offers}
    return [attempt.model_copy(update=offers.get(attempt.index, {})) for attempt in response.attempts]


def _attempt(attempt: Attempt, response: OptimizationResponse, measure: Measure) -> _Model | None:
    comparison = attempt.comparison
    if comparison is None or not math.isfinite(comparison.size_ratio.value):
        return None
    y = _measured(attempt, comparison, response, measure)
    if y is not None and (math.isnan(y) or y == -math.inf):
        return None
    number = next((n for n, offer in enumerate(response.offers, start=1) if offer.attempt == attempt.index), None)
    delivered = attempt.index == response.delivered
    text = f"{attempt.index} delivered" if delivered else str(attempt.index)
    return _Model(
        x=comparison.size_ratio.value, y=y, text=f"{text}, offer {number}" if number else text,
        title=f"attempt {attempt.index}: {levers_text(attempt.plan)}: "
        f"{VERDICT_WORDS[attempt.verdict.kind]}; {_numbers(comparison)}",
        kind=attempt.verdict.kind, delivered=delivered, offer=number,
    )  # fmt: skip


def _measured(
    attempt: Attempt, comparison: OptimizationMetrics, response: OptimizationResponse, measure: Measure
) -> float | None:
    """Return what stands on the upright axis.

    Before the final part was looked at, accuracy is the original's plus the change.
    """
    if measure == "speed":
        return comparison.speedup.value if comparison.speedup else None
    if measure == "fidelity":
        return comparison.fidelity.value if comparison.fidelity else None
    measured = attempt.metrics.accuracy if attempt.metrics else None
    original = response.baseline.accuracy if response.baseline else None
    if measured is None and original is not None and comparison.accuracy_delta is not None:
        return original.value + comparison.accuracy_delta.value
    return measured.value if measured else None


def _numbers(comparison: OptimizationMetrics) -> str:
    told = [f"size {units.format_share(comparison.size_ratio.value)}"]
    if comparison.speedup:
        told.append(f"speed {units.format_factor(comparison.speedup.value)}")
    if comparison.accuracy_delta:
        told.append(f"{metric_words(comparison.metric)} {quality_text(comparison)}")
    if comparison.logits_fidelity:
        told.append(f"fidelity at the logits {units.format_decibels(comparison.logits_fidelity.value)}")
    if comparison.fidelity:
        told.append(f"fidelity {units.format_decibels(comparison.fidelity.value)}")
    return ", ".join(told)


def _original(response: OptimizationResponse, measure: Measure, best: float) -> list[_Model]:
    baseline = response.baseline
    if baseline is None:
        return []
    accuracy = baseline.accuracy
    values = {"speed": 1.0, "accuracy": accuracy.value if accuracy else best, "fidelity": best}
    return [_Model(1.0, values[measure], "original", "the original", "original")]


def _above(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) * 1.15 if finite and max(finite) > 0 else 100.0


def _y_axis(models: list[_Model], bounds: list[Bound], measure: Measure, best: float, bottom: float) -> Axis:
    values = [min(model.y, best) for model in models if model.y is not None]
    values += [bound.at for bound in bounds if bound.axis == "y"]
    if measure == "accuracy":
        return axis(values, bottom, TOP, most=1.0, suffix=" %", factor=100.0)
    return axis(values, bottom, TOP, zero=measure == "speed", suffix="×" if measure == "speed" else "")


def _y_ticks(models: list[_Model], y_axis: Axis, best: float) -> Iterable[Tick]:
    """Yield the marks; where outputs were bit-equal, their height is called exact, and numbers end below it."""
    if not any(model.y == math.inf for model in models):
        yield from y_axis.ticks()
        return
    top = y_axis.at(best)
    if any(model.y is not None and math.isfinite(model.y) and model.y < best for model in models):
        yield from (tick for tick in y_axis.ticks() if tick.at > top + 14)
    yield Tick(top, "exact")


def _y_title(measure: Measure, metric: str) -> str:
    titles = {"speed": "speed against the original", "accuracy": metric_words(metric), "fidelity": "fidelity, dB"}
    return f"{titles[measure]} (more is better)"


def _point(model: _Model, x_axis: Axis, y_axis: Axis, best: float, low: float) -> Point:
    y = low if model.y is None else y_axis.at(min(model.y, best))
    return Point(
        round(x_axis.at(model.x), 1), round(y, 1), model.text, model.title, model.kind, model.delivered, model.offer
    )


def _line(bound: Bound, solid: list[Box], x_axis: Axis, y_axis: Axis) -> Line:
    """Return a bound with its words at the end of the line where they cover nothing."""
    text, bottom = f"asked {bound.text}", y_axis.start
    if bound.axis == "x":
        at = round(x_axis.at(bound.at), 1)
        sides: tuple[tuple[float, Anchor], ...] = ((at + 6, "start"), (at - 6, "end"))
        places = [Label(text, x, y, anchor) for y in (bottom - 6, TOP + 14) for x, anchor in sides]
    else:
        at = round(y_axis.at(bound.at), 1)
        sides = ((WIDTH - RIGHT - 4, "end"), (LEFT + 6, "start"))
        places = [Label(text, x, y, anchor) for x, anchor in sides for y in (at - 6, at + 14)]
    frame = Box(LEFT, TOP - 4, WIDTH, bottom)
    return Line(bound.axis, at, least_covering(places, solid, frame))


def _box(point: Point) -> Box:
    return Box(point.x - 12, point.y - 12, point.x + 12, point.y + 12)


def _taken(lines: tuple[Line, ...], stairs: list[Place], bottom: float) -> list[Box]:
    """Return what labels had better not cover: the words of the bounds, their lines, the front."""
    boxes = [line.label.box for line in lines]
    for line in lines:
        ends = ((line.at, TOP), (line.at, bottom)) if line.axis == "x" else ((LEFT, line.at), (WIDTH - RIGHT, line.at))
        boxes.append(_thin(*ends))
    return boxes + [_thin(start, end) for start, end in pairwise(stairs)]


def _thin(start: Place, end: Place) -> Box:
    (x1, y1), (x2, y2) = start, end
    return Box(min(x1, x2) - 2, min(y1, y2) - 2, max(x1, x2) + 2, max(y1, y2) + 2)


def _wishes(points: tuple[Point, ...], stairs: list[Place]) -> list[Anchored]:
    """Return what is labelled: what matters most first, and the crowd only where it has room."""
    corners = set(stairs)
    wishes = [
        Anchored(
            point.x, point.y, RADIUS + (5 if point.delivered or point.offer else 0), point.text,
            needed=bool(point.delivered or point.offer or point.kind == "original" or (point.x, point.y) in corners),
        )
        for point in points
    ]  # fmt: skip
    return sorted(wishes, key=lambda wish: (not wish.needed, -wish.radius))


def _allowed(bounds: list[Bound], x_axis: Axis, y_axis: Axis) -> tuple[float, float, float, float] | None:
    if not bounds:
        return None
    right = min((x_axis.at(bound.at) for bound in bounds if bound.axis == "x"), default=x_axis.end)
    bottom = min((y_axis.at(bound.at) for bound in bounds if bound.axis == "y"), default=y_axis.start)
    return x_axis.start, y_axis.end, round(right, 1), round(bottom, 1)


def _words(models: list[_Model], corners: list[Place], best: float, measure: Measure) -> str:
    """Return the picture in words: who is on the front."""
    on_front = [m.text for m in models if m.y is not None and (m.x, min(m.y, best)) in corners]
    return (
        f"{len(models)} models by size and {measure}; on the Pareto front, where nothing is both smaller and better: "
        f"{'; '.join(on_front)}."
    )
