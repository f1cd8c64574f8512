"""Labels of channels: what stands at each position of each axis, and which positions must go together.

A union-find whose unions are gathered first and solved at once. Label 0 is what stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Axis = Labels | None  # of which `None` is an axis of unknown extent: nothing of it can go
Axes = tuple[Axis, ...]

STAYS = 0
MOST = 2**17  # positions of an axis; a longer one counts words, samples or pixels, and stays


def staying(extent: int) -> Labels:
    """Return an axis all of which stays."""
    return np.broadcast_to(np.int64(STAYS), (extent,))


def whole(extent: int | str) -> Axis:
    """Return an axis all of which stays; one that is free, or longer than channels are, is of unknown extent."""
    return staying(extent) if isinstance(extent, int) and extent <= MOST else None


def stays(axis: Axis) -> bool:
    """Tell whether it is known from the first that nothing of an axis can go."""
    return axis is None or not axis.any()


class Unions:
    """Labels and the pairs of them that must go together."""

    def __init__(self) -> None:
        self._next = 1
        self._pairs: list[tuple[Labels, Labels]] = []

    def axis(self, extent: int | str) -> Axis:
        """Return a new axis as `fresh`, where its extent is known and channels could be so many."""
        return self.fresh(extent) if isinstance(extent, int) and extent <= MOST else None

    def fresh(self, extent: int) -> Labels:
        """Return a new axis, each position of which could go by itself."""
        self._next += extent
        return np.arange(self._next - extent, self._next, dtype=np.int64)

    def tie(self, one: Labels, other: Labels) -> None:
        """Make the positions of two axes of equal extent go together."""
        if one is not other:
            self._pairs.append((one, other))

    def freeze(self, axis: Labels) -> None:
        """Make all positions of an axis stay."""
        self._pairs.append((axis, staying(len(axis))))

    def components(self) -> Labels:
        """Return for each label what it goes together with: equal numbers go together, and 0 stays."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        one, other = (_joined(pair[side] for pair in self._pairs) for side in (0, 1))
        graph = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(self._next, self._next))
        found = np.asarray(connected_components(graph, directed=False)[1], np.int64)
        return np.where(found == found[STAYS], 0, found + 1)


def _joined(arrays: Iterable[Labels]) -> Labels:
    held = list(arrays)
    return np.concatenate(held) if held else np.empty(0, np.int64)
