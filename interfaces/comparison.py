"""Two runs side by side: what differs, and what may be compared at all. The terminal and the page share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..contracts import ConstraintResult, LayerForm, OptimizationResponse, RunStatus, metric_words, units
from .facts import (
    STATUS_TITLES,
    bound_text,
    change_between,
    constraint_label,
    measured_text,
    met_word,
    metric_rows_of,
    plan_text,
    quality_text,
    size_ratio_text,
    speed_text,
    verdict_text,
)
from .fairness import TIME_UNITS, Fairness, fairness
from .text import clean, show
from .unlike import Unlike, fields, step_differences

# Layers of a foreign report have no bound of their own.
MOST_LAYERS = 200
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Side:
    """One of the two runs, in words."""

    run: str
    model: str
    status: RunStatus
    title: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One quantity in both runs; `change` is from the first to the second, `better` where a direction is."""

    label: str
    first: str
    second: str
    change: str = ""
    better: bool | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything that is shown of two runs."""

    first: Side
    second: Side
    fairness: Fairness
    asked: tuple[Unlike, ...]
    metrics: tuple[Row, ...]
    constraints: tuple[Row, ...]
    steps: tuple[Unlike, ...]
    attempts: tuple[Row, ...]
    effort: tuple[Row, ...]
    layers: tuple[Unlike, ...]
    layers_left_out: int


def compare(first: OptimizationResponse, second: OptimizationResponse) -> Comparison:
    """Return two runs side by side."""
    fair = fairness(first, second)
    layers = _layers(first.layers, second.layers)
    return Comparison(
        first=_side(first), second=_side(second), fairness=fair,
        asked=tuple(fields(_asked(first), _asked(second))),
        metrics=tuple(_metrics(first, second, fair)), constraints=tuple(_constraints(first, second)),
        steps=tuple(step_differences(_steps(first), _steps(second))),
        attempts=tuple(_attempts(first, second)), effort=tuple(_effort(first, second)),
        layers=tuple(layers[:MOST_LAYERS]), layers_left_out=max(len(layers) - MOST_LAYERS, 0),
    )  # fmt: skip


def _side(response: OptimizationResponse) -> Side:
    return Side(
        run=response.run, model=response.request.model, status=response.status, title=STATUS_TITLES[response.status],
        reason=response.reason,
    )  # fmt: skip


def _asked(response: OptimizationResponse) -> dict[str, Any]:
    """Return the request without what says nothing of the work."""
    return response.request.model_dump(mode="json", exclude={"out"})


def _steps(response: OptimizationResponse) -> list[dict[str, Any]]:
    return [step.model_dump(mode="json") for step in response.recipe.steps] if response.recipe else []


def _metrics(first: OptimizationResponse, second: OptimizationResponse, fair: Fairness) -> Iterable[Row]:
    metric = first.request.scored_by
    accuracy = clean(metric_words(metric))
    for row in metric_rows_of(first.optimized, second.optimized, None, metric):
        some = row.after or row.before
        unit = some.unit if some else "ratio"
        hidden = (
            (not fair.time and (unit in TIME_UNITS or "memory" in row.label))
            or (not fair.quality and (row.label == accuracy or unit == "dB"))
            or row.label in fair.unquiet
        )
        if hidden:
            yield Row(row.label, show(row.before), show(row.after), NOT_COMPARED if row.before and row.after else "")
            continue
        change = row.change
        if unit == "dB" and row.before and row.after:
            change = _decibels(row.after.value - row.before.value)
        ratio = row.after.value / row.before.value if row.before and row.after and row.before.value > 0 else None
        yield Row(row.label, show(row.before), show(row.after), change, row.better, None if unit == "dB" else ratio)
    yield from _relative(first, second, fair)


def _decibels(change: float) -> str:
    if not abs(change) > 0.005:  # also where both are exact, whose difference is no number
        return "same" if abs(change) <= 0.005 else ""
    return f"{'+' if change > 0 else '−'}{abs(change):.3g} dB"


def _relative(first: OptimizationResponse, second: OptimizationResponse, fair: Fairness) -> Iterable[Row]:
    """Yield what each run says of its product against its own original."""
    one, two = first.comparison, second.comparison
    if one is None or two is None:
        return
    yield Row("size, share of the original", size_ratio_text(one), size_ratio_text(two))
    if one.speedup and two.speedup:
        change, better = change_between(one.speedup, two.speedup, True) if fair.time else (NOT_COMPARED, None)
        yield Row("speed against the original", speed_text(one), speed_text(two), change, better)
    yield Row("accuracy or fidelity", quality_text(one), quality_text(two), "" if fair.quality else NOT_COMPARED)


def _constraints(first: OptimizationResponse, second: OptimizationResponse) -> Iterable[Row]:
    one, two = ({item.name: item for item in side.constraints} for side in (first, second))
    for name in dict.fromkeys([*one, *two]):
        some = one.get(name) or two[name]
        yield Row(constraint_label(some), _constraint(one.get(name)), _constraint(two.get(name)))


def _constraint(result: ConstraintResult | None) -> str:
    if result is None:
        return "–"
    return f"{measured_text(result)}, asked {bound_text(result)}: {met_word(result)}"


def _attempts(first: OptimizationResponse, second: OptimizationResponse) -> Iterable[Row]:
    one, two = ({item.index: item for item in side.attempts} for side in (first, second))
    for index in sorted(one.keys() | two.keys()):
        yield Row(str(index), _attempt(index, first), _attempt(index, second))


def _attempt(index: int, response: OptimizationResponse) -> str:
    attempt = next((item for item in response.attempts if item.index == index), None)
    if attempt is None:
        return "–"
    numbers = ", ".join(
        text(attempt.comparison) for text in (size_ratio_text, speed_text, quality_text) if attempt.comparison
    )
    word = verdict_text(attempt, response.delivered)
    return f"{plan_text(attempt)}: {word}{f' ({numbers})' if numbers else ''}"


def _effort(first: OptimizationResponse, second: OptimizationResponse) -> Iterable[Row]:
    kinds: tuple[tuple[str, Callable[[OptimizationResponse], str]], ...] = (
        ("attempts", lambda r: str(r.effort.attempts)),
        ("first that met everything", lambda r: "–" if r.first_met is None else str(r.first_met)),
        ("candidates built", lambda r: str(r.effort.candidates)),
        ("sample runs", lambda r: f"{r.effort.sample_runs:,}"),
        ("jobs, of which answered from the store", lambda r: f"{r.effort.jobs}, {r.effort.cached_jobs}"),
        ("CPU time of tools", lambda r: units.format_seconds(r.effort.cpu_s)),
        ("wall time", lambda r: units.format_seconds(r.timing.wall_s)),
    )
    for label, text in kinds:
        yield Row(label, text(first), text(second))


def _layers(first: Sequence[LayerForm], second: Sequence[LayerForm]) -> list[Unlike]:
    """Return the layers whose form differs; a layer that only one product has is among them.

    A product without a table (the original, handed back) says nothing of its layers.
    """
    if not first or not second:
        return []
    one, two = ({layer.name: layer.form for layer in side} for side in (first, second))
    names = dict.fromkeys([*one, *two])
    return [
        Unlike(clean(name), clean(one.get(name, "–"), 60), clean(two.get(name, "–"), 60))
        for name in names
        if one.get(name) != two.get(name)
    ]
