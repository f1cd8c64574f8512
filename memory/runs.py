"""Runs: what was asked, by which process it is worked on, how it ended."""

from __future__ import annotations

import math
import os
import secrets
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import ValidationError

from ..contracts import Contract, MachineError, OptimizationResponse, Request, RequestError, RunStatus
from .database import Database
from .owner import Owner, this_process

LedgerStatus = Literal["running", "interrupted", "waiting"] | RunStatus
T = TypeVar("T", bound=Contract)
# Runs that are read at once where all may be asked for.
_AT_ONCE = 100
FINISHED: frozenset[str] = frozenset(get_args(RunStatus))


@dataclass(frozen=True)
class RunRecord:
    """One row of the ledger.

    Attributes:
        created, updated: seconds since the epoch.
        model: path as requested.
        model_digest, data_digest: artifact ids of the admitted model and of the canonical data, once known.
        out: absolute folder that receives the product.
        elapsed_s: seconds that count against the run's budget, over all its processes.
    """

    id: str
    created: float
    updated: float
    status: LedgerStatus
    model: str
    model_digest: str | None
    data_digest: str | None
    request_json: str
    out: str | None
    owner: Owner
    elapsed_s: float
    response_json: str | None

    @property
    def request(self) -> Request:
        """What was asked."""
        return self._read(Request, self.request_json)

    @property
    def response(self) -> OptimizationResponse | None:
        """What was answered, once the run has ended."""
        return None if self.response_json is None else self._read(OptimizationResponse, self.response_json)

    def _read(self, kind: type[T], body: str) -> T:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise MachineError(
                f"what the ledger keeps of run {self.id} is damaged or of another version; start it anew, and remove "
                "it with: shipfit runs prune --all"
            ) from error

    @property
    def finished(self) -> bool:
        """Whether it has a final status."""
        return self.status in FINISHED

    @property
    def live(self) -> bool:
        """Whether a process works on it now."""
        return self.status == "running" and self.owner.is_alive()

    @property
    def state(self) -> LedgerStatus:
        """Its status; a run that was killed could not write that it was interrupted."""
        return "interrupted" if self.status == "running" and not self.live else self.status


