"""`python -m shipfit.tools.worker.probe`: take the sandbox's measures in a process of its own and say which worked."""

import json
import os
import sys

from . import platform_linux as system
from .processes import descendants, resident_bytes
from .sandbox import forbid_core_dumps


def _network_is_denied() -> bool:
    before = _network()
    return system.deny_network() and _network() != before


def _network() -> str:
    return os.readlink("/proc/self/ns/net")


def probe() -> dict[str, bool]:
    """Return measure → whether this machine allows it."""
    return {
        "process group of its own": os.getpgrp() == os.getpid(),
        "dies with its coordinator": system.die_with_parent(os.getppid()),
        "orphans are adopted": system.adopt_orphans(),
        "memory watchdog": resident_bytes([os.getpid(), *descendants(os.getpid())]) > 0,
        "no new privileges": system.gain_no_privileges(),
        "core dumps off": forbid_core_dumps(),
        "network denied": _network_is_denied(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()))
