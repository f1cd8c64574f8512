"""Split a fresh child into a guard and a worker.

    coordinator ──► guard ──► worker (runs the tool) ──► whatever the tool starts

The guard holds the pipe from the coordinator and waits: when that pipe ends, however the coordinator died, it kills
everything below itself; when the worker ends, it kills what the worker left behind and ends the same way. It runs no
code of a model, so a worker that hangs in native code, or holds Python's lock, cannot keep it from its duty. The
kernel ends the worker with its guard.

Standard library only, and one thread until the split: what the launcher imported is shared, not used, here.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import NoReturn

from . import platform_linux as system
from .processes import kill_descendants

ANSWERS = "--answers"  # of a child that is started from a command: the descriptor that answers go to
MAX_REQUEST_BYTES = 16 * 2**20
_STDIN = 0


@dataclass(frozen=True)
class Confined:
    """What a confined worker starts with.

    Attributes:
        request: the line that came over standard input.
        answers: file descriptor that messages go to.
        cpu_s: CPU seconds that the child spent before the worker was split off.
    """

    request: bytes
    answers: int
    cpu_s: float


def confine(answers: int) -> Confined:
    """Read the request, fork, and return in the worker, inside its sandbox; the guard never returns.

    Args:
        answers: file descriptor that messages go to.
    """
    request = _read_request()
    forbid_core_dumps()
    system.adopt_orphans()
    guard, spent = os.getpid(), time.process_time()
    worker = os.fork()
    if worker:
        os.close(answers)
        _guard(worker)
    _shut_in(guard)
    os.set_inheritable(answers, False)
    return Confined(request, answers, spent)


def forbid_core_dumps() -> bool:
    """Write no core file, which would hold the model's content."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def _read_request() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(_STDIN, 2**16)
        line += piece
        if not piece or len(line) > MAX_REQUEST_BYTES:
            sys.exit("a worker needs one line of request on standard input, which stays open while it works")
    return bytes(line)


def _shut_in(guard: int) -> None:
    system.die_with_parent(guard)
    system.gain_no_privileges()
    system.deny_network()
    # The guard alone listens to the coordinator.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)


def _guard(worker: int) -> NoReturn:
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    _, status = os.waitpid(worker, 0)
    kill_descendants(os.getpid())
    _end_like(status)


def _end_with_coordinator() -> None:
    while os.read(_STDIN, 2**16):
        pass
    kill_descendants(os.getpid())
    os.killpg(0, signal.SIGKILL)


def _end_like(status: int) -> NoReturn:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        faulthandler.disable()  # the worker's own report has been written
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        signal.pause()
    os._exit(code)
