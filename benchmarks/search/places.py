"""Where the benchmark keeps what it makes, and where the models of its cases lie."""

from __future__ import annotations

from pathlib import Path

from shipfit.interfaces.scenarios.load import FOLDER

HERE = Path(__file__).resolve().parent
CACHE = HERE / "cache"
# Made by `models.py`; all others are the zoo's.
OURS = frozenset({"digits_tokens"})


def folder_of(name: str) -> Path:
    """Return where a model lies once it was made: `model.onnx`, `data.npz`, `held_out.npz`."""
    return (CACHE if name in OURS else FOLDER / "zoo" / "cache") / "models" / name
