"""The coordinator's side of a launcher: start it, ask it for children, learn how they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

from ...contracts import MachineError, WorkerCrashed, WorkerTimeout
from .launcher import LAUNCHER
from .messages import clean

_PIECE = 64 * 2**10
_LAST_WORDS = 8 * 2**10


class Started(NamedTuple):
    """A child that was forked: its number, and the CPU seconds that the launcher spent since the one before."""

    pid: int
    cpu_s: float


class Launcher:
    """A process that forks children; it leaves when this object is closed or gone.

    Any thread may ask.

    Args:
        command: starts it; `--launcher FD` is appended.
        environment: its variables; what libraries read when they are imported holds for all its children.
        patience_s: how long it may take for an answer.

    Raises:
        MachineError: it could not be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], patience_s: float) -> None:
        self._patience_s = patience_s
        self._socket, theirs = socket.socketpair()
        words = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the launcher lives
        try:
            process = subprocess.Popen(
                [*command, LAUNCHER, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=dict(environment),
            )
        except OSError as error:
            self._socket.close()
            words.close()
            raise MachineError(f"a worker could not be started: {error.strerror}; free some memory") from error
        finally:
            theirs.close()
        self._words = words
        self._lock = threading.Lock()
        self.close = weakref.finalize(self, _close, self._socket, process, words)

    def start(self, environment: Mapping[str, str], descriptors: Sequence[int]) -> Started:
        """Have a child forked whose standard input, output and answers are `descriptors`.

        Raises:
            WorkerTimeout: the launcher said nothing for as long as it may take.
            WorkerCrashed: it left.
            MachineError: it could not fork.
        """
        request = {"ask": "start", "environment": dict(environment)}
        answer = self._ask(request, descriptors)
        if "error" in answer:
            raise MachineError(f"a worker could not be started: {answer['error']}; free some memory")
        return Started(answer["pid"], answer["cpu_s"])

    def has_left(self, pid: int) -> bool:
        """Tell whether a child has ended, however it did."""
        try:
            return bool(self._ask({"ask": "left", "pid": pid})["left"])
        except (WorkerCrashed, WorkerTimeout):
            return True

    def reap(self, pid: int) -> int:
        """Wait for a child that was killed or has left, and return its exit status (negative: the signal)."""
        try:
            return int(self._ask({"ask": "reap", "pid": pid})["status"])
        except (WorkerCrashed, WorkerTimeout):
            return -signal.SIGKILL  # whoever killed the launcher; nobody knows any more

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                return self._answer(json.dumps(request).encode() + b"\n", descriptors)
            except TimeoutError as error:
                self.close()
                raise WorkerTimeout(f"no worker was started within {self._patience_s:g} s") from error
            except OSError as error:
                raise self._has_ended() from error
            except BaseException:
                self.close()  # its answer would be taken for that to the next question
                raise

    def _has_ended(self) -> WorkerCrashed:
        said = "" if self._words.closed else _last_words(self._words)
        status = self.close()
        details = {"output": said, "exit_status": -signal.SIGKILL if status is None else status}
        return WorkerCrashed("the launcher of workers has ended", details=details)

    def _answer(self, line: bytes, descriptors: Sequence[int]) -> dict[str, Any]:
        self._socket.settimeout(self._patience_s)
        sent = socket.send_fds(self._socket, [line], list(descriptors))
        self._socket.sendall(line[sent:])
        heard = b""
        while not heard.endswith(b"\n"):
            piece = self._socket.recv(_PIECE)
            if not piece:
                raise ConnectionResetError
            heard += piece
        return json.loads(heard)


def _last_words(words: IO[bytes]) -> str:
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - _LAST_WORDS))
    return clean(words.read().decode(errors="replace"))


def _close(connection: socket.socket, process: subprocess.Popen[bytes], words: IO[bytes]) -> int:
    """Have the launcher leave, and return its exit status once it has; one that was stopped or hangs is killed."""
    connection.close()
    words.close()
    try:
        return process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
