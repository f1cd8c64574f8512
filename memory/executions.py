"""Finished jobs by their key, so that a resumed or repeated run does no work twice."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from ..contracts import ArtifactRef, JobResult
from .database import Database


@dataclass(frozen=True)
class Execution:
    """A finished job: the child's answer, and its outputs (role → artifact in the store)."""

    key: str
    tool: str
    result: JobResult
    outputs: dict[str, ArtifactRef]


class Executions:
    """The executions of a ledger. Failures are not kept: the next time may go well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str, run: str) -> Execution | None:
        """Return the execution of `key`, if there is one, and lease its outputs to `run` in the same breath."""
        with self._database.write() as database:
            row = database.execute("SELECT * FROM executions WHERE key = ?", (key,)).fetchone()
            execution = None if row is None else _execution(row)
            if execution is not None:
                _use(database, run, execution)
            return execution

    def record(self, key: str, tool: str, result: JobResult, outputs: Mapping[str, ArtifactRef], run: str) -> Execution:
        """Keep the answer to `key`, and lease its outputs to `run`."""
        execution = Execution(key, tool, result, dict(outputs))
        body = json.dumps({role: ref.model_dump() for role, ref in outputs.items()})
        with self._database.write() as database:
            database.execute(
                "INSERT INTO executions (key, tool, created, result, outputs) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET tool = excluded.tool, created = excluded.created,"
                " result = excluded.result, outputs = excluded.outputs",
                (key, tool, time.time(), result.model_dump_json(), body),
            )
            _use(database, run, execution)
        return execution

    def forget(self, key: str) -> None:
        """Drop the execution of `key`, as when an output of it is lost."""
        with self._database.write() as database:
            database.execute("DELETE FROM executions WHERE key = ?", (key,))


def _use(database: sqlite3.Connection, run: str, execution: Execution) -> None:
    database.execute("INSERT OR IGNORE INTO uses (run, key) VALUES (?, ?)", (run, execution.key))
    database.executemany(
        "INSERT OR IGNORE INTO leases (run, artifact) VALUES (?, ?)",
        [(run, ref.id) for ref in execution.outputs.values()],
    )


def _execution(row: sqlite3.Row) -> Execution | None:
    """Return the row as an execution, or None where an older version wrote what this one cannot read."""
    try:
        outputs = {role: ArtifactRef.model_validate(ref) for role, ref in json.loads(row["outputs"]).items()}
        return Execution(row["key"], row["tool"], JobResult.model_validate_json(row["result"]), outputs)
    except ValidationError:
        return None
