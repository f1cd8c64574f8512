"""Scripts of benchmarks import each other by their bare names, as they do when they are run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / "benchmarks"


@contextmanager
def importing(*folders: str) -> Generator[Callable[[str], Any]]:
    """Give a function that imports a script from `folders` of the benchmarks; what it imported is forgotten after."""
    before, paths = set(sys.modules), [str(HOME / name) for name in folders]
    sys.path[:0] = paths
    try:
        yield importlib.import_module
    finally:
        for path in paths:
            sys.path.remove(path)
        for name in set(sys.modules) - before:
            if str(HOME) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
