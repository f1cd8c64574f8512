"""Make the models of the table in `benchmarks/quantization/cache/models`.

    python benchmarks/quantization/make_models.py [NAME …]

What is there already, made by the same code and libraries, is kept.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

from onnx_files import sha256  # noqa: E402 - the path above comes first
from shelf import fill  # noqa: E402

CACHE = HERE / "cache"
MODELS = CACHE / "models"
_SOURCES = ("augmented", "catalogue", "datasets", "larger", "makers", "networks", "published", "speech", "text_lines",
            "training", "voices")  # fmt: skip


def make(names: list[str] | None = None) -> float:
    """Make what is missing or out of date and return the seconds that it took.

    Raises:
        KeyError: no such model.
        RuntimeError: a published model cannot be fetched, or is not the pinned one.
    """
    from makers import MAKERS

    return fill(MODELS, MAKERS, names or list(MAKERS), sources())


def sources() -> dict[str, str]:
    """Return the sha256 of what models depend on, by module."""
    files = {name: inspect.getsourcefile(importlib.import_module(name)) for name in _SOURCES}
    return {name: sha256(Path(file)) for name, file in files.items() if file}


if __name__ == "__main__":
    print(f"the table's models are there after {make(sys.argv[1:]):.0f} s")
