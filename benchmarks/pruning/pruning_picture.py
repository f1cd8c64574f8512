"""Pruning as one picture: for each model and share of channels, where each tool's products lie."""

from __future__ import annotations

from pruned import ARMS, OURS, PEER, RATIOS, Row, Table, over_seeds, values
from svg import Panel, diamond, dot, opened, text
from verify import Figure

_LINE, _HEAD, _TOP, _LEFT, _WIDE, _GAP = 17, 26, 84, 230, 190, 26
_STYLE = """
.ours { fill: #0969da; } .theirs { fill: #8c959f; } .span { stroke: #8c959f; stroke-width: 2; }
@media (prefers-color-scheme: dark) { .ours { fill: #4493f8; } .theirs { fill: #848d97; } }
"""
_PANELS = {
    "drop": Panel(
        "points lost (← better)", _LEFT, _WIDE, -0.02, 0.12, (0, 0.02, 0.04, 0.08), logarithmic=False
    ),
    "size": Panel("size, share of the bytes (← smaller)", _LEFT + _WIDE + _GAP, _WIDE, 0.02, 1.2, (0.03, 0.1, 0.3, 1)),
    "speedup": Panel("speed, × (faster →)", _LEFT + 2 * (_WIDE + _GAP), _WIDE, 0.7, 16, (1, 2, 4, 8)),
}  # fmt: skip


def draw(table: Table, rows: dict[str, Row]) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    lines = [(name, _lines(table, name)) for name in rows]
    shown = [(name, found) for name, found in lines if found]
    width = _LEFT + 3 * (_WIDE + _GAP) + 20
    height = _TOP + sum(_HEAD + _LINE * len(found) for _, found in shown) + 20
    told = f"Products of {len(ARMS)} ways to prune {len(shown)} models"
    parts = [
        *opened(width, height, told, _STYLE),
        text(12, 22, f"{told}, mean over seeds", "bold"),
        text(12, 42, "dot: shipfit, diamond: shipfit with int8, square: torch-pruning; grey line: 95 % interval; "
             "upright line: bar", "quiet"),
        *(part for panel in _PANELS.values() for part in panel.axis(_TOP, height - 16)),
    ]  # fmt: skip
    top = _TOP
    for name, found in shown:
        parts.append(text(12, top + 16, name, "bold"))
        for number, (ratio, arm) in enumerate(found):
            parts += _line(table, rows[name], name, ratio, arm, top + _HEAD + _LINE * number)
        top += _HEAD + _LINE * len(found)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lines(table: Table, name: str) -> list[tuple[float, str]]:
    return [(ratio, arm) for ratio in RATIOS for arm in ARMS if table.of(name, ratio, arm)]


def _line(table: Table, row: Row, name: str, ratio: float, arm: str, y: int) -> list[str]:
    products = table.of(name, ratio, arm)
    parts = [text(_LEFT - 12, y + 4, f"{ratio:.0%}  {arm}", "quiet" if arm == PEER else "bold", "text-anchor: end")]
    bars = row.bars.get(arm, {}).get(ratio, {})
    for quantity, panel in _PANELS.items():
        if quantity in bars:
            parts.append(panel.upright(bars[quantity], y - 8, y + 8))
        if found := over_seeds(values(products, quantity)):
            parts += _mark(panel, quantity, found, arm, y)
    if not values(products, "size"):
        parts.append(text(_LEFT + 9, y + 4, "no product", "quiet"))
    return parts


def _mark(panel: Panel, quantity: str, found: Figure, arm: str, y: int) -> list[str]:
    x, low, high = (panel.place(value) for value in (found.value, found.low, found.high))
    span = f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
    if arm == PEER:
        mark = f'<rect class="theirs" x="{x - 4:.1f}" y="{y - 4}" width="8" height="8"/>'
    else:
        mark = dot(x, y, "ours") if arm == OURS else diamond(x, y, "ours")
    words = f"{100 * found.value:.1f}" if quantity == "drop" else f"{found.value:.3g}"
    return [span, mark, panel.figure(found.value, y + 4, words)]
