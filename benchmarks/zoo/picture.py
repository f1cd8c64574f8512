"""The zoo as one picture: size and speed of every product against its original, on a logarithmic axis."""

from __future__ import annotations

from judge import Row
from svg import Panel, cross, diamond, dot, opened, text

_ROW, _TOP, _LEFT, _WIDTH, _RIGHT = 22, 78, 190, 440, 170
_RATIO = Panel("", _LEFT, _WIDTH, 0.03, 10.0, (0.05, 0.1, 0.25, 0.5, 2, 4, 8))

_STYLE = """
.one { stroke: #59636e; } .link { stroke: #afb8c1; stroke-width: 2; }
.size { fill: #0969da; } .speed { fill: #bc4c00; }
.met { fill: #1a7f37; } .unverified { fill: #9a6700; } .rolled_back { fill: #59636e; } .failed { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  .one { stroke: #9198a1; } .link { stroke: #656c76; } .size { fill: #4493f8; } .speed { fill: #f0883e; }
  .met { fill: #3fb950; } .unverified { fill: #d29922; } .rolled_back { fill: #9198a1; } .failed { fill: #f85149; }
}
"""
_WORDS = {"met": "met", "unverified": "unverified", "rolled_back": "rolled back", "failed": "failed"}


def draw(rows: list[Row]) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    good = sorted((row for row in rows if not row.hostile), key=_order)
    hostile = [row for row in rows if row.hostile]
    height = _TOP + _ROW * len(good) + 44
    width = _LEFT + _WIDTH + _RIGHT
    parts = [
        *opened(width, height, _told(good, hostile), _STYLE),
        *_legend(width),
        *_RATIO.axis(_TOP - 10, height - 40),
        _RATIO.upright(1, _TOP - 14, height - 40, "one"),
        text(_RATIO.place(1), _TOP - 19, "1", "quiet small", "text-anchor: middle"),
        *(_row(row, _TOP + _ROW * index) for index, row in enumerate(good)),
        text(_LEFT, height - 10, _refused(hostile), "quiet"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _order(row: Row) -> tuple[int, float]:
    """Put what was met first, smallest above."""
    return list(_WORDS).index(row.status) if row.status in _WORDS else 9, row.proof.size_ratio if row.proof else 1.0


def _told(good: list[Row], hostile: list[Row]) -> str:
    met = sum(row.status == "met" for row in good)
    return f"{met} of {len(good)} models met their bounds. {_refused(hostile)}"


def _refused(hostile: list[Row]) -> str:
    clear = sum(all(bar.reached for bar in row.bars) for row in hostile)
    return f"{len(hostile)} hostile files beside them: {clear} refused, each with a reason of its own"


def _legend(width: int) -> list[str]:
    return [
        text(12, 22, "Each product against its original", "bold"),
        diamond(_LEFT, 38, "size"),
        text(_LEFT + 10, 42, "size (smaller is better)", "quiet"),
        dot(_LEFT + 172, 38, "speed"),
        text(_LEFT + 182, 42, "speed (larger is better)", "quiet"),
        text(width - _RIGHT + 14, 42, "status", "quiet"),
    ]


def _row(row: Row, top: int) -> str:
    middle = top + _ROW // 2
    parts = [text(_LEFT - 12, middle + 4, row.name, "", "text-anchor: end")]
    figures = ""
    if row.proof and row.status in ("met", "unverified"):
        size, speed = row.proof.size_ratio, row.proof.speedup.value
        left, right = _RATIO.place(size), _RATIO.place(speed)
        parts += [
            f'<line class="link" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>',
            diamond(left, middle, "size"),
            dot(right, middle, "speed"),
        ]
        figures = f"{size:.0%}, {speed:.1f}×"
    beside = _LEFT + _WIDTH + 14
    parts += [_mark(beside + 5, middle, row.status), text(beside + 18, middle + 4, _said(row, figures))]
    return f"<g>{''.join(parts)}</g>"


def _said(row: Row, figures: str) -> str:
    words = _WORDS.get(row.status, row.status)
    if row.refuted:
        return f"{words}, refuted"
    if row.status == "rolled_back" and row.infeasible:
        return f"{words} (cannot be)"
    return f"{words} {figures}".strip()


def _mark(x: float, y: float, status: str) -> str:
    """Return a sign that differs by shape as well as by colour."""
    if status == "met":
        return dot(x, y, "met")
    if status == "unverified":
        return f'<path class="unverified" d="M{x} {y - 6}l6 11h-12z"/>'
    if status == "rolled_back":
        return f'<rect class="rolled_back" x="{x - 5}" y="{y - 5}" width="10" height="10"/>'
    return cross(x, y, "failed")
