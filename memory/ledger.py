"""The run ledger: one SQLite file, from which everything but the artifacts themselves can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from .batches import Batches
from .database import Database
from .executions import Executions
from .leases import Leases
from .outcome_log import OutcomeLog
from .probes import Probes
from .runs import Runs
from .trail import Trail


class Ledger:
    """What this installation has done. Threads and processes may share it.

    Attributes:
        database: the file; `prune` uses it for what concerns several tables.
        runs, trail, executions, leases, outcomes, probes, batches: its parts.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.runs = Runs(self.database)
        self.trail = Trail(self.database)
        self.executions = Executions(self.database)
        self.leases = Leases(self.database)
        self.outcomes = OutcomeLog(self.database)
        self.probes = Probes(self.database)
        self.batches = Batches(self.database)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
