"""Make the zoo's models and samples in `scenarios/zoo/cache`, where the manifest finds them.

    python benchmarks/zoo/build.py [NAME …]

What is there already, made by the same code and libraries, is kept. A third of the samples is held out: the product
is judged on them, and shipfit never sees them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from catalogue import MAKERS, Maker  # noqa: E402 - the path above comes first
from onnx_files import sha256  # noqa: E402
from prepare import split  # noqa: E402
from shelf import Samples, fill  # noqa: E402

from shipfit.interfaces.scenarios.load import FOLDER  # noqa: E402

CACHE = FOLDER / "zoo" / "cache"
MODELS = CACHE / "models"
_SOURCES = ("catalogue", "datasets", "graphs", "networks", "published", "training")


def build(names: list[str] | None = None) -> float:
    """Make what is missing or out of date and return the seconds that it took.

    Raises:
        KeyError: no such model.
        RuntimeError: a published model cannot be fetched, or is not the pinned one.
    """
    sources = {name: sha256(HERE / f"{name}.py") for name in _SOURCES}
    makers = {name: _with_split(maker) for name, maker in MAKERS.items()}
    return fill(MODELS, makers, names or list(MAKERS), {**sources, "models.yaml": sha256(FOLDER / "models.yaml")})


def _with_split(maker: Maker) -> Callable[[Path], tuple[Samples, Samples]]:
    """Return the maker with a third of its samples held out."""
    return lambda folder: split(maker(folder))


if __name__ == "__main__":
    print(f"the zoo's models are there after {build(sys.argv[1:]):.0f} s")
