"""Start a child from a command of its own, where there is no launcher to fork it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from ...contracts import MachineError
from .launching import Started
from .sandbox import ANSWERS


class Spawner:
    """Starts children as this process's own.

    Args:
        command: starts one; `--answers FD` is appended.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, environment: Mapping[str, str], descriptors: Sequence[int]) -> Started:
        """Start a child whose standard input, output and answers are `descriptors`.

        Raises:
            MachineError: it could not be started.
        """
        requests, output, answers = descriptors
        try:
            process = subprocess.Popen(
                [*self._command, ANSWERS, str(answers)],
                stdin=requests,
                stdout=output,
                stderr=output,
                pass_fds=(answers,),
                start_new_session=True,
                env=dict(environment),
            )
        except OSError as error:
            raise MachineError(f"a worker could not be started: {error.strerror}; free some memory") from error
        self._children[process.pid] = process
        return Started(process.pid, 0.0)

    def has_left(self, pid: int) -> bool:
        """Tell whether a child has ended, without giving its number free where the system can do so."""
        if not hasattr(os, "waitid"):
            return self._children[pid].poll() is not None
        try:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def reap(self, pid: int) -> int:
        """Wait for a child that was killed or has left, and return its exit status (negative: the signal)."""
        return self._children.pop(pid).wait()
