"""Run a command as a user would, and watch what its own process costs, apart from the children that do the work."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from pydantic import BaseModel

_EVERY_S = 0.02
_TICK = os.sysconf("SC_CLK_TCK")


class Watched(BaseModel):
    """A command that has ended.

    Attributes:
        status: exit status, negative for a signal.
        wall_s: from start to end.
        own_cpu_s: CPU seconds of the process itself; `children_cpu_s`: of all that it waited for.
        peak_bytes: the process's own peak resident size.
    """

    command: list[str]
    status: int
    stdout: str
    stderr: str
    wall_s: float
    own_cpu_s: float
    children_cpu_s: float
    peak_bytes: int


def watch(
    command: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    limit_s: float = 600.0,
    on_line: Callable[[str, int], None] | None = None,
) -> Watched:
    """Run `command` in `folder` and return what it said and cost.

    Args:
        command: program and arguments.
        folder: working directory.
        environment: added to this process's own.
        limit_s: killed after that many seconds.
        on_line: called with each line of stderr as it comes, and the process id.
    """
    with tempfile.TemporaryFile("w+") as out:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=out, stderr=subprocess.PIPE, text=True
        )
        killer = threading.Timer(limit_s, process.kill)
        killer.start()
        lines: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=_read, args=(process.stderr, lines, on_line, process.pid))
        reader.start()
        try:
            peak = _wait_without_reaping(process.pid)
            wall = time.monotonic() - started
            own, children = _cpu_seconds(process.pid)
        finally:
            killer.cancel()
            process.wait()
            reader.join()
        out.seek(0)
        return Watched(
            command=list(command),
            status=process.returncode,
            stdout=out.read(),
            stderr="".join(lines),
            wall_s=wall,
            own_cpu_s=own,
            children_cpu_s=children,
            peak_bytes=peak,
        )


def _read(stream: IO[str], lines: list[str], on_line: Callable[[str, int], None] | None, pid: int) -> None:
    with stream:
        for line in stream:
            lines.append(line)
            if on_line is not None:
                on_line(line.rstrip("\n"), pid)


def _wait_without_reaping(pid: int) -> int:
    """Return the peak resident size once the process is a zombie, whose CPU times can still be read."""
    peak = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        peak = max(peak, _peak_bytes(pid))
        time.sleep(_EVERY_S)
    return peak


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """Return CPU seconds of the process alone, and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_user, own_system, children_user, children_system = (int(value) / _TICK for value in fields[11:15])
    return own_user + own_system, children_user + children_system
