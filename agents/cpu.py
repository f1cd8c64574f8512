"""CPU time of one run, where a process may work on several at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

# Several runs that begin at once would import the same modules in several threads, and each find them half made.
_IMPORTING = threading.RLock()


class CpuMeter:
    """Adds up the CPU seconds that threads spend on one run.

    Args:
        alone: this process works on nothing else, so that all of its CPU time is the run's, threads of libraries too.
    """

    def __init__(self, *, alone: bool = True) -> None:
        self._alone = alone
        self._lock = threading.Lock()
        self._counted_s = 0.0
        self.imports_s = 0.0

    @property
    def own_s(self) -> float:
        """CPU seconds without those of importing third-party packages."""
        with self._lock:
            return (time.process_time() if self._alone else self._counted_s) - self.imports_s

    def add_imports(self, seconds: float) -> None:
        """Count CPU seconds of this process as third-party start-up that were spent before there was a meter."""
        with self._lock:
            self.imports_s += seconds
            self._counted_s += seconds

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count what this thread does inside the block; blocks of one thread are not nested."""
        before = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._counted_s += time.thread_time() - before

    @contextmanager
    def imports(self) -> Generator[None]:
        """Count the CPU time of what is imported and opened inside the block as third-party start-up.

        Inside `counted`, unless the process is the run's alone. One thread at a time imports.
        """
        with _IMPORTING:
            clock = time.process_time if self._alone else time.thread_time
            before = clock()
            yield
            with self._lock:
                self.imports_s += clock() - before
