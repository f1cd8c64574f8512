"""`summary.json`, `summary.csv` and `summary.html`: written together, each at once or not at all."""

from __future__ import annotations

import csv
import io
import os
import resource
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from ...contracts import BatchRow, BatchSummary, MachineError
from ...memory.batches import BatchRecord, ItemRecord
from ...memory.ledger import Ledger
from .html import render_summary
from .item import Item
from .rows import waiting_row
from .scheduler import Scheduler

# A cell that begins with one of these is a formula to spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Summary:
    """What a batch has come to, from the ledger, for whoever looks at its folder.

    Args:
        locks: folder of the lock that keeps an older state from replacing a newer one where processes share a batch.
    """

    def __init__(
        self, ledger: Ledger, batch: BatchRecord, items: Mapping[str, Item], scheduler: Scheduler, locks: Path
    ) -> None:
        self._ledger = ledger
        self._batch = batch
        self._items = items
        self._scheduler = scheduler
        self._lock = locks / f"batch-{batch.id}.lock"

    def write(self) -> BatchSummary:
        """Write the three files and return what they say.

        Raises:
            MachineError: they cannot be written.
        """
        out = Path(self._batch.out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._lock):
                summary = self.read()
                _replace(out / "summary.json", summary.model_dump_json(indent=2) + "\n")
                _replace(out / "summary.csv", to_csv(summary))
                _replace(out / "summary.html", render_summary(summary))
        except OSError as error:
            raise MachineError(f"the summary cannot be written to {str(out)!r}: {error.strerror}; mend that") from error
        return summary

    def read(self) -> BatchSummary:
        """Return what the ledger knows of the batch now."""
        records = {record.name: record for record in self._ledger.batches.items(self._batch.id)}
        rows = tuple(self._row(item, records.get(name)) for name, item in self._items.items())
        return BatchSummary(
            batch=self._batch.id,
            zoo=self._batch.zoo,
            out=self._batch.out,
            created=self._batch.created,
            updated=time.time(),
            complete=all(record.row is not None for record in records.values()),
            counts=dict(Counter(row.status for row in rows)),
            coordinator_peak_bytes=_peak_bytes(),
            models=rows,
        )

    def _row(self, item: Item, record: ItemRecord | None) -> BatchRow:
        if record is not None and record.row is not None:
            return record.row
        running = record is not None and self._scheduler.is_leased(record)
        begun = not running and self._ledger.runs.latest_on(Path(self._batch.out) / item.name) is not None
        return waiting_row(item, running=running, begun=begun)


def exit_status(summary: BatchSummary, machine_at_fault: bool) -> int:
    """Return the exit status of a batch: 0 all met, 1 it could not finish, 3 some row is anything else."""
    if machine_at_fault:
        return 1
    return 0 if all(row.status == "met" for row in summary.models) else 3


def to_csv(summary: BatchSummary) -> str:
    """Return the rows as CSV; no cell that a spreadsheet would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = list(BatchRow.model_fields)
    writer.writerow(columns)
    for row in summary.models:
        values = row.model_dump(mode="json")
        writer.writerow([_cell(values[name]) for name in columns])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
