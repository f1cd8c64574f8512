"""The peers as one picture: for each model, where each tool's product lies in size, speed and likeness."""

from __future__ import annotations

import math
from html import escape

from side_by_side import OURS, Arm, Compared, Peers

_LINE, _HEAD, _TOP, _LEFT, _WIDE, _GAP = 17, 26, 84, 190, 190, 26
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; } .quiet { fill: #59636e; } .small { font-size: 10px; }
.axis { stroke: #d1d9e0; } .bar { stroke: #1f2328; stroke-width: 2; }
.ours { fill: #0969da; } .theirs { fill: #8c959f; } .bold { font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .axis { stroke: #3d444d; } .bar { stroke: #f0f6fc; }
  .ours { fill: #4493f8; } .theirs { fill: #848d97; }
}
"""
# Title, ends, logarithmic, ticks.
_PANELS: dict[str, tuple[str, float, float, bool, tuple[float, ...]]] = {
    "size": ("size, share of the bytes (← smaller)", 0.1, 1.3, True, (0.125, 0.25, 0.5, 1)),
    "speedup": ("speed, × (faster →)", 0.4, 7.0, True, (0.5, 1, 2, 4)),
    "output_db": ("likeness at the outputs, dB (better →)", 0.0, 50.0, False, (0, 10, 20, 30, 40)),
}


def draw(peers: Peers) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    heights = [_HEAD + _LINE * len(row.arms) for row in peers.rows]
    width, height = _LEFT + 3 * (_WIDE + _GAP) + 150, _TOP + sum(heights) + 20
    told = f"Products of {len({arm.peer for row in peers.rows for arm in row.arms})} tools on {len(peers.rows)} models"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{told}">',
        f"<style>{_STYLE}</style>",
        _text(12, 22, f"{told}, each in one run with the original", "bold"),
        _text(12, 42, "dot: shipfit, square: peer; upright line: what was asked", "quiet"),
        *(part for index, name in enumerate(_PANELS) for part in _axis(index, name, height)),
    ]
    top = _TOP
    for row, size in zip(peers.rows, heights, strict=True):
        parts += _row(row, top)
        top += size
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axis(index: int, name: str, height: int) -> list[str]:
    title, _, _, _, ticks = _PANELS[name]
    left = _LEFT + index * (_WIDE + _GAP)
    parts = [_text(left, 62, title, "quiet small")]
    for tick in ticks:
        x = left + _place(name, tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{height - 16}"/>')
        parts.append(_text(x, _TOP - 8, f"{tick:g}", "quiet small", "text-anchor: middle"))
    return parts


def _row(row: Compared, top: int) -> list[str]:
    parts = [_text(12, top + 16, row.model, "bold")]
    first, last = top + _HEAD - 8, top + _HEAD + _LINE * len(row.arms) - 6
    for index, name in enumerate(_PANELS):
        if name in row.bounds:
            x = _LEFT + index * (_WIDE + _GAP) + _place(name, row.bounds[name])
            parts.append(f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{first}" y2="{last}"/>')
    for number, arm in enumerate(row.arms):
        parts += _arm(row, arm, top + _HEAD + _LINE * number)
    return parts


def _arm(row: Compared, arm: Arm, y: int) -> list[str]:
    kind = "bold" if arm.peer == OURS else "quiet"
    parts = [_text(_LEFT - 12, y + 4, arm.peer, kind, "text-anchor: end")]
    found = {"size": arm.size, "speedup": arm.speed.value if arm.speed else None, "output_db": arm.output_db}
    for index, (name, value) in enumerate(found.items()):
        if value is not None:
            x = _LEFT + index * (_WIDE + _GAP) + _place(name, value)
            parts += [_mark(x, y, arm.peer), _text(x + 9, y + 4, f"{value:.3g}", "small")]
    missed = row.missed(arm)
    words = "no product" if arm.size is None else f"misses {len(missed)}" if missed else "meets all"
    return [*parts, _text(_LEFT + 3 * (_WIDE + _GAP), y + 4, words, kind)]


def _mark(x: float, y: int, peer: str) -> str:
    if peer == OURS:
        return f'<circle class="ours" cx="{x:.1f}" cy="{y}" r="5"/>'
    return f'<rect class="theirs" x="{x - 4:.1f}" y="{y - 4}" width="8" height="8"/>'


def _place(name: str, value: float) -> float:
    _, low, high, logarithmic, _ = _PANELS[name]
    if logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-6))
    return _WIDE * min(max((value - low) / (high - low), 0.0), 1.0)


def _text(x: float, y: float, words: str, kind: str = "", style: str = "") -> str:
    style = f' style="{style}"' if style else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}"{style}>{escape(words)}</text>'
