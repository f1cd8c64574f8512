"""The process that children are forked from: it has imported what every tool needs, once for all jobs of an executor.

    coordinator ──► launcher ──► guard ──► worker (runs the tool)

It runs no tool and reads no model: it forks when it is asked to, tells how guards end, and leaves when the
coordinator's end of the socket closes. A guard's number stays taken until the coordinator has it reaped.

Standard library only; what is to be imported beforehand is imported by whoever calls `serve`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from typing import Any

LAUNCHER = "--launcher"
_PIECE = 64 * 2**10


def serve(arguments: list[str]) -> int:
    """Fork for each child that is asked for; return only in these, with the descriptor that answers go to.

    Args:
        arguments: `--launcher FD` as the executor appends it.
    """
    coordinator = _socket(arguments)
    guards = _Guards()
    while True:
        request, descriptors = _hear(coordinator)
        if request["ask"] == "start":
            answer = guards.fork()
            if not answer:
                coordinator.close()
                return _move_in(request, descriptors)
            # What one child speaks through is not open here when the next is forked.
            for descriptor in descriptors:
                os.close(descriptor)
        elif request["ask"] == "left":
            answer = {"left": guards.have_left(request["pid"])}
        else:
            answer = {"status": guards.reap(request["pid"])}
        coordinator.sendall(json.dumps(answer).encode() + b"\n")


def _socket(arguments: list[str]) -> socket.socket:
    if len(arguments) != 2 or arguments[0] != LAUNCHER or not arguments[1].isdecimal():
        sys.exit(f"a worker is started by an executor: expected {LAUNCHER} FD, a socket that asks for it")
    return socket.socket(fileno=int(arguments[1]))


def _hear(coordinator: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return a request and the descriptors that came with it; leave once there can be none."""
    line, descriptors, _, _ = socket.recv_fds(coordinator, _PIECE, 3)
    while line and not line.endswith(b"\n"):
        piece = coordinator.recv(_PIECE)
        line = line + piece if piece else b""
    if not line:
        os._exit(0)
    return json.loads(line), descriptors


def _move_in(request: dict[str, Any], descriptors: list[int]) -> int:
    """Take a session, an environment and standard streams of its own, and return where answers go."""
    requests, output, answers = descriptors
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # found by something that was imported, in the environment of another job
    for descriptor, streams in ((requests, (0,)), (output, (1, 2))):
        for stream in streams:
            os.dup2(descriptor, stream)
        os.close(descriptor)
    return answers


class _Guards:
    """The children of the launcher, and what starting them has cost it."""

    def __init__(self) -> None:
        self._told_s = 0.0
        self._ended: dict[int, int] = {}

    def fork(self) -> dict[str, Any]:
        """Return a child's number with the CPU seconds spent since the last one, or nothing in the child itself."""
        try:
            pid = os.fork()
        except OSError as error:
            return {"error": error.strerror}
        if not pid:
            return {}
        spent_s = time.process_time()
        cpu_s, self._told_s = spent_s - self._told_s, spent_s
        return {"pid": pid, "cpu_s": cpu_s}

    def have_left(self, pid: int) -> bool:
        """Tell whether a child has ended, without giving its number free where the system can do so."""
        if hasattr(os, "waitid"):
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            self._ended[pid] = status
        return bool(done)

    def reap(self, pid: int) -> int:
        """Wait for a child's end, and return its exit status (negative: the signal)."""
        status = self._ended.pop(pid) if pid in self._ended else os.waitpid(pid, 0)[1]
        return os.waitstatus_to_exitcode(status)
