"""Remove what finished runs left behind, while other runs may be at work."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass

from .ledger import Ledger
from .runs import RunRecord
from .store import LocalArtifactStore

# Between the end of a run and its product in the folder that was asked for.
DELIVERY_S = 60.0


@dataclass(frozen=True)
class PruneReport:
    """What was removed: runs by id (their checkpoints are the caller's to remove), executions, artifacts, bytes."""

    runs: tuple[str, ...]
    executions: int
    artifacts: tuple[str, ...]
    freed_bytes: int


def prune_runs(
    ledger: Ledger,
    store: LocalArtifactStore,
    *,
    older_than_s: float | None = None,
    keep: int = 0,
    everything: bool = False,
) -> PruneReport:
    """Remove finished runs, the executions that no other run uses, and the artifacts that none leases.

    Rows go first, in one transaction. An artifact goes inside a transaction that has seen no lease of it, and a run
    takes its lease before it looks whether the artifact is there, so neither can come between the other's steps.
    A live run is never touched, nor is one that has just ended in another process, which now delivers its product.

    Args:
        ledger: where the runs are.
        store: where their artifacts are.
        older_than_s: spare runs that ended less than so many seconds ago.
        keep: spare so many of the latest finished runs.
        everything: remove unfinished runs too, unless a process works on them.
    """
    with ledger.database.write() as database:
        runs = _removable(ledger, older_than_s, keep, everything)
        database.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in runs])
        executions = database.execute("DELETE FROM executions WHERE key NOT IN (SELECT key FROM uses)").rowcount
    artifacts, freed = _remove_unleased(ledger, store)
    return PruneReport(tuple(runs), executions, tuple(artifacts), freed)


def release(ledger: Ledger, store: LocalArtifactStore, run: str) -> None:
    """Remove a run whose request was refused, and what only it put into the store."""
    artifacts = ledger.leases.of(run)
    ledger.runs.discard(run)
    for artifact in sorted(artifacts):
        with ledger.database.write() as database:
            if not _is_leased(database, artifact):
                store.remove(artifact)


def _removable(ledger: Ledger, older_than_s: float | None, keep: int, everything: bool) -> list[str]:
    records = ledger.runs.latest()
    finished = [record for record in records if record.finished and not _is_delivering(record)][keep:]
    abandoned = [record for record in records if everything and not record.finished and not record.live]
    return [record.id for record in finished + abandoned if _is_old(record, older_than_s)]


def _is_delivering(record: RunRecord) -> bool:
    """Tell whether the process of a run that has just ended may still be copying its product out of the store."""
    fresh = time.time() - record.updated < DELIVERY_S
    return fresh and record.owner.pid != os.getpid() and record.owner.is_alive()


def _is_old(record: RunRecord, older_than_s: float | None) -> bool:
    return older_than_s is None or time.time() - record.updated >= older_than_s


def _remove_unleased(ledger: Ledger, store: LocalArtifactStore) -> tuple[list[str], int]:
    removed: list[str] = []
    freed = 0
    for artifact in store.ids():
        with ledger.database.write() as database:
            if _is_leased(database, artifact):
                continue
            size = store.size(artifact)
            if store.remove(artifact):
                removed.append(artifact)
                freed += size
    return removed, freed


def _is_leased(database: sqlite3.Connection, artifact: str) -> bool:
    return database.execute("SELECT 1 FROM leases WHERE artifact = ?", (artifact,)).fetchone() is not None
