"""Make the models of the cases: those of the zoo, and a table of tokens with little behind it.

    python benchmarks/search/models.py [NAME …]

What is there already, made by the same code and libraries, is kept; models of the zoo stay in the zoo's cache.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

import build as zoo  # noqa: E402 - the path above comes first
import numpy as np  # noqa: E402
from datasets import Arrays, digits  # noqa: E402
from onnx_files import sha256  # noqa: E402
from places import OURS, folder_of  # noqa: E402
from prepare import split  # noqa: E402
from shelf import fill  # noqa: E402
from torch import nn  # noqa: E402
from training import train, write_onnx  # noqa: E402

_PATCHES, _LEVELS = 16, 4


class Tokens(nn.Module):
    """Looks sixteen tokens up in a table and says which digit they are, as models of text begin."""

    def __init__(self, width: int = 96):
        super().__init__()
        self.table = nn.Embedding(_PATCHES * _LEVELS**4, width)
        self.dense = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))

    def forward(self, tokens: Any) -> Any:
        return self.dense(self.table(tokens).mean(1))


def tokens_of(images: np.ndarray) -> np.ndarray:
    """Return digits (n, 1, 8, 8) as tokens (n, 16): place of a patch of four pixels, and their levels."""
    levels = np.minimum((images[:, 0] * _LEVELS).astype(np.int64), _LEVELS - 1)
    patches = levels.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, _PATCHES, 4)
    return np.arange(_PATCHES) * _LEVELS**4 + patches @ _LEVELS ** np.arange(4)


def digits_tokens(folder: Path) -> Arrays:
    """Train on digits as tokens, and return those that were not trained on."""
    (images, kinds), (rest, labels) = digits()
    network = train(Tokens, tokens_of(images), kinds, 20)
    given = tokens_of(rest)
    write_onnx(network, folder / "model.onnx", [given[:1]], ["tokens"], ["scores"])
    return {"tokens": given, "labels": labels}


MAKERS = {maker.__name__: maker for maker in (digits_tokens,)}
assert set(MAKERS) == OURS


def make(names: list[str] | None = None) -> float:
    """Make what is missing or out of date and return the seconds that it took.

    Raises:
        KeyError: no such model.
        RuntimeError: a published model cannot be fetched, or is not the pinned one.
    """
    wanted = names or list(MAKERS)
    ours = {name: lambda folder, maker=maker: split(maker(folder)) for name, maker in MAKERS.items()}
    sources = {name: sha256(HERE.parent / name) for name in ("search/models.py", "zoo/datasets.py", "zoo/training.py")}
    of_zoo = [name for name in wanted if name not in MAKERS]
    took = fill(folder_of("digits_tokens").parent, ours, [name for name in wanted if name in MAKERS], sources)
    return took + (zoo.build(of_zoo) if of_zoo else 0.0)


if __name__ == "__main__":
    print(f"the models of the cases are there after {make(sys.argv[1:]):.0f} s")
