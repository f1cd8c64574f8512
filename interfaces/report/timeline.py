"""The run as a strip per attempt: which stage took how long, with pauses between its processes drawn as breaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...contracts import NodeTime, OptimizationResponse, units
from .axes import Axis, Tick, axis
from .labels import text_width

WIDTH, LEFT, RIGHT, TOP, ROW, FOOT = 720, 92, 14, 8, 26, 44
# What is shorter may be bookkeeping of a busy machine; it stays as it is, an empty stretch of the strip.
PAUSE_S = 20.0
# Pixels that a pause takes, however long it was, and the narrowest bar that can be seen.
_BREAK, _NARROWEST = 26.0, 1.5
# Of the words below a break.
_ROOM = 66.0
# What took no longer in all is in the numbers, not in the legend.
_INSTANT_S = 0.05
# Pauses take their pixels from the work; with more of them than this, they lie on the axis like everything else.
_MOST_BREAKS = 8

# Stage → which nodes it is, in the order of the legend.
STAGES: dict[str, frozenset[str]] = {
    "prepare": frozenset({"admit", "intake", "profile", "recall", "plan"}),
    "rewrite": frozenset({"rewrite"}),
    "prune": frozenset({"prune"}),
    "quantize": frozenset({"quantize"}),
    "runtime": frozenset({"runtime"}),
    "measure": frozenset({"measure"}),
    "validate": frozenset({"validate"}),
    "finish": frozenset({"rollback", "conclude"}),
}
_STAGE_OF = {node: stage for stage, nodes in STAGES.items() for node in nodes}


@dataclass(frozen=True)
class Bar:
    """One stay in a node; `letter` names the stage where the bar is wide enough."""

    x: float
    y: float
    width: float
    stage: str
    text: str
    title: str


@dataclass(frozen=True)
class Row:
    """A row of the picture: the run itself, or an attempt."""

    y: float
    label: str


@dataclass(frozen=True)
class Break:
    """A gap between two processes of the run: middle, and how long it was."""

    x: float
    text: str


@dataclass(frozen=True)
class StageTotal:
    """Seconds that one stage took in all, and in how many stays."""

    stage: str
    seconds: str
    share: str
    count: int


@dataclass(frozen=True)
class StageRow:
    """Seconds by stage of one row of the picture, as text; the last one is their sum."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Timeline:
    """Everything that the template draws, in pixels."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: float
    row_height: int
    words: str
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    breaks: tuple[Break, ...]
    ticks: tuple[Tick, ...]
    totals: tuple[StageTotal, ...]


def draw_timeline(response: OptimizationResponse) -> Timeline | None:
    """Return the picture of when a run did what, or None where it is not known (reports of older versions)."""
    times = response.timeline
    if not times:
        return None
    pauses = _pauses(times)
    worked = _worked(times, pauses)
    last = max(0.001, *(end for _, end in worked))
    scale = axis([last], LEFT, WIDTH - RIGHT - _BREAK * len(pauses), zero=True, most=last, suffix=" s")
    shift = {index: _BREAK * sum(pause <= index for pause in pauses) for index in range(len(times))}
    lines = {number: TOP + line * ROW for line, number in enumerate([None, *_attempts(times)])}
    bottom = TOP + ROW * len(lines) + 0.0
    bars = [
        _bar(node, scale.at(start) + shift[index], scale.at(end) + shift[index], lines[node.attempt])
        for index, (node, (start, end)) in enumerate(zip(times, worked, strict=True))
    ]
    return Timeline(
        width=WIDTH, height=int(bottom) + FOOT, left=LEFT, right=WIDTH - RIGHT, top=TOP, bottom=bottom, row_height=ROW,
        words=_words(times, pauses),
        rows=tuple(Row(y, _label(number)) for number, y in lines.items()),
        bars=tuple(bars), breaks=tuple(_breaks(times, pauses, worked, scale)), totals=tuple(stage_totals(times)),
        ticks=tuple(_ticks(scale, [worked[index][0] for index in pauses])),
    )  # fmt: skip


def pauses_of(times: Sequence[NodeTime]) -> list[tuple[int, float]]:
    """Return (index of the stay after it, seconds) of every pause between processes."""
    gaps = [(later.started_s - earlier.started_s - earlier.seconds) for earlier, later in pairwise(times)]
    return [(index, gap) for index, gap in enumerate(gaps, start=1) if gap > PAUSE_S]


def stage_totals(times: Iterable[NodeTime]) -> list[StageTotal]:
    """Return what each stage took in all, in the order of the legend, without what took no time."""
    spent: dict[str, list[float]] = {}
    for node in times:
        spent.setdefault(stage_of(node.node), []).append(node.seconds)
    whole = sum(map(sum, spent.values())) or 1.0
    order = [*STAGES, "other"]
    return [
        StageTotal(stage, units.format_seconds(sum(took)), units.format_share(round(sum(took) / whole, 3)), len(took))
        for stage, took in sorted(spent.items(), key=lambda item: order.index(item[0]))
        if sum(took) >= _INSTANT_S
    ]


def stage_rows(times: Sequence[NodeTime]) -> list[StageRow]:
    """Return the seconds of every stage, for the run itself and for each attempt."""
    rows: list[StageRow] = []
    for number in [None, *_attempts(times)] if times else []:
        own = [node for node in times if node.attempt == number]
        spent = [sum(node.seconds for node in own if stage_of(node.node) == stage) for stage in STAGES]
        cells = [units.format_seconds(seconds) if seconds else "–" for seconds in spent]
        whole = units.format_seconds(sum(node.seconds for node in own))
        rows.append(StageRow(_label(number), (*cells, whole)))
    return rows


def _label(number: int | None) -> str:
    return "the run" if number is None else f"attempt {number}"


def stage_of(node: str) -> str:
    """Return the stage that a node belongs to; a node that this version does not know is `other`."""
    return _STAGE_OF.get(node, "other")


def _pauses(times: Sequence[NodeTime]) -> list[int]:
    found = [index for index, _ in pauses_of(times)]
    return found if len(found) <= _MOST_BREAKS else []


def _worked(times: Sequence[NodeTime], pauses: Sequence[int]) -> list[tuple[float, float]]:
    """Return start and end of every stay in seconds, with the pauses taken out."""
    taken, ends = 0.0, list[tuple[float, float]]()
    for index, node in enumerate(times):
        if index in pauses:
            before = times[index - 1]
            taken += node.started_s - before.started_s - before.seconds
        ends.append((node.started_s - taken, node.started_s - taken + node.seconds))
    return ends


def _attempts(times: Sequence[NodeTime]) -> list[int]:
    return sorted({node.attempt for node in times if node.attempt is not None})


def _bar(node: NodeTime, start: float, end: float, y: float) -> Bar:
    width = max(end - start, _NARROWEST)
    stage = stage_of(node.node)
    wide = width > text_width(stage) + 6
    attempt = "" if node.attempt is None else f"attempt {node.attempt}, "
    return Bar(
        round(min(start, WIDTH - RIGHT - width), 1), y, round(width, 1), stage, stage if wide else "",
        f"{attempt}{node.node}: {units.format_seconds(node.seconds)}",
    )  # fmt: skip


def _breaks(
    times: Sequence[NodeTime], pauses: Sequence[int], worked: Sequence[tuple[float, float]], scale: Axis
) -> Iterable[Break]:
    for count, index in enumerate(pauses):
        before = times[index - 1]
        gap = times[index].started_s - before.started_s - before.seconds
        yield Break(
            round(scale.at(worked[index][0]) + _BREAK * (count + 0.5), 1), f"gap of {units.format_seconds(gap)}"
        )


def _ticks(scale: Axis, pauses: Sequence[float]) -> Iterable[Tick]:
    """Yield the marks, moved by the breaks before them; where a break has its words, there is no mark."""
    middles = [scale.at(pause) + _BREAK * (count + 0.5) for count, pause in enumerate(pauses)]
    for tick in scale.ticks():
        at = tick.at + _BREAK * sum(scale.at(pause) <= tick.at for pause in pauses)
        if all(abs(at - middle) > _ROOM for middle in middles):
            yield Tick(at, tick.text)


def _words(times: Sequence[NodeTime], pauses: Sequence[int]) -> str:
    told = ", ".join(f"{total.stage} {total.seconds}" for total in stage_totals(times))
    gaps = f" Gaps between processes: {len(pauses)}." if pauses else ""
    return f"{len(_attempts(times))} attempts; time by stage: {told}.{gaps}"
