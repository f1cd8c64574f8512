"""`summary.html`: a batch on one page that needs nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ...contracts import BatchRow, BatchSummary, RowStatus, units
from ..pages import content_digest, environment, style_sheet
from .item import FILE_NAME
from .words import ABSENT, STATUS_WORDS, bytes_text, latency_text, quality_text, share_text, speed_text

_FOLDER = Path(__file__).parent
TONES: dict[RowStatus, str] = {
    "met": "good",
    "unverified": "open",
    "rolled_back": "open",
    "failed": "bad",
    "pending": "quiet",
    "running": "quiet",
    "interrupted": "quiet",
}
# The width of the picture's bars stands for this share of the original; what is more is cut, and says so.
FULL = 1.25


@dataclass(frozen=True)
class Bar:
    """A ratio as a bar: `width` in percent of the picture; `worse` beyond the original, `cut` beyond the picture."""

    width: float
    text: str
    worse: bool
    cut: bool


@dataclass(frozen=True)
class Cell:
    """A cell of the table: what it shows, and what it is sorted by (nothing sorts last)."""

    text: str
    key: str


@dataclass(frozen=True)
class RowView:
    """A model on the page."""

    name: str
    link: str | None
    status: str
    tone: str
    rank: str
    cells: list[Cell]
    reason: str
    model: str
    where: str
    size: Bar | None
    latency: Bar | None


COLUMNS = ("size", "original", "product", "speed", "p95 before", "p95 after", "quality", "attempts", "time")


def render_summary(summary: BatchSummary) -> str:
    """Return the page: no network, one script that only this page's policy admits, everything from outside escaped."""
    css = style_sheet(_FOLDER / "summary.css")
    script = (_FOLDER / "summary.js").read_text(encoding="utf-8")
    rows = [_row(row) for row in summary.models]
    return environment(_FOLDER).get_template("summary.html.j2").render(
        css=css,
        css_digest=content_digest(css),
        script=script,
        script_digest=content_digest(script),
        title=_title(Path(summary.zoo)),
        complete=summary.complete,
        sentence=_sentence(summary),
        tiles=_tiles(summary),
        rows=rows,
        columns=COLUMNS,
        pictured=[row for row in rows if row.size is not None],
        original_at=100 / FULL,
        troubled=[row for row in rows if row.status in (STATUS_WORDS["failed"], STATUS_WORDS["rolled_back"])],
        batch=summary.batch,
        zoo=summary.zoo,
        updated=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(summary.updated)),
        gains=_gains(summary.models),
    )  # fmt: skip


def _title(zoo: Path) -> str:
    return zoo.parent.name if zoo.name == FILE_NAME else zoo.name


def _tiles(summary: BatchSummary) -> list[dict[str, str]]:
    return [
        {"value": str(summary.counts[status]), "label": words, "tone": TONES[status]}
        for status, words in STATUS_WORDS.items()
        if summary.counts.get(status)
    ]


def _sentence(summary: BatchSummary) -> str:
    total, met = len(summary.models), summary.counts.get("met", 0)
    if not summary.complete:
        done = sum(1 for row in summary.models if row.status not in ("pending", "running", "interrupted"))
        return f"{done} of {total} models are done; this page is brought up to date while the batch runs."
    if met == total:
        return f"Every one of {total} models meets everything that was asked of it, measured."
    return f"{met} of {total} models meet everything that was asked of them, measured; the others say why not."


def _gains(rows: Iterable[BatchRow]) -> str:
    """Return what the delivered products come to against their originals."""
    products = [row for row in rows if row.status in ("met", "unverified") and row.original_bytes and row.product_bytes]
    if not products:
        return ""
    before = sum(row.original_bytes or 0 for row in products)
    after = sum(row.product_bytes or 0 for row in products)
    return f"{len(products)} products: {units.format_bytes(before)} became {units.format_bytes(after)}"


def _row(row: BatchRow) -> RowView:
    product = row.status in ("met", "unverified")
    values: list[tuple[str, float | None]] = [
        (share_text(row.size_ratio), row.size_ratio),
        (bytes_text(row.original_bytes), row.original_bytes),
        (bytes_text(row.product_bytes), row.product_bytes),
        (speed_text(row.speedup), row.speedup),
        (latency_text(row.original_ms), row.original_ms),
        (latency_text(row.product_ms), row.product_ms),
        (quality_text(row), row.accuracy_delta if row.accuracy_delta is not None else row.fidelity_db),
        (str(row.attempts) if row.attempts else ABSENT, row.attempts or None),
        (units.format_seconds(row.wall_s) if row.wall_s else ABSENT, row.wall_s or None),
    ]
    return RowView(
        name=row.name,
        link=_link(row.report) if row.report else None,
        status=STATUS_WORDS[row.status],
        tone=TONES[row.status],
        rank=str(list(STATUS_WORDS).index(row.status)),
        cells=[Cell(text, "" if key is None else repr(float(key))) for text, key in values],
        reason=row.reason,
        model=row.model,
        where=row.where,
        size=_bar(row.size_ratio, share_text(row.size_ratio)) if product else None,
        latency=_bar(row.latency_ratio, share_text(row.latency_ratio)) if product else None,
    )


def _link(report: str) -> str:
    """Return the path of the page beside a report; a name of a model may hold anything that a path can."""
    return quote(report.removesuffix(".json") + ".html", errors="surrogateescape")


def _bar(ratio: float | None, text: str) -> Bar | None:
    if ratio is None:
        return None
    return Bar(width=round(min(ratio, FULL) / FULL * 100, 2), text=text, worse=ratio > 1, cut=ratio > FULL)
