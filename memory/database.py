"""The ledger's SQLite file: how it is opened, written and brought up to date."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..contracts import MachineError
from .faults import named

_BUSY_S = 30.0
_POLL_S = 0.02

# Each entry takes a ledger from the version of its index to the next; entries are added, never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            status TEXT NOT NULL,
            model TEXT NOT NULL,
            model_digest TEXT,
            data_digest TEXT,
            request TEXT NOT NULL,
            out TEXT,
            pid INTEGER NOT NULL,
            process_started REAL NOT NULL,
            elapsed_s REAL NOT NULL DEFAULT 0,
            response TEXT
        ) STRICT
        """,
        "CREATE INDEX runs_by_time ON runs (created)",
        """
        CREATE TABLE trail (
            run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            position INTEGER NOT NULL,
            created REAL NOT NULL,
            kind TEXT NOT NULL,
            once TEXT,
            body TEXT NOT NULL,
            PRIMARY KEY (run, position),
            UNIQUE (run, kind, once)
        ) STRICT
        """,
        """
        CREATE TRIGGER trail_is_append_only BEFORE UPDATE ON trail
        BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END
        """,
        """
        CREATE TABLE executions (
            key TEXT PRIMARY KEY,
            tool TEXT NOT NULL,
            created REAL NOT NULL,
            result TEXT NOT NULL,
            outputs TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE uses (
            run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            key TEXT NOT NULL REFERENCES executions ON DELETE CASCADE,
            PRIMARY KEY (run, key)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE leases (
            run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            artifact TEXT NOT NULL,
            PRIMARY KEY (run, artifact)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX leases_by_artifact ON leases (artifact)",
        """
        CREATE TABLE outcomes (
            id TEXT PRIMARY KEY,
            run TEXT NOT NULL,
            created REAL NOT NULL,
            body TEXT NOT NULL
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE probes (
            hardware TEXT NOT NULL,
            runtime TEXT NOT NULL,
            created REAL NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (hardware, runtime)
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE batches (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,
            zoo TEXT NOT NULL,
            out TEXT NOT NULL UNIQUE
        ) STRICT
        """,
        """
        CREATE TABLE items (
            batch TEXT NOT NULL REFERENCES batches ON DELETE CASCADE,
            name TEXT NOT NULL,
            position INTEGER NOT NULL,
            asked TEXT NOT NULL,
            stamp TEXT,
            content TEXT,
            pid INTEGER,
            process_started REAL,
            row TEXT,
            again INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (batch, name)
        ) STRICT
        """,
        "CREATE INDEX runs_by_out ON runs (out)",
    ),
    # Outcomes get what they are asked for by, and a counter of changes by which an index sees what it has missed.
    (
        "ALTER TABLE outcomes ADD COLUMN model TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE outcomes ADD COLUMN origin TEXT NOT NULL DEFAULT ''",
        "UPDATE outcomes SET model = coalesce(json_extract(body, '$.model'), '') WHERE json_valid(body)",
        "CREATE INDEX outcomes_by_model ON outcomes (model, created)",
        "CREATE INDEX outcomes_by_run ON outcomes (run)",
        "CREATE INDEX outcomes_by_time ON outcomes (created)",
        "CREATE TABLE outcome_log (name TEXT NOT NULL) STRICT",
        "INSERT INTO outcome_log VALUES (lower(hex(randomblob(16))))",
        """
        CREATE TABLE outcome_changes (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE
        ) STRICT
        """,
        "INSERT INTO outcome_changes (id) SELECT id FROM outcomes ORDER BY created, id",
        """
        CREATE TRIGGER outcome_put AFTER INSERT ON outcomes
        BEGIN INSERT OR REPLACE INTO outcome_changes (id) VALUES (new.id); END
        """,
        """
        CREATE TRIGGER outcome_changed AFTER UPDATE ON outcomes
        BEGIN INSERT OR REPLACE INTO outcome_changes (id) VALUES (new.id); END
        """,
        """
        CREATE TRIGGER outcome_forgotten AFTER DELETE ON outcomes
        BEGIN INSERT OR REPLACE INTO outcome_changes (id) VALUES (old.id); END
        """,
    ),
)


def connection(path: Path, *, isolation_level: Literal["DEFERRED"] | None = "DEFERRED") -> sqlite3.Connection:
    """Open a database that threads and processes share: write-ahead log, patient with other writers.

    The state machine's checkpointer gets its connection here too.

    Raises:
        MachineError: the file cannot be opened, or is no database.
    """
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=isolation_level)
        try:
            _write_ahead(opened)
            opened.execute("PRAGMA synchronous = NORMAL")
            opened.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            opened.close()
            raise
    opened.row_factory = sqlite3.Row
    return opened


def _write_ahead(opened: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, waiting for whoever holds the file.

    SQLite's own patience does not reach this switch: where two open a new file at once, one is told at once that it
    is locked.
    """
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            opened.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(_POLL_S)


class Database:
    """One connection, opened at first use, shared by the threads of this process one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._opened: sqlite3.Connection | None = None

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """Yield the connection for statements that change nothing."""
        with self._lock, named(self.path):
            yield self._connection()

    @contextmanager
    def write(self) -> Generator[sqlite3.Connection]:
        """Yield the connection inside a transaction that no other writer can come between.

        It is committed at the end of the block, or rolled back when the block raises.
        """
        with self._lock, named(self.path):
            opened = self._connection()
            opened.execute("BEGIN IMMEDIATE")
            try:
                yield opened
                opened.execute("COMMIT")
            except BaseException:
                if opened.in_transaction:  # SQLite itself rolls back when the disk is full
                    opened.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            opened = connection(self.path, isolation_level=None)
            try:
                _migrate(opened, self.path)
            except BaseException:
                opened.close()
                raise
            self._opened = opened
        return self._opened


def _migrate(opened: sqlite3.Connection, path: Path) -> None:
    if _version(opened) == len(MIGRATIONS):
        return
    opened.execute("BEGIN IMMEDIATE")
    version = _version(opened)  # another process may have been quicker
    if version > len(MIGRATIONS):
        opened.execute("ROLLBACK")
        raise MachineError(f"{path} was written by a newer shipfit (schema {version}); upgrade shipfit")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            opened.execute(statement)
    opened.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    opened.execute("COMMIT")


def _version(opened: sqlite3.Connection) -> int:
    return int(opened.execute("PRAGMA user_version").fetchone()[0])
