"""Measure time beside whatever else a machine does: for one that is never quiet, where waiting would take hours.

No measuring lock is waited for, and all time is the processor's: what the calls themselves took, however often they
were interrupted. Ratios hold, if with more noise than on a quiet machine, and everybody is measured alike.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from shipfit.tools.measure import lock
from shipfit.tools.measure.benchmark import SystemClock


def measure_beside_others(folder: Path) -> None:
    """Have this process measure so from now on; its only lock lies in `folder`."""

    def own_folder() -> Path:
        return folder

    def nobody_else(*_: Any) -> nullcontext[bool]:
        return nullcontext(True)

    def processor_time(_: SystemClock) -> float:
        return time.thread_time()

    lock.lock_folder = own_folder
    lock.among_users = nobody_else
    SystemClock.now = processor_time  # type: ignore[method-assign]
