"""The peers as one picture: for each model, where each tool's product lies in size, speed and likeness."""

from __future__ import annotations

from side_by_side import OURS, Arm, Compared, Peers
from svg import Panel, dot, opened, text

_LINE, _HEAD, _TOP, _LEFT, _WIDE, _GAP = 17, 26, 84, 190, 190, 26
_STYLE = """
.ours { fill: #0969da; } .theirs { fill: #8c959f; }
@media (prefers-color-scheme: dark) { .ours { fill: #4493f8; } .theirs { fill: #848d97; } }
"""
_PANELS = {
    "size": Panel("size, share of the bytes (← smaller)", _LEFT, _WIDE, 0.1, 1.3, (0.125, 0.25, 0.5, 1)),
    "speedup": Panel("speed, × (faster →)", _LEFT + _WIDE + _GAP, _WIDE, 0.4, 7.0, (0.5, 1, 2, 4)),
    "output_db": Panel(
        "likeness at the outputs, dB (better →)",
        _LEFT + 2 * (_WIDE + _GAP), _WIDE, 0.0, 50.0, (0, 10, 20, 30, 40), logarithmic=False,
    ),
}  # fmt: skip


def draw(peers: Peers) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    heights = [_HEAD + _LINE * len(row.arms) for row in peers.rows]
    width, height = _LEFT + 3 * (_WIDE + _GAP) + 150, _TOP + sum(heights) + 20
    told = f"Products of {len({arm.peer for row in peers.rows for arm in row.arms})} tools on {len(peers.rows)} models"
    parts = [
        *opened(width, height, told, _STYLE),
        text(12, 22, f"{told}, each in one run with the original", "bold"),
        text(12, 42, "dot: shipfit, square: peer; upright line: what was asked", "quiet"),
        *(part for panel in _PANELS.values() for part in panel.axis(_TOP, height - 16)),
    ]
    top = _TOP
    for row, size in zip(peers.rows, heights, strict=True):
        parts += _row(row, top)
        top += size
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(row: Compared, top: int) -> list[str]:
    parts = [text(12, top + 16, row.model, "bold")]
    first, last = top + _HEAD - 8, top + _HEAD + _LINE * len(row.arms) - 6
    parts += [panel.upright(row.bounds[name], first, last) for name, panel in _PANELS.items() if name in row.bounds]
    for number, arm in enumerate(row.arms):
        parts += _arm(row, arm, top + _HEAD + _LINE * number)
    return parts


def _arm(row: Compared, arm: Arm, y: int) -> list[str]:
    kind = "bold" if arm.peer == OURS else "quiet"
    parts = [text(_LEFT - 12, y + 4, arm.peer, kind, "text-anchor: end")]
    found = {"size": arm.size, "speedup": arm.speed.value if arm.speed else None, "output_db": arm.output_db}
    for name, value in found.items():
        if value is not None:
            panel = _PANELS[name]
            parts += [_mark(panel.place(value), y, arm.peer), panel.figure(value, y + 4, f"{value:.3g}")]
    missed = row.missed(arm)
    words = "no product" if arm.size is None else f"misses {len(missed)}" if missed else "meets all"
    return [*parts, text(_LEFT + 3 * (_WIDE + _GAP), y + 4, words, kind)]


def _mark(x: float, y: int, peer: str) -> str:
    if peer == OURS:
        return dot(x, y, "ours")
    return f'<rect class="theirs" x="{x - 4:.1f}" y="{y - 4}" width="8" height="8"/>'
