"""A run and whoever listens to it are two threads of one process."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import queue, sys, threading
from types import SimpleNamespace
from shipfit.agents.cpu import CpuMeter
from shipfit.agents.drive import Drive

class Bare(Drive):
    def __init__(self):
        self.run, self.cpu, self._events, self._stopped = "run", CpuMeter(), queue.Queue(), threading.Event()
        self.advised = SimpleNamespace(unused=None)
        self.execution = SimpleNamespace(executor=SimpleNamespace(cancel=lambda: None))

    def _work(self):
        print("numpy" in sys.modules)
        self._events.put(None)

print("numpy" in sys.modules)
list(Bare().events())
"""


def test_numpy_is_whole_before_two_threads_can_import_it_at_once() -> None:
    # Half an import of numpy in each thread ended a run with "partially initialized module 'numpy._typing'".
    said = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["False", "True"]
