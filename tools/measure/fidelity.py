"""How far a candidate's outputs are from the original's: SQNR, accumulated sample by sample."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# An output whose energy moves less than this share from sample to sample is constant for our purposes.
_STILL = 1e-4
# A candidate does not follow where it moves less than this share of what the original does.
_FROZEN = 1e-4
# Answers that are right or wrong may agree by chance; this share of them must differ before one tells.
_OFTEN = 0.5


@dataclass
class Motion:
    """How much one tensor of both models moves from sample to sample.

    Whoever changes shape answers to the input, so that samples of two shapes are not compared.
    """

    signal: float = 0.0
    movement: float = 0.0
    follows: bool = False
    exact: bool = False
    last: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, reference: Any, candidate: Any) -> None:
        """Account for one sample."""
        if not (isinstance(reference, np.ndarray) and isinstance(candidate, np.ndarray)):
            return
        self.exact = not (_is_float(reference) and _is_float(candidate))
        self.signal += float(reference.size) if self.exact else _energy(reference)
        known, answer = self.last or (reference, candidate)
        self.last = reference.copy(), candidate.copy()
        if known.shape != reference.shape or answer.shape != candidate.shape:
            self.follows = True
            return
        step = self._distance(reference, known)
        self.movement += step
        # One sample far from all others, which a candidate cuts off, says nothing of how it follows the others.
        self.follows = self.follows or (step > 0 and self._distance(candidate, answer) >= _FROZEN * step)

    def _distance(self, values: np.ndarray, other: np.ndarray) -> float:
        if self.exact:
            return float(np.count_nonzero(values != other))
        with np.errstate(invalid="ignore"):
            return _energy(values.astype(np.float64) - other)

    @property
    def frozen(self) -> bool:
        """Whether the candidate never moves as the reference does, which clearly moves."""
        return not self.follows and self.movement > (_OFTEN if self.exact else _STILL) * self.signal


def _energy(values: np.ndarray) -> float:
    """Sum of the squares of what is finite."""
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    return float(np.vdot(finite, finite))


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
    motions: dict[int, Motion] = field(default_factory=dict[int, Motion])

    def add(self, reference: Any, candidate: Any) -> None:
        """Account for one sample."""
        for index, (known, answer) in enumerate(_parts(reference, candidate)):
            if _is_float(known) and _is_float(answer):
                self._add_floats(known, answer)
            else:
                self._add_exact(known, answer)
            self.motions.setdefault(index, Motion()).add(known, answer)

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
        return any(motion.frozen for motion in self.motions.values())


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
