"""The zoo as one picture: size and speed of every product against its original, on a logarithmic axis."""

from __future__ import annotations

import math
from html import escape

from judge import Row

_ROW, _TOP, _LEFT, _WIDTH, _RIGHT = 22, 74, 190, 440, 170
_DECADES = (-1.5, 1.0)  # log10 of the smallest and the largest ratio that are drawn
_TICKS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8)

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.quiet { fill: #59636e; } .grid { stroke: #d1d9e0; } .one { stroke: #59636e; }
.size { fill: #0969da; } .speed { fill: #bc4c00; } .link { stroke: #afb8c1; stroke-width: 2; }
.met { fill: #1a7f37; } .unverified { fill: #9a6700; } .rolled_back { fill: #59636e; } .failed { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
  .size { fill: #4493f8; } .speed { fill: #f0883e; } .link { stroke: #656c76; }
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
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(_told(good, hostile))}">',
        f"<style>{_STYLE}</style>",
        *_legend(width),
        *(_tick(value, height) for value in _TICKS),
        *(_row(row, _TOP + _ROW * index) for index, row in enumerate(good)),
        _text(_LEFT, height - 10, _refused(hostile), "quiet"),
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
        _text(12, 22, "Each product against its original", "", "font-weight: 600; font-size: 14px"),
        _diamond(_LEFT, 38, "size"),
        _text(_LEFT + 10, 42, "size (smaller is better)", "quiet"),
        f'<circle class="speed" cx="{_LEFT + 172}" cy="38" r="5"/>',
        _text(_LEFT + 182, 42, "speed (larger is better)", "quiet"),
        _text(width - _RIGHT + 14, 42, "status", "quiet"),
    ]


def _tick(value: float, height: int) -> str:
    x = _x(value)
    line = f'<line class="{"one" if value == 1 else "grid"}" x1="{x:.1f}" x2="{x:.1f}" y1="64" y2="{height - 40}"/>'
    return line + _text(x, 60, f"{value:g}×", "quiet", "text-anchor: middle; font-size: 11px")


def _row(row: Row, top: int) -> str:
    middle = top + _ROW // 2
    parts = [_text(_LEFT - 12, middle + 4, row.name, "", "text-anchor: end")]
    figures = ""
    if row.proof and row.status in ("met", "unverified"):
        size, speed = row.proof.size_ratio, row.proof.speedup.value
        parts += [
            f'<line class="link" x1="{_x(size):.1f}" x2="{_x(speed):.1f}" y1="{middle}" y2="{middle}"/>',
            _diamond(_x(size), middle, "size"),
            f'<circle class="speed" cx="{_x(speed):.1f}" cy="{middle}" r="5"/>',
        ]
        figures = f"{size:.0%}, {speed:.1f}×"
    right = _LEFT + _WIDTH + 14
    parts += [_mark(right + 5, middle, row.status), _text(right + 18, middle + 4, _said(row, figures))]
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
        return f'<circle class="met" cx="{x}" cy="{y}" r="5"/>'
    if status == "unverified":
        return f'<path class="unverified" d="M{x} {y - 6}l6 11h-12z"/>'
    if status == "rolled_back":
        return f'<rect class="rolled_back" x="{x - 5}" y="{y - 5}" width="10" height="10"/>'
    return f'<path class="failed" d="M{x - 5} {y - 7}l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z"/>'


def _diamond(x: float, y: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {y - 6}l6 6-6 6-6-6z"/>'


def _x(ratio: float) -> float:
    low, high = _DECADES
    place = (math.log10(max(ratio, 1e-6)) - low) / (high - low)
    return _LEFT + _WIDTH * min(max(place, 0.0), 1.0)


def _text(x: float, y: float, words: str, kind: str = "", style: str = "") -> str:
    plain = "".join(each if each.isprintable() else "?" for each in words)
    style = f' style="{style}"' if style else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}"{style}>{escape(plain)}</text>'
