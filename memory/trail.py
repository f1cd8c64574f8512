"""The trail: everything that a run found out, in order, append-only."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from ..contracts import MachineError
from .database import Database


@dataclass(frozen=True)
class TrailEntry:
    """One entry: `kind` says what `body` is, `created` is seconds since the epoch."""

    position: int
    created: float
    kind: str
    body: dict[str, Any]


class Trail:
    """The trails of a ledger's runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, run: str, kind: str, body: dict[str, Any], once: str | None = None) -> bool:
        """Append an entry to the trail of `run`, and tell whether it is new.

        Args:
            run: id of the run.
            kind: what the entry is, such as `attempt`.
            body: JSON-compatible.
            once: an entry of this kind that bears the same mark already stays the only one, so that a node which
                runs again after a resume repeats nothing.
        """
        with self._database.write() as database:
            cursor = database.execute(
                "INSERT OR IGNORE INTO trail (run, position, created, kind, once, body)"
                " SELECT ?, coalesce(max(position), 0) + 1, ?, ?, ?, ? FROM trail WHERE run = ?",
                (run, time.time(), kind, once, json.dumps(body), run),
            )
            return cursor.rowcount == 1

    def of(self, run: str, kind: str | None = None) -> list[TrailEntry]:
        """Return the entries of `run` in order, all or those of one kind."""
        with self._database.read() as database:
            rows = database.execute(
                "SELECT * FROM trail WHERE run = ? AND (? IS NULL OR kind = ?) ORDER BY position", (run, kind, kind)
            ).fetchall()
        try:
            return [TrailEntry(row["position"], row["created"], row["kind"], json.loads(row["body"])) for row in rows]
        except json.JSONDecodeError as error:
            raise MachineError(f"the trail of run {run} is damaged; start the run anew") from error
