"""Outcomes in the ledger: the source of truth that the vector index is built from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..contracts import Outcome
from .database import Database

_AT_ONCE = 500


class OutcomeLog:
    """The outcomes of a ledger, as JSON; whoever reads them validates them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """Keep outcomes; one of the same id is replaced."""
        rows = [(item.id, item.run, item.created, item.model_dump_json()) for item in outcomes]
        with self._database.write() as database:
            database.executemany("INSERT OR REPLACE INTO outcomes (id, run, created, body) VALUES (?, ?, ?, ?)", rows)

    def get(self, ids: Sequence[str]) -> dict[str, str]:
        """Return id → JSON of those that are there."""
        found: dict[str, str] = {}
        with self._database.read() as database:
            for start in range(0, len(ids), _AT_ONCE):
                chunk = ids[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(chunk))
                rows = database.execute(f"SELECT id, body FROM outcomes WHERE id IN ({marks})", list(chunk))
                found |= {row["id"]: row["body"] for row in rows}
        return found

    def ids(self) -> list[str]:
        """Return all ids, the oldest first."""
        with self._database.read() as database:
            return [row["id"] for row in database.execute("SELECT id FROM outcomes ORDER BY created, id")]

    def count(self) -> int:
        """Return how many there are."""
        with self._database.read() as database:
            return int(database.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def forget(self, ids: Iterable[str]) -> None:
        """Drop outcomes."""
        with self._database.write() as database:
            database.executemany("DELETE FROM outcomes WHERE id = ?", [(item,) for item in ids])
