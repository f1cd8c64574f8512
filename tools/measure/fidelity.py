"""How far a candidate's outputs are from the original's: SQNR, accumulated sample by sample."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# An output whose energy moves less than this share from sample to sample is constant for our purposes.
_STILL = 1e-2


@dataclass
class OutputError:
    """Signal and noise of one output over all samples seen so far.

    For float outputs, `signal` is Σ reference² and `noise` Σ (reference − candidate)², over the places
    where the reference is finite. Other outputs (integers, booleans, strings) have no noise to speak of,
    only agreement: each element is a unit of signal and each one that differs a unit of noise, so that 1 %
    disagreement reads as 20 dB. An output of another shape than the reference's counts as all noise.
    Sequences and maps are compared part by part.
    """

    signal: float = 0.0
    noise: float = 0.0
    finite: bool = True
    movement: float = 0.0
    moved: bool = False
    first: tuple[Any, Any] | None = None

    def add(self, reference: Any, candidate: Any) -> None:
        """Account for one sample."""
        for known, answer in _parts(reference, candidate):
            if _is_float(known) and _is_float(answer):
                self._add_floats(known, answer)
            else:
                self._add_exact(known, answer)
        self._watch(reference, candidate)

    def _add_floats(self, reference: np.ndarray, candidate: np.ndarray) -> None:
        known = np.isfinite(reference)
        values = np.where(known, reference, 0).astype(np.float64)
        energy = float(np.vdot(values, values))
        self.signal += energy
        if reference.shape != candidate.shape:
            self.noise += energy or 1.0
            return
        error = np.where(known, candidate, 0).astype(np.float64) - values
        if np.isfinite(error).all():
            self.noise += float(np.vdot(error, error))
        else:
            self.finite = False

    def _add_exact(self, reference: Any, candidate: Any) -> None:
        if isinstance(reference, np.ndarray) and isinstance(candidate, np.ndarray):
            same_shape = reference.shape == candidate.shape
            wrong = int(np.count_nonzero(reference != candidate)) if same_shape else reference.size
            self.signal += reference.size
            self.noise += wrong
        else:
            self.signal += 1
            agree = type(reference) is type(candidate) and reference == candidate
            self.noise += 0 if agree else 1

    def _watch(self, reference: Any, candidate: Any) -> None:
        """Note how much the reference moves between samples, and whether the candidate moves at all."""
        if not (_is_float(reference) and _is_float(candidate)):
            return
        if self.first is None:
            self.first = reference, candidate
            return
        start, answer = self.first
        if start.shape == reference.shape:
            step = np.nan_to_num(reference.astype(np.float64) - start)
            self.movement += float(np.vdot(step, step))
        self.moved = self.moved or not np.array_equal(answer, candidate, equal_nan=True)

    @property
    def decibels(self) -> float:
        """SQNR in dB: infinite when exact, minus infinity when nothing of the signal is left to compare."""
        if not self.finite:
            return -math.inf
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal > 0 else -math.inf

    @property
    def constant(self) -> bool:
        """Whether the candidate always answers the same where the reference clearly does not."""
        return self.first is not None and not self.moved and self.movement > _STILL * self.signal


def _parts(reference: Any, candidate: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the tensors that two outputs are made of; a part that only one of them has is paired with None."""
    if isinstance(reference, dict) and isinstance(candidate, dict):
        for key in {**reference, **candidate}:
            yield from _parts(reference.get(key), candidate.get(key))
    elif isinstance(reference, list) and isinstance(candidate, list):
        for known, answer in itertools.zip_longest(reference, candidate):
            yield from _parts(known, answer)
    elif isinstance(reference, float) and isinstance(candidate, float):
        yield np.asarray(reference), np.asarray(candidate)
    else:
        yield reference, candidate


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
