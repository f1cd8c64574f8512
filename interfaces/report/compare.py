"""The page that shows two runs side by side, in the dress of the report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...contracts import OptimizationResponse
from ..comparison import Comparison, Row, compare
from .axes import LogAxis, log_axis
from .gauges import Gauge, gauges
from .page import render_page
from .timeline import stage_totals

# The first bytes of such a page, by which it is known again before it is overwritten.
MARK = "<!doctype html>\n<!-- shipfit: two runs compared -->"
WIDTH, HEIGHT = 220, 16


@dataclass(frozen=True)
class ChangeBar:
    """How far a ratio is from 1 on a scale that all rows share: where the bar begins, how wide it is, and 1 itself."""

    x: float
    width: float
    middle: float
    tone: str


@dataclass(frozen=True)
class StagePair:
    """What a stage took in both runs."""

    stage: str
    first: str
    second: str


def render_comparison(first: OptimizationResponse, second: OptimizationResponse) -> str:
    """Return the page: no script, no network, everything from outside escaped."""
    compared = compare(first, second)
    variables = {
        "compared": compared,
        "same_model": compared.first.model == compared.second.model,
        "bars": change_bars(compared.metrics),
        "gauges": _gauge_pairs(first, second, compared),
        "stages": _stages(first, second),
    }
    return render_page("compare.html.j2", variables)


def change_bars(rows: tuple[Row, ...]) -> list[ChangeBar | None]:
    """Return one bar per row, none where there is no ratio."""
    ratios = [_tame(row.ratio) for row in rows]
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return [None for _ in rows]
    farthest = max(2.0, *(max(ratio, 1 / ratio) for ratio in known))
    scale = log_axis([1 / farthest, farthest], 0.0, float(WIDTH))
    return [_bar(ratio, row, scale) for ratio, row in zip(ratios, rows, strict=True)]


def _tame(ratio: float | None) -> float | None:
    return ratio if ratio is not None and math.isfinite(ratio) and 1e-9 < ratio < 1e9 else None


def _bar(ratio: float | None, row: Row, scale: LogAxis) -> ChangeBar | None:
    if ratio is None:
        return None
    middle, end = scale.at(1.0), scale.at(ratio)
    tone = {True: "better", False: "worse", None: "even"}[row.better]
    return ChangeBar(round(min(middle, end), 1), round(abs(end - middle), 1), round(middle, 1), tone)


def _gauge_pairs(
    first: OptimizationResponse, second: OptimizationResponse, compared: Comparison
) -> list[tuple[Row, Gauge | None, Gauge | None]]:
    one, two = (
        {item.name: gauge for item, gauge in zip(side.constraints, gauges(side, prefix), strict=True)}
        for side, prefix in ((first, "first"), (second, "second"))
    )
    names = dict.fromkeys([*one, *two])
    return [(row, one.get(name), two.get(name)) for row, name in zip(compared.constraints, names, strict=True)]


def _stages(first: OptimizationResponse, second: OptimizationResponse) -> list[StagePair]:
    one, two = ({item.stage: item.seconds for item in stage_totals(side.timeline)} for side in (first, second))
    return [StagePair(stage, one.get(stage, "–"), two.get(stage, "–")) for stage in dict.fromkeys([*one, *two])]
