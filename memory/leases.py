"""Leases: which run needs which artifact, so that pruning never takes it away."""

from __future__ import annotations

from collections.abc import Callable

from .database import Database


class Leases:
    """The leases of a ledger. A lease lasts as long as its run is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: str, *artifacts: str) -> None:
        """Lease artifacts to `run`."""
        with self._database.write() as database:
            database.executemany(
                "INSERT OR IGNORE INTO leases (run, artifact) VALUES (?, ?)", [(run, item) for item in artifacts]
            )

    def claim(self, run: str) -> Callable[[str], None]:
        """Return what `LocalArtifactStore.put` calls with an id before it looks whether that artifact is there."""
        return lambda artifact: self.add(run, artifact)

    def of(self, run: str) -> frozenset[str]:
        """Return the artifacts leased to `run`."""
        with self._database.read() as database:
            rows = database.execute("SELECT artifact FROM leases WHERE run = ?", (run,)).fetchall()
        return frozenset(row["artifact"] for row in rows)