class Runs:
    """The runs of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, request: Request, out: Path | None = None) -> RunRecord:
        """Enter a new run of this process.

        Raises:
            RequestError: a live run delivers to the same folder.
        """
        now = time.time()
        owner = this_process()
        place = _place(out)
        with self._database.write() as database:
            _refuse_taken(database, place)
            run = _new_id(database, now)
            database.execute(
                "INSERT INTO runs (id, created, updated, status, model, request, out, pid, process_started)"
                " VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?)",
                (run, now, now, request.model, request.model_dump_json(), place, owner.pid, owner.started),
            )
            return _one(database, run)

    def update(
        self,
        run: str,
        *,
        status: LedgerStatus | None = None,
        model_digest: str | None = None,
        data_digest: str | None = None,
        elapsed_s: float | None = None,
        out: Path | None = None,
    ) -> None:
        """Change what is given, and leave the rest."""
        with self._database.write() as database:
            database.execute(
                "UPDATE runs SET updated = ?, status = coalesce(?, status), model_digest = coalesce(?, model_digest),"
                " data_digest = coalesce(?, data_digest), elapsed_s = coalesce(?, elapsed_s), out = coalesce(?, out)"
                " WHERE id = ?",
                (time.time(), status, model_digest, data_digest, elapsed_s, _place(out), run),
            )

    def finish(
        self, run: str, status: RunStatus, response: OptimizationResponse | None = None, elapsed_s: float | None = None
    ) -> None:
        """Give a run its final status, with its response where there is one."""
        body = None if response is None else response.model_dump_json()
        with self._database.write() as database:
            database.execute(
                "UPDATE runs SET updated = ?, status = ?, response = ?, elapsed_s = coalesce(?, elapsed_s)"
                " WHERE id = ?",
                (time.time(), status, body, elapsed_s, run),
            )

    def discard(self, run: str) -> None:
        """Remove a run whose request turned out to be wrong, as if it had never been entered."""
        with self._database.write() as database:
            database.execute("DELETE FROM runs WHERE id = ?", (run,))

    def get(self, name: str) -> RunRecord:
        """Return the run whose id is `name`, or begins with it.

        Raises:
            RequestError: there is none, or there are several.
        """
        with self._database.read() as database:
            return _named(database, name)

    def latest(self, limit: int | None = None) -> list[RunRecord]:
        """Return the runs, the latest first."""
        with self._database.read() as database:
            rows = database.execute(
                "SELECT * FROM runs ORDER BY created DESC, id DESC LIMIT ?", (-1 if limit is None else limit,)
            )
            return [_record(row) for row in rows]

    def each(self, before: RunRecord | None = None) -> Iterator[RunRecord]:
        """Yield the runs, the latest first, from the one after `before` on.

        They are read as they are asked for, some at a time: a ledger may hold many thousands, with their reports.
        """
        at, name = (math.inf, "") if before is None else (before.created, before.id)
        while True:
            with self._database.read() as database:
                rows = database.execute(
                    "SELECT * FROM runs WHERE (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT ?",
                    (at, name, _AT_ONCE),
                ).fetchall()
            yield from map(_record, rows)
            if len(rows) < _AT_ONCE:
                return
            at, name = rows[-1]["created"], rows[-1]["id"]

    def latest_unfinished(self) -> RunRecord:
        """Return the latest run that has not ended and whose process is gone.

        Raises:
            RequestError: there is none.
        """
        for record in self.latest():
            if not record.finished and not record.live:
                return record
        raise RequestError("there is no unfinished run to resume; `shipfit runs list` shows all")

    def claim(self, name: str) -> RunRecord:
        """Take an unfinished run over for this process; of several that try, one succeeds.

        Raises:
            RequestError: there is no such run, it has ended, or its process still works on it.
        """
        owner = this_process()
        with self._database.write() as database:
            record = _named(database, name)
            if record.finished:
                raise RequestError(f"run {record.id} has ended ({record.status}); start a new one")
            if record.live:
                raise RequestError(f"run {record.id} is being worked on by process {record.owner.pid}")
            _refuse_taken(database, record.out)
            database.execute(
                "UPDATE runs SET updated = ?, status = 'running', pid = ?, process_started = ? WHERE id = ?",
                (time.time(), owner.pid, owner.started, record.id),
            )
            return _one(database, record.id)

    @contextmanager
    def taken_over(self, name: str) -> Generator[RunRecord]:
        """Claim a run and yield it; where what follows fails, it is left to be resumed by whoever comes next.

        Raises:
            RequestError: as `claim` says.
        """
        record = self.claim(name)
        try:
            yield record
        except BaseException:
            self.update(record.id, status="interrupted")
            raise

    def latest_on(self, out: Path) -> RunRecord | None:
        """Return the latest run that delivers, or has delivered, to `out`."""
        with self._database.read() as database:
            row = database.execute(
                "SELECT * FROM runs WHERE out = ? ORDER BY created DESC, id DESC LIMIT 1", (_place(out),)
            ).fetchone()
        return None if row is None else _record(row)

    def vacate(self, out: Path) -> None:
        """Let no run deliver to `out` any more: what the runs made there is to be made anew."""
        with self._database.write() as database:
            database.execute("UPDATE runs SET out = NULL WHERE out = ?", (_place(out),))

    def live_on(self, out: Path) -> RunRecord | None:
        """Return the live run that delivers to `out`, if there is one."""
        with self._database.read() as database:
            return _live_on(database, _place(out))


def _place(out: Path | None) -> str | None:
    return None if out is None else os.path.abspath(out)


def _refuse_taken(database: sqlite3.Connection, out: str | None) -> None:
    taken = _live_on(database, out)
    if taken is not None:
        raise RequestError(f"run {taken.id} is delivering to {out}; give this one another --out")


def _live_on(database: sqlite3.Connection, out: str | None) -> RunRecord | None:
    rows = database.execute("SELECT * FROM runs WHERE out = ? AND status = 'running'", (out,)).fetchall()
    return next((record for record in map(_record, rows) if record.live), None)


def _new_id(database: sqlite3.Connection, now: float) -> str:
    while True:
        run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(2)}"
        if not database.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            return run


def _one(database: sqlite3.Connection, run: str) -> RunRecord:
    return _record(database.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone())


def _named(database: sqlite3.Connection, name: str) -> RunRecord:
    rows = database.execute(
        "SELECT * FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 6", (len(name), name)
    ).fetchall()
    exact = [row for row in rows if row["id"] == name]
    if not name or not rows:
        raise RequestError(f"there is no run {name!r}; `shipfit runs list` shows all")
    if len(rows) > 1 and not exact:
        matches = ", ".join(row["id"] for row in rows[:5])
        raise RequestError(f"run {name!r} could be {matches}; give more of its id")
    return _record((exact or rows)[0])


def _record(row: sqlite3.Row) -> RunRecord:
    return RunRecord(
        id=row["id"],
        created=row["created"],
        updated=row["updated"],
        status=row["status"],
        model=row["model"],
        model_digest=row["model_digest"],
        data_digest=row["data_digest"],
        request_json=row["request"],
        out=row["out"],
        owner=Owner(row["pid"], row["process_started"]),
        elapsed_s=row["elapsed_s"],
        response_json=row["response"],
    )
