"""Words in a picture: how much room they take, and where they stand without covering each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Anchor = Literal["start", "middle", "end"]
# Of the widest font that the style sheet may fall back to, at 12 pixels.
CHARACTER_WIDTH, LINE_HEIGHT = 7.4, 15.0


def text_width(text: str) -> float:
    """Return about how many pixels a text takes, rather too many than too few."""
    return len(text) * CHARACTER_WIDTH


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def outside(self, frame: Box) -> float:
        """Return the area that lies beyond `frame`."""
        whole = (self.right - self.left) * (self.bottom - self.top)
        return max(whole - self.overlap(frame), 0.0)


@dataclass(frozen=True)
class Label:
    """A text at its base line; `kind` says what it speaks of, `leader` is where a line leads to it from."""

    text: str
    x: float
    y: float
    anchor: Anchor
    kind: str = ""
    leader: tuple[float, float] | None = None

    @property
    def left(self) -> float:
        """Its left edge."""
        return self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * text_width(self.text)

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + text_width(self.text)

    @property
    def box(self) -> Box:
        """The room that it takes."""
        return Box(self.left, self.y - LINE_HEIGHT + 3, self.right, self.y + 3)


@dataclass(frozen=True)
class Anchored:
    """A point that wants a label: its centre, its radius, the words; one that is not `needed` may go without."""

    x: float
    y: float
    radius: float
    text: str
    needed: bool = True


# Distances from the point in pixels; the first place is the best one. Far places get a leader.
_NEAR, _FAR = (4.0, 12.0), (26.0, 44.0, 64.0, 90.0, 120.0)
_AROUND = ((1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7))


def place(points: Sequence[Anchored], frame: Box, taken: Iterable[Box] = ()) -> list[Label]:
    """Return labels that cover as little as possible of points and of each other.

    Args:
        points: what is labelled; earlier ones choose first. One that is not needed gets only a free place beside it.
        frame: labels stay inside it.
        taken: what else must not be covered.
    """
    used = [*taken, *(Box(p.x - p.radius, p.y - p.radius, p.x + p.radius, p.y + p.radius) for p in points)]
    labels: list[Label] = []
    for point in points:
        label = least_covering(list(_places(point)), used, frame)
        if point.needed or _cost(label, used, frame) == 0:
            labels.append(label)
            used.append(label.box)
    return labels


def least_covering(places: Sequence[Label], used: Sequence[Box], frame: Box) -> Label:
    """Return the best of `places`, the first of equally good ones, moved into `frame`."""
    return _inside(min(places, key=lambda each: _cost(each, used, frame)), frame)


def _cost(label: Label, used: Sequence[Box], frame: Box) -> float:
    return sum(label.box.overlap(box) for box in used) + 4 * label.box.outside(frame)


def _places(point: Anchored) -> Iterable[Label]:
    for distance in (*_NEAR, *_FAR) if point.needed else _NEAR:
        reach = point.radius + distance
        leader = (point.x, point.y) if distance in _FAR else None
        for across, down in _AROUND:
            anchor: Anchor = "start" if across > 0 else "end" if across < 0 else "middle"
            drop = {-1.0: 0.0, 1.0: 9.0}.get(down, 4.0)  # from where it shall stand to its base line
            x, y = point.x + across * reach, point.y + down * reach + drop
            yield Label(point.text, round(x, 1), round(y, 1), anchor, "", leader)


def _inside(label: Label, frame: Box) -> Label:
    """Return the label moved into the frame, which a narrow frame may still not hold."""
    x = label.x + max(frame.left - label.left, 0.0) - max(label.right - frame.right, 0.0)
    y = label.y + max(frame.top - label.box.top, 0.0) - max(label.box.bottom - frame.bottom, 0.0)
    return replace(label, x=round(x, 1), y=round(y, 1))
