"""What machines are, so that each is measured once for each version of its runtime."""

from __future__ import annotations

import time

from pydantic import ValidationError

from ..contracts import HostProbe
from .database import Database


class Probes:
    """The probes of a ledger, one for each pair of hardware and runtime."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, hardware: str, runtime: str) -> tuple[HostProbe, float] | None:
        """Return the probe and its age in seconds, or None without a readable one."""
        with self._database.read() as database:
            row = database.execute(
                "SELECT created, body FROM probes WHERE hardware = ? AND runtime = ?", (hardware, runtime)
            ).fetchone()
        if row is None:
            return None
        try:
            return HostProbe.model_validate_json(row["body"]), time.time() - float(row["created"])
        except ValidationError:
            return None

    def keep(self, probe: HostProbe) -> None:
        """Keep a probe in place of an earlier one of the same hardware and runtime."""
        with self._database.write() as database:
            database.execute(
                "INSERT OR REPLACE INTO probes (hardware, runtime, created, body) VALUES (?, ?, ?, ?)",
                (probe.fingerprint, probe.runtime, time.time(), probe.model_dump_json()),
            )
