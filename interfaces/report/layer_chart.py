"""The layers in graph order: the form of each, its share of the time, its damage and its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...contracts import LayerForm, units
from ..text import clean
from .axes import Axis, Tick, axis
from .labels import text_width

WIDTH, LEFT, RIGHT, TOP, FOOT = 720, 132, 14, 6, 34
FORM_ROW, LANE, GAP = 17, 64, 22
# Of bars that are narrower than this one would see the outlines only.
THIN, WIDEST_BAR = 8.0, 26.0
# Time that is in no layer of the table: operators without weights.
ELSEWHERE, ALMOST_ALL = "rest", 0.995
# A table with more forms than this would be a foreign one; what is beyond shares one row.
MOST_FORMS = 8
# Form → its class in the style sheet, in the order of the rows: from untouched to changed most.
FORM_CLASSES = {
    "fp32": "float", "bf16": "half", "fp16": "half", "fp16 stored": "half", "int8 stored": "stored",
    "int8 dynamic": "dynamic", "int8 static": "static", "pruned": "pruned",
}  # fmt: skip


@dataclass(frozen=True)
class FormRow:
    """The row of one form."""

    y: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A bar (or, with `dot`, a dot) of one layer."""

    x: float
    y: float
    width: float
    height: float
    css: str
    title: str
    dot: bool = False


@dataclass(frozen=True)
class Lane:
    """One measure of all layers: its words, its edges, its marks."""

    title: str
    note: str
    top: float
    bottom: float
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class LayerChart:
    """Everything that the template draws, in pixels; `thin` bars go without outlines."""

    width: int
    height: int
    left: int
    right: int
    top: int
    thin: bool
    words: str
    row_height: int
    form_rows: tuple[FormRow, ...]
    form_marks: tuple[Mark, ...]
    lanes: tuple[Lane, ...]
    numbers: tuple[Tick, ...]


@dataclass(frozen=True)
class Part:
    """A part of a stacked bar; `text` only where it has room."""

    x: float
    width: float
    css: str
    text: str
    title: str


@dataclass(frozen=True)
class Stack:
    """How one whole (the layers, their weights, their time) divides among the forms."""

    label: str
    parts: tuple[Part, ...]


def draw_layers(layers: Sequence[LayerForm]) -> LayerChart | None:
    """Return the picture of the layers, or None where there are none."""
    if not layers:
        return None
    names = forms_of(layers)
    rows = {name: TOP + index * FORM_ROW + 0.0 for index, name in enumerate(names)}
    slot = (WIDTH - LEFT - RIGHT) / len(layers)
    lanes, bottom = list[Lane](), TOP + FORM_ROW * len(rows) + 0.0
    for lane in (_time_lane, _damage_lane, _weight_lane):
        drawn = lane(layers, slot, bottom + GAP)
        if drawn:
            lanes.append(drawn)
            bottom = drawn.bottom
    marks = tuple(
        _mark(index, layer, slot, rows[_row(layer, names)] + 2, FORM_ROW - 4.0, layer.form)
        for index, layer in enumerate(layers)
    )
    return LayerChart(
        width=WIDTH, height=int(bottom) + FOOT, left=LEFT, right=WIDTH - RIGHT, top=TOP, thin=slot < THIN,
        row_height=FORM_ROW,
        words=_words(layers, names),
        form_rows=tuple(FormRow(y, clean(name, 15)) for name, y in rows.items()),
        form_marks=marks, lanes=tuple(lanes), numbers=_numbers(len(layers), slot),
    )  # fmt: skip


def forms_of(layers: Sequence[LayerForm]) -> list[str]:
    """Return the forms that occur, known ones first; what is beyond `MOST_FORMS` is `other`."""
    known = [form for form in FORM_CLASSES if any(layer.form == form for layer in layers)]
    rest = sorted({layer.form for layer in layers} - set(FORM_CLASSES))
    names = [*known, *rest]
    return names if len(names) <= MOST_FORMS else [*names[: MOST_FORMS - 1], "other"]


def form_class(form: str) -> str:
    """Return the class of a form in the style sheet; never a word from outside."""
    return FORM_CLASSES.get(form, "unknown")


def stacks(layers: Sequence[LayerForm], width: float) -> list[Stack]:
    """Return how the layers, their weights and their time divide among the forms, `width` pixels wide."""
    kinds: tuple[tuple[str, Callable[[LayerForm], float]], ...] = (
        ("layers", lambda layer: 1.0),
        ("weights", lambda layer: float(layer.weight_bytes or 0)),
        ("time", lambda layer: _share(layer.time_share)),
    )
    return [stack for label, get in kinds if (stack := _stack(label, layers, get, width))]


