"""Trials that are finished, so that a run that was interrupted goes on where it was.

A unit is what runs without a break: all policies on one case with one seed, or one policy through all cases with its
memory. What it gave is taken up again only by a run of the same code, the same cases and the same options.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from places import HERE
from pydantic import TypeAdapter
from trials import Trial

_TRIALS = TypeAdapter(list[Trial])
_PACKAGE = HERE.parents[1]
_PARTS = ("agents", "contracts", "memory", "tools", "benchmarks/search")


class Kept:
    """Finished units in a folder.

    Attributes:
        taken_up: how many units were there already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.taken_up = folder, sum(1 for _ in folder.glob("*.json"))

    def unit(self, name: str, run: Callable[[], list[Trial]]) -> list[Trial]:
        """Return the trials of a unit: those that are there, else what `run` gives, which is kept."""
        path = self.folder / f"{name}.json"
        if path.is_file():
            return _TRIALS.validate_json(path.read_bytes())
        found = run()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(_TRIALS.dump_json(found))
        part.replace(path)
        return found

    def forget(self) -> None:
        """Drop all units: the run is over."""
        shutil.rmtree(self.folder, ignore_errors=True)


def run_of(options: Mapping[str, object]) -> str:
    """Return a name for a run: the same for the same code, cases and options."""
    whole = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode())
    for part in _PARTS:
        for path in sorted(path for path in (_PACKAGE / part).rglob("*") if path.suffix in (".py", ".yaml")):
            if "cache" not in path.relative_to(_PACKAGE).parts:
                whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
