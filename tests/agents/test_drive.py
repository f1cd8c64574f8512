"""A run and whoever listens to it are two threads of one process."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
from shipfit.agents.drive import Drive
from shipfit.contracts import Noticed, Profiled, units
from shipfit.interfaces.chat import desk
from shipfit.interfaces.cli import board, progress

units.format_bytes(2.5e6), units.format_milliseconds(0.25), units.format_seconds(90), units.parse_bytes("10 MB")
with progress.open_display() as display:
    display.show(Noticed(text="listening"))
print("numpy" in sys.modules)
"""


def test_who_listens_imports_no_numpy_while_the_run_does() -> None:
    # Half an import of numpy in each thread ended a run with "partially initialized module 'numpy._typing'".
    said = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["False"]
