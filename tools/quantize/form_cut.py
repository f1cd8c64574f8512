"""Choose which carriers compute in 8 bits so that they and the changes of form around them cost least.

Units are given; each carrier is free. Every tensor costs a `DequantizeLinear` where it is 8-bit and something reads
floats, and a `QuantizeLinear` the other way round, once for all its readers. This is a minimum cut between what is
8-bit (source) and what is float (sink): Boykov, Veksler and Zabih, "Fast approximate energy minimization via graph
cuts", 2001; the flow is found as by Edmonds and Karp, 1972.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable

PACKED = "8-bit"
FLOAT = "float"
_FOREVER = 1e18
_NOTHING = 1e-6

Key = Hashable


class FormCut:
    """Costs are collected first; nodes are any hashable keys, `PACKED` and `FLOAT` those that are given."""

    def __init__(self) -> None:
        self._spare: dict[Key, dict[Key, float]] = {PACKED: {}, FLOAT: {}}
        self._tensors = 0

    def node(self, key: Key, packed: float, floating: float) -> None:
        """Add what a free node costs in either form."""
        self._edge(key, FLOAT, packed)
        self._edge(PACKED, key, floating)

    def tensor(self, maker: Key, readers: Iterable[Key], quantize: float, dequantize: float) -> None:
        """Add what a tensor costs where its maker and one of its readers differ in form."""
        self._tensors += 1
        unpacked, packed = ("unpacked", self._tensors), ("packed", self._tensors)
        self._edge(maker, unpacked, dequantize)
        self._edge(packed, maker, quantize)
        for reader in readers:
            self._edge(unpacked, reader, _FOREVER)
            self._edge(reader, packed, _FOREVER)

    def packed(self) -> set[Key]:
        """Return the nodes that are 8-bit in a cheapest choice; of equal ones the choice with most."""
        while path := self._path():
            pushed = min(self._spare[first][second] for first, second in path)
            for first, second in path:
                self._spare[first][second] -= pushed
                self._spare[second][first] += pushed
        return set(self._spare) - self._reaching_float()

    def _edge(self, first: Key, second: Key, capacity: float) -> None:
        if first == second:
            return
        ahead = self._spare.setdefault(first, {})
        ahead[second] = ahead.get(second, 0.0) + capacity
        self._spare.setdefault(second, {}).setdefault(first, 0.0)

    def _path(self) -> list[tuple[Key, Key]]:
        """A shortest path from source to sink along what is spare; empty where there is none."""
        came: dict[Key, Key] = {PACKED: PACKED}
        queue: deque[Key] = deque([PACKED])
        while queue and FLOAT not in came:
            here = queue.popleft()
            for there, spare in self._spare[here].items():
                if spare > _NOTHING and there not in came:
                    came[there] = here
                    queue.append(there)
        path, here = list[tuple[Key, Key]](), FLOAT
        while here in came and here != PACKED:
            path.append((came[here], here))
            here = came[here]
        return path

    def _reaching_float(self) -> set[Key]:
        """What could still push to the sink."""
        found: set[Key] = {FLOAT}
        queue: deque[Key] = deque([FLOAT])
        while queue:
            here = queue.popleft()
            for there in self._spare[here]:
                if there not in found and self._spare[there][here] > _NOTHING:
                    found.add(there)
                    queue.append(there)
        return found
