"""Measure a product with nothing of shipfit: what `verify.py` measures, likeness at the logits, and cosine.

    python benchmarks/quantization/measured.py ORIGINAL PRODUCT HELD_OUT.npz [INPUT=OUTPUT …]

prints one JSON document; INPUT=OUTPUT names a state that is fed back.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import logits  # noqa: E402 - the path above comes first
import numpy as np  # noqa: E402
import verify  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from sessions import open_model, open_session  # noqa: E402
from verify import Feed, Figure, Proof  # noqa: E402

_STREAMS_AT_LOGITS = 400
_TIMING_S = 4.0
Answers = list[list[np.ndarray]]


class Measured(BaseModel):
    """A product's figures.

    Attributes:
        logits_db: SQNR before the final softmax or sigmoid, at the worst output that has one; at the worst output
            where none has, for those are logits themselves.
        logits_by: `tensor`, or `inverse` where a file hides the tensor and it is computed back from the answer.
        cosine: mean between original's and product's first output.
    """

    proof: Proof
    logits_db: Figure
    logits_by: str
    cosine: Figure


def measure(original: Path, product: Path, held_out: Path, state: dict[str, str]) -> Measured:
    """Return a product's figures on samples that its search never saw."""
    proof = verify.verify(original, product, held_out, _TIMING_S, state)
    before, after, by = at_logits(original, product, held_out, state)
    plain = [answers_of(path, held_out, state) for path in (original, product)]
    return Measured(
        proof=proof, logits_db=verify.fidelity(before, after), logits_by=by, cosine=cosine(plain[0], plain[1])
    )


def at_logits(original: Path, product: Path, held_out: Path, state: dict[str, str]) -> tuple[Answers, Answers, str]:
    """Return the logits of original and product for each call, and by which way they were had."""
    files = [logits.exposed(path) for path in (original, product)]
    wanted = [index for index, place in enumerate(files[0][1]) if place is not None]
    if not wanted:
        first, second = (answers_of(path, held_out, state) for path in (original, product))
        return first, second, "tensor"
    answers = [_answers(open_model(model), held_out, state) for model, _ in files]
    if all(places[index] is not None for _, places in files for index in wanted):
        taken = [
            [[answer[places[index] or 0] for index in wanted] for answer in each]
            for each, (_, places) in zip(answers, files, strict=True)
        ]
        if _shapes(taken[0]) == _shapes(taken[1]):
            return taken[0], taken[1], "tensor"
    back = [[[logits.inverse(answer[index]) for index in wanted] for answer in each] for each in answers]
    return back[0], back[1], "inverse"


def answers_of(path: Path, held_out: Path, state: dict[str, str]) -> Answers:
    """Return a model's answers to the first samples."""
    return _answers(open_session(path), held_out, state)


def _answers(session: object, held_out: Path, state: dict[str, str]) -> Answers:
    with np.load(held_out) as archive:
        arrays: Feed = {name: archive[name][:_STREAMS_AT_LOGITS] for name in archive.files}
    arrays = {name: array for name, array in arrays.items() if name not in ("labels", "targets")}
    streams = verify.streams(session, arrays, state)
    return [answer for feeds in streams for answer in verify.answers(session, feeds, state)]


def _shapes(answers: Answers) -> list[tuple[int, ...]]:
    return [part.shape for answer in answers for part in answer]


def cosine(before: Answers, after: Answers) -> Figure:
    """Return the mean cosine of first outputs; the interval is a bootstrap over calls."""
    pairs = [(a[0].ravel().astype(float), b[0].ravel().astype(float)) for a, b in zip(before, after, strict=True)]
    found = np.array([a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30) for a, b in pairs])
    draws = found[np.random.default_rng(0).integers(len(found), size=(500, len(found)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(value=float(found.mean()), low=low, high=high)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit((__doc__ or "").strip())
    files = [Path(argument) for argument in sys.argv[1:4]]
    fed_back = dict(argument.split("=", 1) for argument in sys.argv[4:])
    print(measure(files[0], files[1], files[2], fed_back).model_dump_json(indent=2))
