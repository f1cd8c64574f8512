"""What the benchmarks' pictures share: paper, words, and panels with an axis each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

# Figures stand on lines: a rim of paper keeps them readable.
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; } .quiet { fill: #59636e; } .bold { font-weight: 600; }
.small { font-size: 10px; } .figure { font-size: 10px; stroke: #ffffff; stroke-width: 3; paint-order: stroke; }
.axis { stroke: #d1d9e0; } .bar { stroke: #1f2328; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .figure { stroke: #0d1117; }
  .axis { stroke: #3d444d; } .bar { stroke: #f0f6fc; }
}
"""
# Where a figure would run over its panel's end, it stands before its mark.
_NEAR_THE_END = 0.8


def opened(width: int, height: int, told: str, style: str) -> list[str]:
    """Return the head of a picture that is `told` to those who do not see it."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(told)}">',
        f"<style>{_STYLE}{style}</style>",
    ]


def text(x: float, y: float, words: str, kind: str = "", style: str = "") -> str:
    """Return words at a place; what cannot be printed is shown as `?`."""
    plain = "".join(each if each.isprintable() else "?" for each in words)
    style = f' style="{style}"' if style else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}"{style}>{escape(plain)}</text>'


def cross(x: float, y: float, kind: str) -> str:
    """Return the sign of what went wrong."""
    return f'<path class="{kind}" d="M{x - 5:.1f} {y - 7}l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z"/>'


def diamond(x: float, y: float, kind: str) -> str:
    """Return a square on its corner."""
    return f'<path class="{kind}" d="M{x:.1f} {y - 6}l6 6-6 6-6-6z"/>'


def dot(x: float, y: float, kind: str) -> str:
    """Return a disc."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="5"/>'


@dataclass(frozen=True)
class Panel:
    """An axis from `low` to `high` over `width` points that begins at `left`."""

    title: str
    left: int
    width: int
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = True

    def place(self, value: float) -> float:
        """Return where a value stands; what lies beyond an end stands at it."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-6))
        return self.left + self.width * min(max((value - low) / (high - low), 0.0), 1.0)

    def axis(self, top: int, bottom: int) -> list[str]:
        """Return title, ticks and their lines."""
        parts = [text(self.left, top - 24, self.title, "quiet small")]
        for tick in self.ticks:
            x = self.place(tick)
            parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 4}" y2="{bottom}"/>')
            parts.append(text(x, top - 9, f"{tick:g}", "quiet small", "text-anchor: middle"))
        return parts

    def upright(self, value: float, first: int, last: int, kind: str = "bar") -> str:
        """Return a line at a value."""
        x = self.place(value)
        return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{first}" y2="{last}"/>'

    def figure(self, value: float, y: int, words: str) -> str:
        """Return what is written beside the mark of a value."""
        x = self.place(value)
        if x > self.left + _NEAR_THE_END * self.width:
            return text(x - 9, y, words, "figure", "text-anchor: end")
        return text(x + 9, y, words, "figure")
