"""Measure all products of one model in one interleaved run, with nothing of shipfit or of a peer.

    python benchmarks/peers/arms.py ORIGINAL HELD_OUT.npz SECONDS NAME=PRODUCT …

prints one JSON document: name → figures, or the reason why a file cannot be measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "quantization")]

import measured  # noqa: E402 - the path above comes first
import numpy as np  # noqa: E402
import verify  # noqa: E402
from onnx_files import size_of  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from sessions import open_session  # noqa: E402
from verify import Figure  # noqa: E402

_TIMED_FEEDS = 16
SAME = "original again"


class Figures(BaseModel):
    """One product. `speed` of the arm `original again` is the noise of the run."""

    size: float | None = None
    speed: Figure | None = None
    drop: Figure | None = None
    output_db: float | None = None
    logits_db: float | None = None
    cosine: float | None = None
    error: str = ""


def measure(original: Path, held_out: Path, products: dict[str, Path], seconds: float) -> dict[str, Figures]:
    """Return each product's figures; all are timed in one run, in rotating order, beside a second original."""
    sessions = {"": open_session(original), SAME: open_session(original)}
    found: dict[str, Figures] = {SAME: Figures(size=1.0)}
    with np.load(held_out) as archive:
        arrays = dict(archive)
    labels = arrays.pop("labels", None)
    feeds = [feed for stream in verify.streams(sessions[""], arrays, {}) for feed in stream]
    before = list(verify.answers(sessions[""], feeds, {}))
    for name, product in products.items():
        try:
            session = open_session(product)
            after = list(verify.answers(session, feeds, {}))
        except Exception as error:  # noqa: BLE001 - a file that cannot be run is a row of the table
            found[name] = Figures(error=(str(error).strip().splitlines() or ["no reason given"])[0][:300])
            continue
        sessions[name] = session
        found[name] = _likeness(original, product, held_out, before, after, labels)
    rounds = verify.time_calls(list(sessions.values()), feeds[:_TIMED_FEEDS], seconds)
    for index, name in enumerate(sessions):
        if name:
            found[name].speed = verify.ratio(rounds[:, 0], rounds[:, index])
    return found


def _likeness(
    original: Path, product: Path, held_out: Path, before: Any, after: Any, labels: np.ndarray | None
) -> Figures:
    first, second, _ = measured.at_logits(original, product, held_out, {})
    return Figures(
        size=size_of(product) / size_of(original),
        drop=None if labels is None else verify.accuracy(before, after, labels)[1],
        output_db=verify.fidelity(before, after).value,
        logits_db=verify.fidelity(first, second).value,
        cosine=measured.cosine(before, after).value,
    )


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit((__doc__ or "").strip())
    given = dict(argument.split("=", 1) for argument in sys.argv[4:])
    figures = measure(
        Path(sys.argv[1]), Path(sys.argv[2]), {name: Path(path) for name, path in given.items()}, float(sys.argv[3])
    )
    print(json.dumps({name: each.model_dump(mode="json") for name, each in figures.items()}))
