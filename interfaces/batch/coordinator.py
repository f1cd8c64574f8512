"""One process of a batch: its threads, what they tell, and how it stops."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...contracts import BatchRow, BatchSummary, OptimizationError
from .item import Item
from .prepare import Preparer
from .scheduler import Scheduler
from .summary import Summary
from .worker import Notice, Worker

if TYPE_CHECKING:
    from ...agents.service import Service

_LOOK_S = 0.25
_WRITE_EVERY_S = 2.0
# Killed children are gone in milliseconds; a transformation that holds the interpreter is not waited for.
_STOP_S = 30.0


class Board(Protocol):
    """Shows a batch while it runs."""

    def show(self, name: str, notice: Notice) -> None:
        """Show what happened to an item: it begins (None), an event of its run, its row."""
        ...


class Coordinator:
    """Runs a batch with several threads.

    Args:
        open_service: gives each thread a service of its own.
        fail_fast: stop at the first row that is `failed`.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        preparer: Preparer,
        items: Mapping[str, Item],
        out: Path,
        summary: Summary,
        open_service: Callable[[], Service],
        *,
        workers: int,
        fail_fast: bool = False,
    ) -> None:
        self._summary = summary
        self._notices: queue.Queue[tuple[str, Notice]] = queue.Queue()
        self._stopped = threading.Event()
        self._fault: OptimizationError | None = None
        self._written = 0.0
        self._stale = True
        self._services = [open_service() for _ in range(workers)]
        self._workers = [
            Worker(service, scheduler, preparer, items, out, self._tell, self._stopped, fail_fast)
            for service in self._services
        ]

    def run(self, board: Board) -> BatchSummary:
        """Work until every item has its row, and return the summary, which is kept up to date meanwhile.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; the children are gone, and the batch can be resumed.
            MachineError: the ledger or the summary cannot be written.
            Interrupted: a required language model was lost.
        """
        threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"batch-{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                self._look(board)
                if self._stopped.is_set():
                    self._stop(threads)
        except BaseException:
            self._stopped.set()
            self._stop(threads)
            self._summary.write()
            raise
        finally:
            for service in self._services:
                service.ledger.close()
        self._show_rest(board)
        if self._fault is not None:
            raise self._fault
        return self._summary.write()

    def _tell(self, name: str, notice: Notice) -> None:
        self._notices.put((name, notice))

    def _work(self, worker: Worker) -> None:
        try:
            worker.work()
        except OptimizationError as error:  # nothing of what follows could be kept, or be done as asked
            self._fault = self._fault or error
            self._stopped.set()

    def _look(self, board: Board) -> None:
        """Wait a moment for what the threads tell, show it, and bring the summary up to date now and then."""
        try:
            name, notice = self._notices.get(timeout=_LOOK_S)
            board.show(name, notice)
            self._stale = self._stale or notice is None or isinstance(notice, BatchRow)
        except queue.Empty:
            pass
        if self._stale and time.monotonic() - self._written > _WRITE_EVERY_S:
            self._summary.write()
            self._written, self._stale = time.monotonic(), False

    def _show_rest(self, board: Board) -> None:
        while not self._notices.empty():
            board.show(*self._notices.get())

    def _stop(self, threads: list[threading.Thread]) -> None:
        """Kill what runs until the threads have ended: one may just have been about to start another job."""
        deadline = time.monotonic() + _STOP_S
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            for worker in self._workers:
                worker.cancel()
            for thread in threads:
                thread.join(0.1)
