"""Look at and end a process with all of its descendants."""

from __future__ import annotations

import os
import signal
import time

from . import platform_linux as system

# How long killed processes may take to vanish; the kernel needs milliseconds, more when it frees gigabytes.
_VANISH_S = 5.0


def _children(pid: int) -> list[int]:
    try:
        return system.children(pid)
    except NotImplementedError:
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, parents first."""
    found: list[int] = []
    todo = [pid]
    while todo:
        below = _children(todo.pop())
        found += below
        todo += below
    return found


def resident_bytes(pids: list[int]) -> int:
    """Return the summed resident size in bytes; memory that processes share counts once for each."""
    if os.path.exists("/proc/self/statm"):
        return sum(map(system.resident_bytes, pids))
    import psutil

    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def kill(pids: list[int]) -> None:
    """Send SIGKILL to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def kill_descendants(pid: int) -> list[int]:
    """Kill everything below `pid` until nothing new appears; return what was killed.

    A process that forks while it is looked at shows up in the next round.
    """
    killed: list[int] = []
    while fresh := [found for found in descendants(pid) if found not in killed]:
        kill(fresh)
        killed += fresh
    return killed


def wait_until_gone(pids: list[int]) -> bool:
    """Wait until none of `pids` runs any more, for a few seconds at most."""
    deadline = time.monotonic() + _VANISH_S
    while any(map(_runs, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists("/proc/self/stat"):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
