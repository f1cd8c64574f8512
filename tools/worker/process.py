"""One child process: started with its pipes, killed with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

from ...contracts import MachineError
from . import processes
from .sandbox import ANSWERS

_LEAVE_S = 10.0


class ChildProcess:
    """A guard and everything below it, in a session of its own.

    Attributes:
        answers: descriptor that messages are read from.
        output: descriptor that standard output and error are read from.
        request: descriptor of the child's standard input; closing it ends the child.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.answers, answers = os.pipe()
        self.output, output = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, ANSWERS, str(answers)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(answers,),
                start_new_session=True,
                env=dict(environment),
                bufsize=0,
            )
        except OSError as error:
            os.close(self.answers)
            os.close(self.output)
            raise MachineError(f"a worker could not be started: {error.strerror}; free some memory") from error
        finally:
            os.close(answers)
            os.close(output)
        assert self._process.stdin is not None
        self.request = self._process.stdin.fileno()
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._close()

    def resident_bytes(self) -> int:
        """Return the resident size of what runs below the guard."""
        return processes.resident_bytes(processes.descendants(self._process.pid))

    def leave(self) -> int:
        """Wait for a child that closed its pipe, and return its exit status (negative: the signal).

        One that does not leave by itself is killed.
        """
        deadline = time.monotonic() + _LEAVE_S
        while not self._has_left() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.kill()
        return self._process.returncode

    def _has_left(self) -> bool:
        # Not reaped yet: until it is, its number and its group's cannot become somebody else's.
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def kill(self) -> None:
        """Kill the guard and everything below it, and wait until they are gone. Any thread may ask, repeatedly."""
        with self._lock:
            if self._ended:
                return
            below = processes.kill_descendants(self._process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself, with its group
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._ended = True
        processes.wait_until_gone(below)

    def _close(self) -> None:
        os.close(self.answers)
        os.close(self.output)
        assert self._process.stdin is not None
        self._process.stdin.close()
