"""A shelf of models that benchmarks make: each in a folder of its own, with its samples."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

_STAMP = "made.json"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "torch")

Samples = Mapping[str, np.ndarray]
# Writes a model into a folder and returns its samples: those that shipfit is given, and those held out.
Maker = Callable[[Path], tuple[Samples, Samples]]


def fill(shelf: Path, makers: Mapping[str, Maker], names: Iterable[str], sources: Mapping[str, str]) -> float:
    """Make the named models that are missing or out of date and return the seconds that it took.

    Args:
        shelf: where each model has its folder.
        makers: name → what makes the model.
        names: those to look at.
        sources: name → sha256 of what the models depend on, beside the libraries that make them.

    Raises:
        KeyError: no such model.
        RuntimeError: a published model cannot be fetched, or is not the pinned one.
    """
    started = time.monotonic()
    stamp = {**sources, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}
    for name in names:
        if not _is_current(shelf / name, stamp):
            began = time.monotonic()
            _make(shelf / name, makers[name], stamp)
            print(f"  made {name} in {time.monotonic() - began:.1f} s", flush=True)
    return time.monotonic() - started


def _is_current(folder: Path, stamp: dict[str, str]) -> bool:
    path = folder / _STAMP
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == stamp


def _make(folder: Path, maker: Maker, stamp: dict[str, str]) -> None:
    """Make one model beside its place and move it there, so that what is there is whole."""
    half_made = folder.with_name(f".{folder.name}")
    for each in (folder, half_made):
        shutil.rmtree(each, ignore_errors=True)
    half_made.mkdir(parents=True)
    given, held_out = maker(half_made)
    np.savez(half_made / "data.npz", **given)  # type: ignore[arg-type]
    np.savez(half_made / "held_out.npz", **held_out)  # type: ignore[arg-type]
    (half_made / _STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    half_made.rename(folder)
