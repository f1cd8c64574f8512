"""What this machine is, in a file that all runs of the benchmark plan by."""

from __future__ import annotations

import tempfile
from pathlib import Path

from places import CACHE


def find_probe() -> Path:
    """Return a file with what this machine is, measured once for all runs."""
    from shipfit.agents.standalone import find_host
    from shipfit.contracts import Settings

    path = CACHE / "host.json"
    with tempfile.TemporaryDirectory() as home:
        found = find_host(Settings(home=Path(home)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.model_dump_json(), encoding="utf-8")
    return path
