"""Time that was worked rather than waited."""

from __future__ import annotations

import time

# Times as long as the work is waited for at most.
MOST_WAITING = 4.0


class Stopwatch:
    """Tells how long this process has worked since.

    On a machine that does much else that is little of the time that has passed, and what others do is no reason to
    leave something out; a quarter of the time that has passed counts at least, and all of it at most.
    """

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """Return the seconds of work."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return max(min(wall, cpu), wall / MOST_WAITING)
