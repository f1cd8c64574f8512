"""The benchmark as one picture: share of cases met against attempts, with intervals, and against CPU seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counting import BUDGETS, Arm
from svg import opened, text

from shipfit.interfaces.report.axes import Axis

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 960, 372, 92, 340
_LEFT, _MIDDLE, _RIGHT = (56, 500), (556, 800), 816
_SHARE = Axis(0.0, 1.0, 0.25, _BOTTOM, _TOP, suffix="%", factor=100)
_DASHES = {"built-in": "none", "default recipe": "2 3", "random": "7 4", "TPE": "10 3 2 3"}
_STYLE = """
.line { fill: none; stroke-width: 2; } .memory { opacity: .85; } .thin { stroke-width: 1.2; }
.c0 { stroke: #0969da; } .c1 { stroke: #9a6700; } .c2 { stroke: #59636e; } .c3 { stroke: #cf222e; }
.c4 { stroke: #8250df; } .f4 { fill: #8250df; }
.c5 { stroke: #1a7f37; } .f5 { fill: #1a7f37; }
.f0 { fill: #0969da; } .f1 { fill: #9a6700; } .f2 { fill: #59636e; } .f3 { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  .c0 { stroke: #4493f8; } .c1 { stroke: #d29922; } .c2 { stroke: #9198a1; } .c3 { stroke: #f85149; }
  .c4 { stroke: #ab7df8; } .f4 { fill: #ab7df8; }
  .c5 { stroke: #3fb950; } .f5 { fill: #3fb950; }
  .f0 { fill: #4493f8; } .f1 { fill: #d29922; } .f2 { fill: #9198a1; } .f3 { fill: #f85149; }
}
"""


def draw(arms: Sequence[Arm], by_cost: Mapping[str, Points]) -> str:
    """Return the picture as SVG, readable on light and on dark paper; lines differ by dashes as well as by colour.

    Args:
        arms: what each policy reached within so many attempts.
        by_cost: policy without memory → share met within so many CPU seconds.
    """
    plain = [arm for arm in arms if not arm.memory]
    remembering = {arm.policy: arm for arm in arms if arm.memory}
    limits = sorted({limit for points in by_cost.values() for limit, _ in points}) or [0.0, 1.0]
    seconds = Axis(0.0, limits[-1], max(limits[-1] / 3, 0.1), *_MIDDLE)
    parts = [
        *opened(_WIDTH, _HEIGHT, _told(plain), _STYLE),
        text(12, 24, "How soon a search meets what is asked", "bold"),
        text(12, 44, f"share of feasible cases that are met; {plain[0].runs if plain else 0} runs each", "quiet"),
        *_frame(*_LEFT, "attempts"),
        *_frame(*_MIDDLE, "CPU seconds of these attempts"),
        *(text(_attempt(budget), _BOTTOM + 18, str(budget), "quiet", "text-anchor: middle") for budget in BUDGETS),
        *(text(tick.at, _BOTTOM + 18, tick.text, "quiet", "text-anchor: middle") for tick in seconds.ticks()),
    ]
    names = [arm.policy for arm in plain]
    for index, arm in enumerate(plain):
        parts += _arm(arm, index, len(plain))
        if arm.policy in remembering:
            parts.append(_line(_attempts(remembering[arm.policy]), index, arm.policy, "memory thin"))
        points = [(seconds.at(limit), _SHARE.at(met)) for limit, met in by_cost.get(arm.policy, ())]
        parts.append(_line([(float(_MIDDLE[0]), float(_BOTTOM)), *points], index, arm.policy))
    return "\n".join([*parts, *_legend(names, bool(remembering)), "</svg>"]) + "\n"


def _told(plain: Sequence[Arm]) -> str:
    parts = [
        f"{arm.policy} {arm.within[0].value:.0%} with one attempt, {arm.within[-1].value:.0%} with six" for arm in plain
    ]
    return "Share of cases met: " + "; ".join(parts)


def _frame(left: float, right: float, title: str) -> list[str]:
    parts = [text(left, _TOP - 14, title, "quiet")]
    for tick in _SHARE.ticks():
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{tick.at:.1f}" y2="{tick.at:.1f}"/>')
        parts.append(text(left - 8, round(tick.at) + 4, tick.text, "quiet", "text-anchor: end"))
    return parts


def _attempt(budget: float) -> float:
    low, high = _LEFT
    return low + 24 + (budget - 1) * (high - low - 48) / (len(BUDGETS) - 1)


def _attempts(arm: Arm) -> Points:
    return [(_attempt(budget), _SHARE.at(share.value)) for budget, share in zip(BUDGETS, arm.within, strict=True)]


def _arm(arm: Arm, index: int, of: int) -> list[str]:
    """Return an arm's line with its intervals, which stand side by side."""
    beside = (index - (of - 1) / 2) * 7
    parts = [_line(_attempts(arm), index, arm.policy)]
    for budget, share in zip(BUDGETS, arm.within, strict=True):
        x, y = _attempt(budget), _SHARE.at(share.value)
        low, high = _SHARE.at(share.low), _SHARE.at(share.high)
        parts.append(f'<path class="line thin c{index}" d="M{x + beside:.1f} {low:.1f}V{high:.1f}"/>')
        parts.append(f'<circle class="f{index}" cx="{x + beside:.1f}" cy="{y:.1f}" r="3.5"/>')
    return parts


def _line(points: Points, index: int, policy: str, kind: str = "") -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashes = "1 4" if "memory" in kind else _DASHES.get(policy, "4 2")
    return f'<path class="line c{index} {kind}" stroke-dasharray="{dashes}" d="M{path}"/>'


def _legend(names: Sequence[str], remembering: bool) -> list[str]:
    parts: list[str] = []
    for index, name in enumerate(names):
        y = _TOP + 12 + 24 * index
        parts.append(_line([(_RIGHT, y), (_RIGHT + 30, y)], index, name))
        parts.append(text(_RIGHT + 38, y + 4, name))
    if remembering:
        y = _TOP + 12 + 24 * len(names)
        parts.append(_line([(_RIGHT, y), (_RIGHT + 30, y)], 0, "", "memory thin"))
        parts.append(text(_RIGHT + 38, y + 4, "with memory", "quiet"))
    y = _TOP + 36 + 24 * len(names)
    parts.append(f'<path class="line thin c0" d="M{_RIGHT + 15} {y - 8}v16"/>')
    return [*parts, text(_RIGHT + 38, y + 4, "95 % interval", "quiet")]
