"""Batches and their items: which model is whose turn, and what became of it.

An item is leased to the process that works on it. The lease of a process that is gone has lapsed, so whoever comes
next takes the item over at once; several processes may share a batch.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..contracts import BatchRow, MachineError
from .database import Database
from .owner import Owner


@dataclass(frozen=True)
class BatchRecord:
    """A batch: its zoo and the folder of its products, both absolute; `created` is seconds since the epoch."""

    id: str
    created: float
    zoo: str
    out: str


@dataclass(frozen=True)
class ItemRecord:
    """One model of a batch.

    Attributes:
        asked: digest of what is asked of it.
        stamp, content: its files, by their times and by their content, when the work on it began.
        owner: the process that has leased it.
        row: what became of it, once that is known.
        again: whether a resumed batch tries it once more, because the machine was at fault.
    """

    name: str
    position: int
    asked: str
    stamp: str | None = None
    content: str | None = None
    owner: Owner | None = None
    row: BatchRow | None = None
    again: bool = False


class Batches:
    """The batches of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, zoo: Path, out: Path | Callable[[str], Path]) -> BatchRecord:
        """Enter a new batch; `out` may be made of the batch's id."""
        now = time.time()
        batch = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(2)}"
        place = os.path.abspath(out(batch) if callable(out) else out)
        with self._database.write() as database:
            # The folder was emptied since: what an old batch did there is gone.
            database.execute("DELETE FROM batches WHERE out = ?", (place,))
            database.execute(
                "INSERT INTO batches (id, created, zoo, out) VALUES (?, ?, ?, ?)",
                (batch, now, os.path.abspath(zoo), place),
            )
        return BatchRecord(batch, now, os.path.abspath(zoo), place)

    def on(self, out: Path) -> BatchRecord | None:
        """Return the batch that delivers to `out`."""
        with self._database.read() as database:
            row = database.execute("SELECT * FROM batches WHERE out = ?", (os.path.abspath(out),)).fetchone()
        return None if row is None else _batch(row)

    def latest(self, zoo: Path) -> BatchRecord | None:
        """Return the latest batch of `zoo` that has unfinished items, or the latest one at all."""
        with self._database.read() as database:
            row = database.execute(
                "SELECT *, EXISTS (SELECT 1 FROM items WHERE batch = batches.id AND (row IS NULL OR again))"
                " AS unfinished FROM batches WHERE zoo = ? ORDER BY unfinished DESC, created DESC LIMIT 1",
                (os.path.abspath(zoo),),
            ).fetchone()
        return None if row is None else _batch(row)

    def items(self, batch: str) -> list[ItemRecord]:
        """Return the items of a batch in their order."""
        with self._database.read() as database:
            rows = database.execute("SELECT * FROM items WHERE batch = ? ORDER BY position", (batch,)).fetchall()
        return [_item(row) for row in rows]

    def change(
        self, batch: str, add: Sequence[ItemRecord] = (), drop: Sequence[str] = (), reopen: Sequence[str] = ()
    ) -> None:
        """Add items (those of a known name only take their new place), drop others, and open finished ones again."""
        with self._database.write() as database:
            database.executemany("DELETE FROM items WHERE batch = ? AND name = ?", [(batch, name) for name in drop])
            database.executemany(
                "INSERT INTO items (batch, name, position, asked) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (batch, name) DO UPDATE SET position = excluded.position, asked = excluded.asked",
                [(batch, item.name, item.position, item.asked) for item in add],
            )
            database.executemany(
                "UPDATE items SET row = NULL, again = 0 WHERE batch = ? AND name = ?",
                [(batch, name) for name in reopen],
            )

    def claim(
        self, batch: str, owner: Owner, choose: Callable[[list[ItemRecord]], ItemRecord | None]
    ) -> ItemRecord | None:
        """Lease to `owner` the item that `choose` picks; no other process can come between look and lease."""
        with self._database.write() as database:
            rows = database.execute("SELECT * FROM items WHERE batch = ? ORDER BY position", (batch,)).fetchall()
            chosen = choose([_item(row) for row in rows])
            if chosen is not None:
                database.execute(
                    "UPDATE items SET pid = ?, process_started = ? WHERE batch = ? AND name = ?",
                    (owner.pid, owner.started, batch, chosen.name),
                )
        return chosen

    def begin(self, batch: str, name: str, stamp: str, content: str) -> None:
        """Note what the files of an item are as the work on it begins."""
        with self._database.write() as database:
            database.execute(
                "UPDATE items SET stamp = ?, content = ? WHERE batch = ? AND name = ?", (stamp, content, batch, name)
            )

    def finish(self, batch: str, name: str, row: BatchRow, *, again: bool = False) -> None:
        """Give an item its row, and its lease back."""
        with self._database.write() as database:
            database.execute(
                "UPDATE items SET row = ?, again = ?, pid = NULL, process_started = NULL WHERE batch = ? AND name = ?",
                (row.model_dump_json(), again, batch, name),
            )

    def release(self, batch: str, name: str) -> None:
        """Give the lease of an item back without a row, as after Ctrl-C."""
        with self._database.write() as database:
            database.execute(
                "UPDATE items SET pid = NULL, process_started = NULL WHERE batch = ? AND name = ?", (batch, name)
            )


def _batch(row: sqlite3.Row) -> BatchRecord:
    return BatchRecord(row["id"], row["created"], row["zoo"], row["out"])


def _item(row: sqlite3.Row) -> ItemRecord:
    return ItemRecord(
        name=row["name"],
        position=row["position"],
        asked=row["asked"],
        stamp=row["stamp"],
        content=row["content"],
        owner=None if row["pid"] is None else Owner(row["pid"], row["process_started"]),
        row=None if row["row"] is None else _row(row["row"]),
        again=bool(row["again"]),
    )


def _row(body: str) -> BatchRow:
    try:
        return BatchRow.model_validate_json(body)
    except ValidationError as error:
        raise MachineError("what the ledger keeps of this batch is of another version; give a new --out") from error
