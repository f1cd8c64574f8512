"""Whose turn it is: which item of a batch is worked on next, which are done, which must be done anew.

Everything is decided from what the ledger holds and from which processes live, so it does not matter who asks, how
often, or what was killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ...contracts import BatchRow
from ...memory.batches import ItemRecord
from ...memory.owner import Owner


class Leases(Protocol):
    """What a scheduler needs of `memory.batches.Batches`."""

    def items(self, batch: str) -> list[ItemRecord]: ...

    def claim(
        self, batch: str, owner: Owner, choose: Callable[[list[ItemRecord]], ItemRecord | None]
    ) -> ItemRecord | None: ...

    def begin(self, batch: str, name: str, stamp: str, content: str) -> None: ...

    def finish(self, batch: str, name: str, row: BatchRow, *, again: bool = False) -> None: ...

    def release(self, batch: str, name: str) -> None: ...


@dataclass(frozen=True)
class Scheduler:
    """Hands out the items of one batch to the threads of one process.

    Attributes:
        owner: this process.
        alive: tells whether another process still lives; the lease of one that does not has lapsed.
    """

    leases: Leases
    batch: str
    owner: Owner
    alive: Callable[[Owner], bool] = Owner.is_alive

    def next(self) -> ItemRecord | None:
        """Lease the first item that waits, and return it; None where none does at the moment."""
        return self.leases.claim(self.batch, self.owner, self._first_waiting)

    def begin(self, name: str, stamp: str, content: str) -> None:
        """Note what the files of an item are as the work on it begins."""
        self.leases.begin(self.batch, name, stamp, content)

    def finish(self, row: BatchRow, *, again: bool = False) -> None:
        """Close an item; `again` where a resumed batch should try it once more."""
        self.leases.finish(self.batch, row.name, row, again=again)

    def release(self, name: str) -> None:
        """Put an item back whose work was stopped."""
        self.leases.release(self.batch, name)

    def is_complete(self) -> bool:
        """Tell whether every item has its row, whoever made it."""
        return all(item.row is not None for item in self.leases.items(self.batch))

    def _first_waiting(self, items: Iterable[ItemRecord]) -> ItemRecord | None:
        return next((item for item in items if item.row is None and not self.is_leased(item)), None)

    def is_leased(self, item: ItemRecord) -> bool:
        """Tell whether a living process works on an item; an item of this process is with another of its threads."""
        return item.owner is not None and (item.owner == self.owner or self.alive(item.owner))


@dataclass(frozen=True)
class Difference:
    """What a zoo asks for now against what a batch holds; names of items."""

    drop: tuple[str, ...]
    reopen: tuple[str, ...]
    replace: tuple[str, ...]


def compare(
    known: Iterable[ItemRecord],
    asked: Mapping[str, str],
    same_files: Callable[[ItemRecord], bool],
    is_delivered: Callable[[ItemRecord], bool],
) -> Difference:
    """Return what must change before a batch goes on.

    Args:
        known: the items of the batch.
        asked: name → digest of what is asked now.
        same_files: whether the files of an item are what they were when the work on it began.
        is_delivered: whether the product of a finished item lies where its row says.

    Returns:
        `drop`: no longer asked for. `reopen`: to be worked on once more. Of these, `replace`: another model, other
        data or another request, so that what is there of an earlier run counts for nothing.
    """
    items = list(known)
    drop = tuple(item.name for item in items if item.name not in asked)
    kept = [item for item in items if item.name in asked]
    replace = tuple(
        item.name
        for item in kept
        if item.asked != asked[item.name] or (item.content is not None and not same_files(item))
    )
    lost = [item.name for item in kept if item.row is not None and (item.again or not is_delivered(item))]
    return Difference(drop, tuple(dict.fromkeys([*replace, *lost])), replace)
