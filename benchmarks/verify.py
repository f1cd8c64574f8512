"""Measure a product again, with nothing of shipfit: files, signature, accuracy, fidelity, speed.

    python benchmarks/verify.py ORIGINAL PRODUCT HELD_OUT.npz [INPUT=OUTPUT …]

prints one JSON document. ORIGINAL and PRODUCT are `.onnx` or `.pt2` files; the archive's arrays are named as the
model's inputs, first axis the sample, with `labels` where accuracy is meant, or numbers as `targets`. INPUT=OUTPUT
names a state: a sample then is a stream, its second axis the calls, and the input is fed what the output was before.
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
from pydantic import BaseModel
from sessions import open_session

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
        accuracy: of original and product; with numbers as targets their mean absolute errors.
        drop: accuracy of the original minus that of the product, or the relative increase of the error;
            `fidelity_db`: SQNR at the worst output.
        latency_ms: thread CPU time of the product's call, at the median.
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
    latency_ms: float
    rounds: int


def verify(
    original: Path, product: Path, held_out: Path, seconds: float = 6.0, state: dict[str, str] | None = None
) -> Proof:
    """Return the product's figures against the original's on `held_out`, timing for `seconds`.

    Args:
        original: the file that was asked to be fitted.
        product: what was delivered.
        held_out: archive of samples that the product's search never saw.
        seconds: of timing.
        state: input → output that it is fed from the call before; samples then are streams.
    """
    sessions = open_session(original), open_session(product)
    with np.load(held_out) as archive:
        arrays = dict(archive)
    labels, targets = arrays.pop("labels", None), arrays.pop("targets", None)
    calls = list(streams(sessions[0], arrays, state or {}))
    before, after = ([answer for feeds in calls for answer in answers(s, feeds, state or {})] for s in sessions)
    feeds = [feed for stream in calls for feed in stream]
    rounds = time_calls([sessions[0], sessions[1], open_session(original)], feeds[:_TIMED_FEEDS], seconds)
    accuracy, drop = _judged(before, after, labels, targets)
    return Proof(
        size_ratio=size_of(product) / size_of(original),
        same_signature=_signature(sessions[0]) == _signature(sessions[1]),
        foreign_domains=foreign_domains(product),
        samples=len(feeds),
        accuracy=accuracy,
        drop=drop,
        fidelity_db=fidelity(before, after),
        speedup=ratio(rounds[:, 0], rounds[:, 1]),
        same_arm=ratio(rounds[:, 0], rounds[:, 2]),
        latency_ms=1e3 * float(np.median(rounds[:, 1])),
        rounds=len(rounds),
    )


def _signature(session: Any) -> list[tuple[str, str, tuple[int | None, ...]]]:
    specs = [*session.get_inputs(), *session.get_outputs()]
    return [(s.name, s.type, tuple(d if isinstance(d, int) else None for d in s.shape)) for s in specs]


def streams(session: Any, arrays: Feed, state: dict[str, str]) -> Iterator[list[Feed]]:
    """Yield each sample as the feeds of its calls, one where there is no state; what lacks the batch axis gets one."""
    specs = {spec.name: spec for spec in session.get_inputs()}
    for index in range(len(next(iter(arrays.values())))):
        rows = {name: array[index] for name, array in arrays.items()}
        if not state:
            yield [{name: _batched(row, specs[name]) for name, row in rows.items()}]
            continue
        calls = max(len(row) for name, row in rows.items() if name not in state and row.ndim)
        steps = [{name: row[call] if row.ndim else row for name, row in rows.items()} for call in range(calls)]
        first = {
            name: np.zeros([d if isinstance(d, int) else 1 for d in specs[name].shape], np.float32) for name in state
        }
        feeds = [{name: _batched(row, specs[name]) for name, row in step.items()} for step in steps]
        yield [{**first, **feed} for feed in feeds]


def _batched(row: np.ndarray, spec: Any) -> np.ndarray:
    row = np.asarray(row)
    return row if row.ndim == len(spec.shape) else row[None]


def answers(session: Any, feeds: list[Feed], state: dict[str, str]) -> Iterator[list[Any]]:
    """Yield the answers to one stream."""
    names = [output.name for output in session.get_outputs()]
    fed: Feed = {}
    for feed in feeds:
        answer = session.run(None, {**feed, **fed})
        fed = {name: answer[names.index(output)] for name, output in state.items()}
        yield answer


def _judged(
    before: list[Any], after: list[Any], labels: np.ndarray | None, targets: np.ndarray | None
) -> tuple[tuple[float, float] | None, Figure | None]:
    if labels is not None:
        return accuracy(before, after, labels)
    return _errors(before, after, targets) if targets is not None else (None, None)


def _errors(before: list[Any], after: list[Any], targets: np.ndarray) -> tuple[tuple[float, float], Figure]:
    """Return the mean absolute errors and their relative increase; the interval is a bootstrap over samples."""
    wrong = [
        np.array([np.abs(a[0][0] - t).mean() for a, t in zip(given, targets, strict=True)]) for given in (before, after)
    ]
    rows = np.random.default_rng(0).integers(len(targets), size=(1000, len(targets)))
    low, high = np.percentile(wrong[1][rows].mean(1) / wrong[0][rows].mean(1) - 1, [2.5, 97.5])
    errors = float(wrong[0].mean()), float(wrong[1].mean())
    return errors, Figure(value=errors[1] / errors[0] - 1, low=low, high=high)


def accuracy(before: list[Any], after: list[Any], labels: np.ndarray) -> tuple[tuple[float, float], Figure]:
    right = [np.array([int(_scores(a).argmax()) for a in given]) == labels for given in (before, after)]
    change = right[0].astype(float) - right[1].astype(float)
    half = 1.96 * change.std(ddof=1) / math.sqrt(len(change))
    drop = Figure(value=change.mean(), low=change.mean() - half, high=change.mean() + half)
    return (float(right[0].mean()), float(right[1].mean())), drop


def _scores(answer: list[np.ndarray]) -> np.ndarray:
    return next(output for output in answer if output.ndim == 2)


def fidelity(before: list[Any], after: list[Any]) -> Figure:
    """Return the SQNR at the worst output over all samples; the interval is a bootstrap over samples."""
    pairs = zip(before, after, strict=True)
    power = np.array([[energies(*outputs) for outputs in zip(*pair, strict=True)] for pair in pairs])
    rng = np.random.default_rng(0)
    draws = [decibels(power[rng.integers(len(power), size=len(power))]) for _ in range(500)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(value=decibels(power), low=low, high=high)


def energies(reference: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    signal, error = reference.astype(np.float64), candidate.astype(np.float64) - reference
    return float((signal**2).sum()), float((error**2).sum())


def decibels(power: np.ndarray) -> float:
    signal, noise = power.sum(axis=0).T
    return float(min(10 * math.log10(s / n) if n > 0 else 300.0 for s, n in zip(signal, noise, strict=True)))


def time_calls(sessions: list[Any], feeds: list[Feed], seconds: float) -> np.ndarray:
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


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Figure:
    """Return the ratio of medians; the interval is a bootstrap over rounds."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(numerator), size=(1000, len(numerator)))
    ratios = np.median(numerator[draws], axis=1) / np.median(denominator[draws], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Figure(value=np.median(numerator) / np.median(denominator), low=low, high=high)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit((__doc__ or "").strip())
    files = [Path(argument) for argument in sys.argv[1:4]]
    fed_back = dict(argument.split("=", 1) for argument in sys.argv[4:])
    print(verify(files[0], files[1], files[2], seconds=3.0, state=fed_back).model_dump_json(indent=2))
