"""Outcomes in the ledger: the source of truth that the vector index is built from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..contracts import Outcome
from .database import Database

_AT_ONCE = 500


@dataclass(frozen=True)
class Change:
    """The latest change of one outcome: its number, and what is kept since, None where it was forgotten."""

    number: int
    id: str
    body: str | None


@dataclass(frozen=True)
class Kept:
    """An outcome as it is kept: `body` is JSON that was not looked at, `origin` where it was imported from, if so."""

    id: str
    run: str
    created: float
    model: str
    origin: str
    body: str


class OutcomeLog:
    """The outcomes of a ledger, as JSON; whoever reads them validates them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """Keep outcomes; one of the same id is replaced."""
        with self._database.write() as database:
            _put(database, outcomes, "")

    def put_foreign(self, outcomes: Iterable[Outcome], origin: str) -> int:
        """Keep outcomes that came from elsewhere unless their ids are known, and return how many were not."""
        with self._database.write() as database:
            fresh = [item for item in outcomes if not _known(database, item.id)]
            _put(database, fresh, origin)
            return len({item.id for item in fresh})

    def get(self, ids: Sequence[str]) -> dict[str, str]:
        """Return id → JSON of those that are there."""
        found: dict[str, str] = {}
        with self._database.read() as database:
            for chunk in _chunks(ids):
                marks = ", ".join("?" * len(chunk))
                rows = database.execute(f"SELECT id, body FROM outcomes WHERE id IN ({marks})", chunk)
                found |= {row["id"]: row["body"] for row in rows}
        return found

    def of_model(self, model: str, limit: int) -> list[str]:
        """Return the ids of the latest outcomes of a model."""
        with self._database.read() as database:
            rows = database.execute(
                "SELECT id FROM outcomes WHERE model = ? ORDER BY created DESC, id LIMIT ?", (model, limit)
            )
            return [row["id"] for row in rows]

    def latest(self) -> Iterator[Kept]:
        """Yield all outcomes, the latest first."""
        with self._database.read() as database:
            yield from (Kept(**dict(row)) for row in database.execute(f"{_SELECT} ORDER BY created DESC, id"))

    def named(self, prefix: str) -> list[Kept]:
        """Return the outcomes whose id begins with `prefix`, two at most; one where it is the whole id."""
        with self._database.read() as database:
            begins = "substr(id, 1, ?) = ? ORDER BY id <> ? LIMIT 2"
            rows = database.execute(f"{_SELECT} WHERE {begins}", (len(prefix), prefix, prefix)).fetchall()
        return [Kept(**dict(row)) for row in rows[: 1 if rows and rows[0]["id"] == prefix else 2]]

    def where(self, *, run: str | None = None, model: str | None = None) -> list[str]:
        """Return the ids of all outcomes, or of those whose run and model begin so."""
        with self._database.read() as database:
            rows = database.execute(
                "SELECT id FROM outcomes WHERE substr(run, 1, ?) = ? AND substr(model, 1, ?) = ? ORDER BY created, id",
                (len(run or ""), run or "", len(model or ""), model or ""),
            )
            return [row["id"] for row in rows]

    def count(self) -> int:
        """Return how many there are."""
        with self._database.read() as database:
            return int(database.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def position(self) -> tuple[str, int]:
        """Return this ledger's own random name, and the number of its latest change."""
        with self._database.read() as database:
            row = database.execute(
                "SELECT name, (SELECT coalesce(max(number), 0) FROM outcome_changes) FROM outcome_log"
            ).fetchone()
            return str(row[0]), int(row[1])

    def changes(self, after: int, limit: int = _AT_ONCE) -> list[Change]:
        """Return the next changes after a number; of several of one outcome only the latest is kept."""
        with self._database.read() as database:
            rows = database.execute(
                """
                SELECT number, outcome_changes.id AS id, body FROM outcome_changes
                LEFT JOIN outcomes ON outcomes.id = outcome_changes.id
                WHERE number > ? ORDER BY number LIMIT ?
                """,
                (after, limit),
            )
            return [Change(**dict(row)) for row in rows]

    def forget(self, ids: Sequence[str]) -> int:
        """Drop outcomes, and return how many there were."""
        dropped = 0
        with self._database.write() as database:
            for chunk in _chunks(ids):
                marks = ", ".join("?" * len(chunk))
                dropped += database.execute(f"DELETE FROM outcomes WHERE id IN ({marks})", chunk).rowcount
        return dropped


_SELECT = "SELECT id, run, created, model, origin, body FROM outcomes"


def _put(database: sqlite3.Connection, outcomes: Iterable[Outcome], origin: str) -> None:
    rows = [(item.id, item.run, item.created, item.model, origin, item.model_dump_json()) for item in outcomes]
    database.executemany(
        "INSERT OR REPLACE INTO outcomes (id, run, created, model, origin, body) VALUES (?, ?, ?, ?, ?, ?)", rows
    )


def _known(database: sqlite3.Connection, name: str) -> bool:
    return database.execute("SELECT 1 FROM outcomes WHERE id = ?", (name,)).fetchone() is not None


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _AT_ONCE):
        yield list(items[start : start + _AT_ONCE])
