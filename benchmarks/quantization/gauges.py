"""The table as one picture: for each row what was found against bar and stretch, in size, speed and quality."""

from __future__ import annotations

import math
from html import escape

from judged import Found, Held

_ROW, _TOP, _LEFT, _WIDE, _GAP, _RIGHT = 24, 84, 200, 200, 24, 120
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.quiet { fill: #59636e; } .small { font-size: 10px; } .axis { stroke: #d1d9e0; }
.bar { stroke: #1f2328; stroke-width: 2; } .stretch { stroke: #59636e; stroke-width: 2; stroke-dasharray: 2 2; }
.reached { fill: #1a7f37; } .noise { fill: #9a6700; } .missed { fill: #cf222e; } .none { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .axis { stroke: #3d444d; }
  .bar { stroke: #f0f6fc; } .stretch { stroke: #9198a1; }
  .reached { fill: #3fb950; } .noise { fill: #d29922; } .missed { fill: #f85149; } .none { fill: #9198a1; }
}
"""
# Title, ends of the axis, whether it is logarithmic, ticks.
_PANELS: dict[str, tuple[str, float, float, bool, tuple[float, ...]]] = {
    "size": ("size, share of the bytes (← smaller)", 0.1, 1.0, True, (0.125, 0.25, 0.5, 1)),
    "speed": ("speed, × (faster →)", 0.7, 7.0, True, (1, 2, 4)),
    "quality": ("quality above its bar, dB or points (better →)", -10.0, 30.0, False, (-10, 0, 10, 20)),
}
_QUALITIES = ("output_db", "logits_db", "cosine", "drop")


def draw(rows: list[Found]) -> str:
    """Return the picture as SVG, readable on light and on dark paper, and without colours."""
    height = _TOP + _ROW * len(rows) + 20
    width = _LEFT + len(_PANELS) * (_WIDE + _GAP) + _RIGHT
    reached = sum(row.state == "reached" for row in rows)
    told = f"{reached} of {len(rows)} rows reach every bar"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{told}">',
        f"<style>{_STYLE}</style>",
        _text(12, 22, f"Quantization against what it must reach: {told}", style="font-weight: 600; font-size: 14px"),
        *_legend(),
        *(part for index, name in enumerate(_PANELS) for part in _axis(index, name, height)),
        *(_row(row, _TOP + _ROW * index) for index, row in enumerate(rows)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    x, y = 12, 42
    return [
        _mark(x + 5, y - 4, "reached"), _text(x + 16, y, "reached", "quiet"),
        _mark(x + 85, y - 4, "within noise"), _text(x + 96, y, "within noise", "quiet"),
        _mark(x + 190, y - 4, "missed"), _text(x + 201, y, "missed", "quiet"),
        f'<line class="bar" x1="{x + 260}" x2="{x + 260}" y1="{y - 12}" y2="{y + 4}"/>',
        _text(x + 268, y, "bar", "quiet"),
        f'<line class="stretch" x1="{x + 310}" x2="{x + 310}" y1="{y - 12}" y2="{y + 4}"/>',
        _text(x + 318, y, "stretch", "quiet"),
    ]  # fmt: skip


def _axis(index: int, name: str, height: int) -> list[str]:
    title, _, _, _, ticks = _PANELS[name]
    left = _LEFT + index * (_WIDE + _GAP)
    parts = [_text(left, 60, title, "quiet small")]
    for tick in ticks:
        x = left + _place(name, tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 16}"/>')
        parts.append(_text(x, _TOP - 9, f"{tick:g}", "quiet small", "text-anchor: middle"))
    return parts


def _row(row: Found, top: int) -> str:
    middle = top + _ROW // 2
    parts = [_text(_LEFT - 12, middle + 4, row.name, style="text-anchor: end")]
    by_name = {bar.name: bar for bar in row.held}
    for index, name in enumerate(_PANELS):
        left = _LEFT + index * (_WIDE + _GAP)
        parts += _gauge(name, left, middle, _of_panel(name, by_name), row)
    parts.append(_text(_LEFT + 3 * (_WIDE + _GAP), middle + 4, row.state, "quiet"))
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


def _gauge(name: str, left: int, middle: int, bar: Held | None, row: Found) -> list[str]:
    if bar is None:
        return [_text(left + _WIDE / 2, middle + 4, "" if row.measured else "–", "quiet", "text-anchor: middle")]
    quality = name == "quality"
    line = left + _place(name, 0.0 if quality else bar.bar)
    parts = [f'<line class="bar" x1="{line:.1f}" x2="{line:.1f}" y1="{middle - 8}" y2="{middle + 8}"/>']
    if bar.stretch is not None and not quality:
        at = left + _place(name, bar.stretch)
        parts.append(f'<line class="stretch" x1="{at:.1f}" x2="{at:.1f}" y1="{middle - 8}" y2="{middle + 8}"/>')
    x = left + _place(name, _margin(bar) if quality else bar.found.value)
    parts.append(_mark(x, middle, bar.state))
    parts.append(_text(x + 9, middle + 4, _said(bar), "small"))
    return parts


def _said(bar: Held) -> str:
    if bar.name == "drop":
        return f"{100 * bar.found.value:+.2f} points lost".replace("+", "")
    unit = {"speedup": "×", "size": ""}.get(bar.name, " dB" if bar.name.endswith("db") else "")
    return f"{bar.found.value:.3g}{unit}"


def _place(name: str, value: float) -> float:
    _, low, high, logarithmic, _ = _PANELS[name]
    if logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-6))
    return _WIDE * min(max((value - low) / (high - low), 0.0), 1.0)


def _mark(x: float, y: float, state: str) -> str:
    """Return a sign that differs by shape as well as by colour."""
    if state == "reached":
        return f'<circle class="reached" cx="{x:.1f}" cy="{y}" r="5"/>'
    if state == "within noise":
        return f'<path class="noise" d="M{x:.1f} {y - 6}l6 6-6 6-6-6z"/>'
    return f'<path class="missed" d="M{x - 5:.1f} {y - 7}l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z"/>'


def _text(x: float, y: float, words: str, kind: str = "", style: str = "") -> str:
    style = f' style="{style}"' if style else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}"{style}>{escape(words)}</text>'
