"""One thread of a batch: it takes one item after the other, and brings each to its row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...contracts import (
    BatchRow,
    Event,
    Interrupted,
    MachineError,
    OptimizationError,
    OptimizationResponse,
)
from ..delivery import DELIVERED, deliver_run
from ..faults import fault_of
from .files import content, stamp
from .item import Item
from .prepare import Preparer
from .product import clear_remains, delivered_run
from .rows import failed_row, row_of
from .scheduler import Scheduler

if TYPE_CHECKING:
    from ...agents.service import Service

Notice = Event | BatchRow | None
# What is left for others to finish is looked at this often.
_POLL_S = 0.5


class Worker:
    """Works on the items of a batch until none is left or it is stopped.

    Args:
        service: of this thread alone: its executor runs, and kills, the jobs of this thread's runs only.
        items: by name.
        out: folder of the batch.
        tell: is told what happens to which item: None as it begins, events, its row as it ends.
        fail_fast: stop everything at the first row that is `failed`.
    """

    def __init__(
        self,
        service: Service,
        scheduler: Scheduler,
        preparer: Preparer,
        items: Mapping[str, Item],
        out: Path,
        tell: Callable[[str, Notice], None],
        stopped: threading.Event,
        fail_fast: bool,
    ) -> None:
        self._service = service
        self._scheduler = scheduler
        self._preparer = preparer
        self._items = items
        self._out = out
        self._tell = tell
        self._stopped = stopped
        self._fail_fast = fail_fast
        self._run: str | None = None

    def work(self) -> None:
        """Take items until every item has its row, or until stopped."""
        while not self._stopped.is_set():
            found = self._scheduler.next()
            if found is not None:
                self._work_on(found.name)
            elif self._scheduler.is_complete():
                return
            else:
                self._stopped.wait(_POLL_S)

    def cancel(self) -> None:
        """End what is running now; may be called again and again until the thread has ended."""
        self._service.executor.cancel()
        if (run := self._run) is not None:
            self._service.cancel(run)

    def _work_on(self, name: str) -> None:
        item = self._items[name]
        self._tell(name, None)
        try:
            row, again = self._bring_to_row(item)
        except Interrupted:
            self._scheduler.release(name)
            if not self._stopped.is_set():
                raise
            return
        finally:
            self._run = None
        self._scheduler.finish(row, again=again)
        self._tell(name, row)
        if self._fail_fast and row.status == "failed":
            self._stopped.set()

    def _bring_to_row(self, item: Item) -> tuple[BatchRow, bool]:
        """Return the row of an item, and whether a resumed batch should try it again: the machine was at fault."""
        out = self._out / item.name
        try:
            response = self._product(item, out)
        except Interrupted:
            raise
        except OptimizationError as error:
            return failed_row(item, error, self._failed(out, error)), isinstance(error, MachineError)
        except Exception as error:  # noqa: BLE001 - the last door of one model: the traceback is saved, the others go on
            fault = fault_of(error)
            return failed_row(item, fault, self._failed(out, fault)), True
        return row_of(item, response), False

    def _failed(self, out: Path, error: OptimizationError) -> str | None:
        """Close the run of an item that cannot go on, unless a mended machine lets it; returns its id."""
        record = self._service.ledger.runs.latest_on(out)
        if record is None or record.finished:
            return None
        if not isinstance(error, MachineError):
            self._service.ledger.runs.finish(record.id, "failed")
        return record.id

    def _product(self, item: Item, out: Path) -> OptimizationResponse:
        """Bring an item's run to its end, from wherever it was left, and deliver its product."""
        sources = self._preparer.sources(item)
        self._scheduler.begin(item.name, stamp(sources), content(sources))
        clear_remains(out)
        run = self._finished(out) or self._follow(item, self._begin(item, out))
        response = self._service.response(run)
        if delivered_run(out) == run:
            self._service.ledger.trail.append(run, DELIVERED, {"out": str(out)}, once=DELIVERED)
            return response
        return deliver_run(self._service, run)

    def _finished(self, out: Path) -> str | None:
        """Return the run that has ended but was killed before its product was delivered or its row written."""
        record = self._service.ledger.runs.latest_on(out)
        return record.id if record is not None and record.finished and record.response_json else None

    def _begin(self, item: Item, out: Path) -> str:
        """Start the run of an item, or take over the one that was killed."""
        from ...agents.language.words import WordReader

        record = self._service.ledger.runs.latest_on(out)
        if record is not None and not record.finished:
            self._preparer.request(item, out)  # what is not allowed any more does not go on either
            try:
                return self._service.resume(record.id)
            except MachineError:  # its model or data are gone from the store: it starts from the beginning
                self._service.ledger.runs.finish(record.id, "failed")
        reader = WordReader(self._service.settings)
        try:
            request = self._preparer.request(item, out, reader)
            self._service.ledger.runs.vacate(out)
            return self._service.start(request, reader.advised)
        except OptimizationError:
            reader.advised.close()
            raise

    def _follow(self, item: Item, run: str) -> str:
        self._run = run
        if self._stopped.is_set():
            self._service.cancel(run)
            raise Interrupted("the batch was stopped")
        for event in self._service.events(run):
            self._tell(item.name, event)
        return run
