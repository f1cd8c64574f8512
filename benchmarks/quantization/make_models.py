"""Make the models of the table in `benchmarks/quantization/cache/models`.

    python benchmarks/quantization/make_models.py [NAME …]

What is there already, made by the same code and libraries, is kept.
"""

from __future__ import annotations

import inspect
import json
import platform
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

import numpy as np  # noqa: E402 - the path above comes first
from onnx_files import sha256  # noqa: E402

CACHE = HERE / "cache"
MODELS = CACHE / "models"
_STAMP = "made.json"
_SOURCES = ("augmented", "catalogue", "datasets", "larger", "makers", "networks", "published", "speech", "text_lines",
            "training", "voices")  # fmt: skip
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "torch")


def make(names: list[str] | None = None) -> float:
    """Make what is missing or out of date and return the seconds that it took.

    Raises:
        KeyError: no such model.
        RuntimeError: a published model cannot be fetched, or is not the pinned one.
    """
    from makers import MAKERS

    started, stamp = time.monotonic(), _stamp()
    for name in names or list(MAKERS):
        if not _is_current(MODELS / name, stamp):
            began = time.monotonic()
            _make(name, stamp)
            print(f"  made {name} in {time.monotonic() - began:.1f} s", flush=True)
    return time.monotonic() - started


def _stamp() -> dict[str, str]:
    """Return what a made model depends on: our sources, and the libraries that make it."""
    import importlib

    files = {name: inspect.getsourcefile(importlib.import_module(name)) for name in _SOURCES}
    sources = {name: sha256(Path(file)) for name, file in files.items() if file}
    return {**sources, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _is_current(folder: Path, stamp: dict[str, str]) -> bool:
    path = folder / _STAMP
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == stamp


def _make(name: str, stamp: dict[str, str]) -> None:
    """Make one model beside its place and move it there, so that what is there is whole."""
    from makers import MAKERS

    folder, half_made = MODELS / name, MODELS / f".{name}"
    for each in (folder, half_made):
        shutil.rmtree(each, ignore_errors=True)
    half_made.mkdir(parents=True)
    given, held_out = MAKERS[name](half_made)
    np.savez(half_made / "data.npz", **given)  # type: ignore[arg-type]
    np.savez(half_made / "held_out.npz", **held_out)  # type: ignore[arg-type]
    (half_made / _STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    half_made.rename(folder)


if __name__ == "__main__":
    print(f"the table's models are there after {make(sys.argv[1:]):.0f} s")
