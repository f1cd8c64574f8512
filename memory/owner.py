"""Which process works on a run, and whether it still lives."""

from __future__ import annotations

import os
from dataclasses import dataclass

# Start times are derived from the clock, which may be set while a process runs.
_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one of the same number by its start in seconds since the epoch."""

    pid: int
    started: float

    def is_alive(self) -> bool:
        """Tell whether this process still runs."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.started) < _TOLERANCE_S
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            return False


def this_process() -> Owner:
    """Return the process that runs this."""
    import psutil

    return Owner(os.getpid(), psutil.Process().create_time())
