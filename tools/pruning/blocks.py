"""How many channels may stay: multiples of a block, for a kernel works on so many at once and others are no faster."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .coupling import Group

BLOCKS = (16, 8)
# Groups of so many blocks of 16 are cut by 16, narrower ones by 8.
_WIDE = 4


def block_of(width: int) -> int:
    """Return the multiple that widths of a group are kept at: 16, of narrow groups 8."""
    return BLOCKS[0] if width >= _WIDE * BLOCKS[0] else BLOCKS[1]


def width_left(width: int, share: float) -> int:
    """Return the least width that is a multiple of the group's block when at most `share` of the channels go."""
    block = block_of(width)
    return min(width, max(block, math.ceil(round(width * (1 - share) / block, 9)) * block))


def offered_widths(width: int, least: int) -> list[int]:
    """Return the widths that a group may have from `least` on, the whole first."""
    block = block_of(width)
    return [width, *range((width - 1) // block * block, least - 1, -block)]


def able_groups(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that are wide enough to lose a block of channels."""
    return [group for group in groups if width_left(group.width, 1) < group.width]


def uniform(groups: Sequence[Group], ratio: float) -> dict[str, int]:
    """Return the widths of groups of which each loses at most the share `ratio`."""
    return {group.id: width_left(group.width, ratio) for group in groups}
