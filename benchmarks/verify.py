"""Measure a product again, with nothing of shipfit: files, signature, accuracy, fidelity, speed.

    python benchmarks/verify.py ORIGINAL PRODUCT HELD_OUT.npz

prints one JSON document. ORIGINAL and PRODUCT are `.onnx` files; the archive's arrays are named as the model's inputs,
first axis the sample, with `labels` where accuracy is meant.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx_files import foreign_domains, size_of
from prepare import open_session
from pydantic import BaseModel

Feed = dict[str, np.ndarray]

_UNTIMED_CALLS, _UNTIMED_S = 3, 0.02
_LOOP_S = 0.002  # shorter calls are looped, so that the clock's grain does not count
_TIMED_FEEDS = 16


class Figure(BaseModel):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Proof(BaseModel):
    """What a product is, measured here.

    Attributes:
        size_ratio: bytes of all files that loading needs, product / original.
        same_signature: names, types and fixed dimensions of inputs and outputs.
        foreign_domains: operator sets that a stock runtime does not have.
        drop: accuracy of the original minus that of the product; `fidelity_db`: SQNR at the worst output.
        speedup: thread CPU time, original / product; `same_arm`: the same between two sessions of the original.
        rounds: rotations timed.
    """

    size_ratio: float
    same_signature: bool
    foreign_domains: list[str]
    samples: int
    accuracy: tuple[float, float] | None = None
    drop: Figure | None = None
    fidelity_db: Figure
    speedup: Figure
    same_arm: Figure
    rounds: int


def verify(original: Path, product: Path, held_out: Path, seconds: float = 6.0) -> Proof:
    """Return the product's figures against the original's on `held_out`, timing for `seconds`."""
    sessions = open_session(original), open_session(product)
    with np.load(held_out) as archive:
        arrays = dict(archive)
    labels = arrays.pop("labels", None)
    feeds = list(_feeds(sessions[0], arrays))
    before, after = ([session.run(None, feed) for feed in feeds] for session in sessions)
    rounds = _time([sessions[0], sessions[1], open_session(original)], feeds[:_TIMED_FEEDS], seconds)
    accuracy, drop = _accuracy(before, after, labels) if labels is not None else (None, None)
    return Proof(
        size_ratio=size_of(product) / size_of(original),
        same_signature=_signature(sessions[0]) == _signature(sessions[1]),
        foreign_domains=foreign_domains(product),
        samples=len(feeds),
        accuracy=accuracy,
        drop=drop,
        fidelity_db=_fidelity(before, after),
        speedup=_ratio(rounds[:, 0], rounds[:, 1]),
        same_arm=_ratio(rounds[:, 0], rounds[:, 2]),
        rounds=len(rounds),
    )


def _signature(session: Any) -> list[tuple[str, str, tuple[int | None, ...]]]:
    specs = [*session.get_inputs(), *session.get_outputs()]
    return [(s.name, s.type, tuple(d if isinstance(d, int) else None for d in s.shape)) for s in specs]


def _feeds(session: Any, arrays: Feed) -> Iterator[Feed]:
    """Yield one feed a sample; an array without the batch axis gets one of 1."""
    ranks = {spec.name: len(spec.shape) for spec in session.get_inputs()}
    for index in range(len(next(iter(arrays.values())))):
        rows = {name: array[index] for name, array in arrays.items()}
        yield {name: row if row.ndim == ranks[name] else row[None] for name, row in rows.items()}


def _accuracy(before: list[Any], after: list[Any], labels: np.ndarray) -> tuple[tuple[float, float], Figure]:
    right = [np.array([int(_scores(a).argmax()) for a in answers]) == labels for answers in (before, after)]
    change = right[0].astype(float) - right[1].astype(float)
    half = 1.96 * change.std(ddof=1) / math.sqrt(len(change))
    drop = Figure(value=change.mean(), low=change.mean() - half, high=change.mean() + half)
    return (float(right[0].mean()), float(right[1].mean())), drop


def _scores(answer: list[np.ndarray]) -> np.ndarray:
    return next(output for output in answer if output.ndim == 2)


def _fidelity(before: list[Any], after: list[Any]) -> Figure:
    """Return the SQNR at the worst output over all samples; the interval is a bootstrap over samples."""
    pairs = zip(before, after, strict=True)
    power = np.array([[_energies(*outputs) for outputs in zip(*pair, strict=True)] for pair in pairs])
    rng = np.random.default_rng(0)
    draws = [_decibels(power[rng.integers(len(power), size=len(power))]) for _ in range(500)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(value=_decibels(power), low=low, high=high)


def _energies(reference: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    signal, error = reference.astype(np.float64), candidate.astype(np.float64) - reference
    return float((signal**2).sum()), float((error**2).sum())


def _decibels(power: np.ndarray) -> float:
    signal, noise = power.sum(axis=0).T
    return float(min(10 * math.log10(s / n) if n > 0 else 300.0 for s, n in zip(signal, noise, strict=True)))


def _time(sessions: list[Any], feeds: list[Feed], seconds: float) -> np.ndarray:
    """Return thread CPU seconds a call, (rounds, sessions); each round takes one feed and rotates the order."""
    loops = [_loops(session, feeds[0]) for session in sessions]
    rounds: list[list[float]] = []
    gc.disable()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until or len(rounds) < 9:
            feed, first = feeds[len(rounds) % len(feeds)], len(rounds) % len(sessions)
            row = [0.0] * len(sessions)
            for index in [*range(first, len(sessions)), *range(first)]:
                row[index] = _cpu_a_call(sessions[index], feed, loops[index])
            rounds.append(row)
    finally:
        gc.enable()
    return np.array(rounds)


def _loops(session: Any, feed: Feed) -> int:
    return max(1, math.ceil(_LOOP_S / max(_cpu_a_call(session, feed, 5), 1e-7)))


def _cpu_a_call(session: Any, feed: Feed, loops: int) -> float:
    warm, started = 0, time.monotonic()
    while warm < _UNTIMED_CALLS or time.monotonic() - started < _UNTIMED_S:
        session.run(None, feed)
        warm += 1
    before = time.thread_time()
    for _ in range(loops):
        session.run(None, feed)
    return (time.thread_time() - before) / loops


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> Figure:
    """Return the ratio of medians; the interval is a bootstrap over rounds."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(numerator), size=(1000, len(numerator)))
    ratios = np.median(numerator[draws], axis=1) / np.median(denominator[draws], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Figure(value=np.median(numerator) / np.median(denominator), low=low, high=high)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit((__doc__ or "").strip())
    print(verify(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])).model_dump_json(indent=2))