def _stack(label: str, layers: Sequence[LayerForm], get: Callable[[LayerForm], float], width: float) -> Stack | None:
    names = forms_of(layers)
    totals = dict.fromkeys(names, 0.0)
    for layer in layers:
        totals[_row(layer, names)] += max(get(layer), 0.0)
    whole = sum(totals.values())
    if whole <= 0:
        return None
    if label == "time" and whole < ALMOST_ALL:
        totals[ELSEWHERE] = 1.0 - whole
        whole = 1.0
    parts, x = list[Part](), 0.0
    for name, total in totals.items():
        wide = total / whole * width
        if wide > 0:
            share = units.format_share(round(total / whole, 3))
            told = clean(name, 40)
            text = next((text for text in (f"{told} {share}", share) if text_width(text) + 8 < wide), "")
            parts.append(Part(round(x, 1), round(wide, 1), form_class(name), text, f"{told} {share}"))
        x += wide
    return Stack(label, tuple(parts))


def _row(layer: LayerForm, names: Sequence[str]) -> str:
    return layer.form if layer.form in names else "other"


def _share(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0


def _mark(index: int, layer: LayerForm, slot: float, y: float, height: float, told: str) -> Mark:
    """Return a bar in the place of a layer, `y` at its top."""
    width = min(slot * 0.8, WIDEST_BAR)
    x = LEFT + (index + 0.5) * slot - width / 2
    title = f"{index + 1}. {layer.name[:200]} ({layer.op_type[:60]}): {told}"
    return Mark(round(x, 2), round(y, 1), round(width, 2), round(height, 1), form_class(layer.form), title)


def _time_lane(layers: Sequence[LayerForm], slot: float, top: float) -> Lane | None:
    values = [_share(layer.time_share) for layer in layers]
    told = [f"{units.format_share(value)} of the original's time" for value in values]
    return _bars("time", "share, original", layers, values, told, slot, top, suffix=" %", factor=100.0)


def _weight_lane(layers: Sequence[LayerForm], slot: float, top: float) -> Lane | None:
    values = [float(layer.weight_bytes or 0) for layer in layers]
    factor, suffix = next(((f, s) for f, s in ((1e-6, " MB"), (1e-3, " kB")) if max(values) * f >= 1), (1.0, " B"))
    told = [units.format_bytes(value) for value in values]
    return _bars("weights", "original bytes", layers, values, told, slot, top, suffix=suffix, factor=factor)


def _bars(
    title: str,
    note: str,
    layers: Sequence[LayerForm],
    values: Sequence[float],
    told: Sequence[str],
    slot: float,
    top: float,
    *,
    suffix: str,
    factor: float,
) -> Lane | None:
    if max(values) <= 0:
        return None
    scale = axis(values, top + LANE, top, zero=True, suffix=suffix, factor=factor)
    marks = [
        _mark(index, layer, slot, scale.at(value), top + LANE - scale.at(value), text)
        for index, (layer, value, text) in enumerate(zip(layers, values, told, strict=True))
        if value > 0
    ]
    return Lane(title, note, top, top + LANE, tuple(marks), _ends(scale))


def _damage_lane(layers: Sequence[LayerForm], slot: float, top: float) -> Lane | None:
    """Draw a dot per measured layer; what changed nothing measurable (infinite) stands at the top."""
    known = [(index, layer, layer.damage_db) for index, layer in enumerate(layers) if layer.damage_db is not None]
    known = [item for item in known if not math.isnan(item[2])]
    if not known:
        return None
    finite = [min(value, 200.0) for _, _, value in known if math.isfinite(value)] or [100.0]
    scale = axis(finite, top + LANE, top, zero=True, suffix=" dB")
    marks = [
        replace(
            _mark(index, layer, slot, scale.at(min(value, scale.high)), 0.0, units.format_decibels(value)), dot=True
        )
        for index, layer, value in known
    ]
    return Lane("damage", "alone; low is worse", top, top + LANE, tuple(marks), _ends(scale))


def _ends(scale: Axis) -> tuple[Tick, ...]:
    """Return the first and the last mark: a lane has no room for more."""
    ticks = list(scale.ticks())
    return (ticks[0], ticks[-1])


def _numbers(count: int, slot: float) -> tuple[Tick, ...]:
    """Return the numbers below the picture, as many as have room."""
    every = next(
        step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, count) if step * slot >= 26 or step == count
    )
    wanted = range(1, count + 1, every) if every <= 2 else sorted({1, *range(every, count + 1, every)})
    return tuple(Tick(round(LEFT + (number - 0.5) * slot, 1), str(number)) for number in wanted)


def _words(layers: Sequence[LayerForm], names: Sequence[str]) -> str:
    counts = ", ".join(f"{sum(_row(layer, names) == name for layer in layers)} {name}" for name in names)
    damaged = [layer for layer in layers if layer.damage_db is not None and not math.isnan(layer.damage_db)]
    slowest = max(layers, key=lambda layer: _share(layer.time_share))
    told = f"{len(layers)} layers in graph order: {counts}."
    if _share(slowest.time_share):
        told += f" Most time goes to {slowest.name[:200]} ({units.format_share(_share(slowest.time_share))})."
    if damaged:
        worst = min(damaged, key=lambda layer: layer.damage_db or 0.0)
        told += f" Most damage alone does {worst.name[:200]} ({units.format_decibels(worst.damage_db or 0.0)}"
        told += ", at the logits or at outputs without any)."
    return told
