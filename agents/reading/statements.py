"""What a clause was found to say, before all of them together are a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = str | int | float
# `firm` stands; `soft` gives way to a firm one on the same field; `weak` is a wish in general, which a bound on the
# same quantity says better; `present` tells what is, not what is wanted, and `fact` may; `lift` takes an earlier
# statement back.
Strength = Literal["firm", "soft", "weak", "present", "fact", "lift"]


@dataclass(frozen=True)
class Statement:
    """One field that a passage asks for.

    Attributes:
        field: as `Understood.field`.
        value: in the field's unit.
        start, end: of the passage in the words.
        strength: see above.
        about: the quantity, lever or target it speaks of; what a correction replaces.
        replaces: whether it was said to correct what came before.
        restates: whether the correction has the number of the statement before: `20 MB, sorry, 20 ms`.
        below: a bound on the other side, which no field holds but which may contradict one.
        provided: whether it is the condition of the statement before.
        bare: whether nothing in its clause asks; it gives way to what does: `ResNet, 98 MB. Wish: 30 MB`.
        aims: whether it says what would be liked; it gives way to a wider limit: `goal 5 MB (max 10 MB)`.
    """

    field: str
    value: Value
    start: int
    end: int
    strength: Strength = "firm"
    about: str = ""
    replaces: bool = False
    restates: bool = False
    below: bool = False
    provided: bool = False
    bare: bool = False
    aims: bool = False


@dataclass(frozen=True)
class Unread:
    """A passage that speaks of something that no field could be given."""

    start: int
    end: int


@dataclass(frozen=True)
class Retraction:
    """Take the latest statement back."""

    start: int


Outcome = Statement | Unread | Retraction
