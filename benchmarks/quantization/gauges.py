"""The table as one picture: for each row what was found against bar and stretch, in size, speed and quality."""

from __future__ import annotations

from judged import Found, Held
from svg import Panel, cross, diamond, dot, opened, text

_ROW, _TOP, _LEFT, _WIDE, _GAP, _RIGHT = 24, 84, 200, 200, 24, 120
_STYLE = """
.stretch { stroke: #59636e; stroke-width: 2; stroke-dasharray: 2 2; }
.reached { fill: #1a7f37; } .noise { fill: #9a6700; } .missed { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  .stretch { stroke: #9198a1; } .reached { fill: #3fb950; } .noise { fill: #d29922; } .missed { fill: #f85149; }
}
"""
_PANELS = {
    "size": Panel("size, share of the bytes (← smaller)", _LEFT, _WIDE, 0.1, 1.0, (0.125, 0.25, 0.5, 1)),
    "speed": Panel("speed, × (faster →)", _LEFT + _WIDE + _GAP, _WIDE, 0.7, 7.0, (1, 2, 4)),
    "quality": Panel(
        "quality above its bar, dB or points (better →)",
        _LEFT + 2 * (_WIDE + _GAP), _WIDE, -10.0, 30.0, (-10, 0, 10, 20), logarithmic=False,
    ),
}  # fmt: skip
_QUALITIES = ("output_db", "logits_db", "cosine", "drop")


def draw(rows: list[Found]) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    height = _TOP + _ROW * len(rows) + 20
    width = _LEFT + len(_PANELS) * (_WIDE + _GAP) + _RIGHT
    reached = sum(row.state == "reached" for row in rows)
    told = f"{reached} of {len(rows)} rows reach every bar"
    parts = [
        *opened(width, height, told, _STYLE),
        text(12, 22, f"Quantization against what it must reach: {told}", "bold"),
        *_legend(),
        *(part for panel in _PANELS.values() for part in panel.axis(_TOP, height - 16)),
        *(_row(row, _TOP + _ROW * index) for index, row in enumerate(rows)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    x, y = 12, 42
    return [
        _mark(x + 5, y - 4, "reached"), text(x + 16, y, "reached", "quiet"),
        _mark(x + 85, y - 4, "within noise"), text(x + 96, y, "within noise", "quiet"),
        _mark(x + 190, y - 4, "missed"), text(x + 201, y, "missed", "quiet"),
        f'<line class="bar" x1="{x + 260}" x2="{x + 260}" y1="{y - 12}" y2="{y + 4}"/>',
        text(x + 268, y, "bar", "quiet"),
        f'<line class="stretch" x1="{x + 310}" x2="{x + 310}" y1="{y - 12}" y2="{y + 4}"/>',
        text(x + 318, y, "stretch", "quiet"),
    ]  # fmt: skip


def _row(row: Found, top: int) -> str:
    middle = top + _ROW // 2
    parts = [text(_LEFT - 12, middle + 4, row.name, style="text-anchor: end")]
    by_name = {bar.name: bar for bar in row.held}
    for name in _PANELS:
        parts += _gauge(name, middle, _of_panel(name, by_name), row)
    parts.append(text(_LEFT + 3 * (_WIDE + _GAP), middle + 4, row.state, "quiet"))
    return f"<g>{''.join(parts)}</g>"


def _of_panel(name: str, bars: dict[str, Held]) -> Held | None:
    """Return the bar that a panel shows: of several qualities the one nearest to being missed."""
    if name == "size":
        return bars.get("size")
    if name == "speed":
        return bars.get("speedup")
    found = [bars[each] for each in _QUALITIES if each in bars]
    return min(found, key=_margin) if found else None


def _margin(bar: Held) -> float:
    """Return by how much a quality is better than its bar: dB, or points of accuracy, or hundredths of cosine."""
    if bar.name == "drop":
        return 100 * (bar.bar - bar.found.value)
    return (100 if bar.name == "cosine" else 1) * (bar.found.value - bar.bar)


def _gauge(name: str, middle: int, bar: Held | None, row: Found) -> list[str]:
    panel = _PANELS[name]
    if bar is None:
        words = "" if row.measured else "–"
        return [text(panel.left + _WIDE / 2, middle + 4, words, "quiet", "text-anchor: middle")]
    quality, first, last = name == "quality", middle - 8, middle + 8
    parts = [panel.upright(0.0 if quality else bar.bar, first, last)]
    if bar.stretch is not None and not quality:
        parts.append(panel.upright(bar.stretch, first, last, "stretch"))
    value = _margin(bar) if quality else bar.found.value
    return [*parts, _mark(panel.place(value), middle, bar.state), panel.figure(value, middle + 4, _said(bar))]


def _said(bar: Held) -> str:
    if bar.name == "drop":
        return f"{100 * bar.found.value:+.2f} points lost".replace("+", "")
    unit = {"speedup": "×", "size": ""}.get(bar.name, " dB" if bar.name.endswith("db") else "")
    return f"{bar.found.value:.3g}{unit}"


def _mark(x: float, y: float, state: str) -> str:
    """Return a sign that differs by shape as well as by colour."""
    if state == "reached":
        return dot(x, y, "reached")
    return diamond(x, y, "noise") if state == "within noise" else cross(x, y, "missed")
