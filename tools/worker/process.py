"""One child process: started with its pipes, killed with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from . import processes
from .launching import Started

_LEAVE_S = 10.0


class Parent(Protocol):
    """What starts children and learns how they end: a `Launcher`, or a `Spawner`."""

    def start(self, environment: Mapping[str, str], descriptors: Sequence[int]) -> Started:
        """Start a child whose standard input, output and answers are `descriptors`."""
        ...

    def has_left(self, pid: int) -> bool:
        """Tell whether a child has ended; its number is not given free."""
        ...

    def reap(self, pid: int) -> int:
        """Wait for a child that was killed or has left, and return its exit status (negative: the signal)."""
        ...


class ChildProcess:
    """A child and everything below it, in a session of its own.

    Args:
        parent: starts it.
        environment: its variables.

    Attributes:
        answers: descriptor that messages are read from.
        output: descriptor that standard output and error are read from.
        request: descriptor of the child's standard input; closing it ends the child.
        launching_cpu_s: CPU seconds that starting it took, with what the launcher imported if it is the first.
    """

    def __init__(self, parent: Parent, environment: Mapping[str, str]) -> None:
        theirs, self.request = os.pipe()
        self.output, output = os.pipe()
        self.answers, answers = os.pipe()
        self._parent = parent
        self._lock = threading.Lock()
        self._status: int | None = None
        try:
            self._pid, self.launching_cpu_s = parent.start(environment, (theirs, output, answers))
        except BaseException:
            self._close()
            raise
        finally:
            for end in (theirs, output, answers):
                os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._close()

    def resident_bytes(self) -> int:
        """Return the resident size of what runs below the child."""
        return processes.resident_bytes(processes.descendants(self._pid))

    def leave(self) -> int:
        """Wait for a child that closed its pipe, and return its exit status (negative: the signal).

        One that does not leave by itself is killed.
        """
        deadline = time.monotonic() + _LEAVE_S
        # Not reaped yet: until it is, its number and its group's cannot become somebody else's.
        while not self._parent.has_left(self._pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.kill()

    def kill(self) -> int:
        """Kill the guard and everything below it, wait until they are gone, and return the guard's exit status.

        Any thread may ask, repeatedly.
        """
        with self._lock:
            if self._status is not None:
                return self._status
            below = processes.kill_descendants(self._pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself, with its group
                os.killpg(self._pid, signal.SIGKILL)
            self._status = self._parent.reap(self._pid)
        processes.wait_until_gone(below)
        return self._status

    def _close(self) -> None:
        for end in (self.request, self.output, self.answers):
            os.close(end)
