"""The Pareto front: which of some points no other point beats in both directions."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[float, float]


def front(points: Iterable[Place]) -> list[Place]:
    """Return the points that no other one dominates, from left to right; less x is better, and more y."""
    kept: list[Place] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or y > kept[-1][1]:
            kept.append((x, y))
    return kept


def steps(corners: list[Place], right: float, bottom: float) -> list[Place]:
    """Return the line below and right of which everything is dominated, in the pixels of a picture.

    Args:
        corners: the front from left to right, in pixels; up is less y.
        right: edge of the picture that the line runs to.
        bottom: edge that it comes from.
    """
    line: list[Place] = []
    for x, y in corners:
        line += [(x, line[-1][1] if line else bottom), (x, y)]
    return [*line, (right, line[-1][1])] if line else []
