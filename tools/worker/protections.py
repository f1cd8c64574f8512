"""Which protections of the child process are active on this machine, for `shipfit doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ...contracts import MachineError
from .conversation import POLL_S
from .environment import child_environment

_COMMAND = (sys.executable, "-P", "-m", "shipfit.tools.worker.probe")
_PATIENCE_S = 60.0


def protections() -> dict[str, bool | str]:
    """Return protection → whether it is active, or how.

    A process of its own tries each that depends on the kernel, so the answer is what a worker would get.

    Raises:
        MachineError: such a process cannot be started at all.
    """
    found: dict[str, bool | str] = dict(_probe())
    if found["memory watchdog"]:
        found["memory watchdog"] = f"resident size of all processes of a job, every {POLL_S * 1000:.0f} ms"
    return found | {
        "time limit": "wall clock, the coordinator's",
        "environment": "named variables only, home and temporary folder of its own",
        "answers": "JSON of bounded size, never pickle",
    }


def _probe() -> dict[str, bool]:
    with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
        try:
            answer = subprocess.run(
                _COMMAND,
                env=child_environment(os.environ, Path(folder), 1),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                start_new_session=True,
                timeout=_PATIENCE_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise MachineError(f"a worker process cannot be started: {error}") from error
    return json.loads(answer.stdout)
