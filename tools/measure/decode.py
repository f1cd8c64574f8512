"""Read texts off a model's output: string tensors as they are, scores of symbols by greedy CTC."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ...contracts import Scoring


def decode(output: Any, scoring: Scoring) -> str:
    """Return the text that one sample's output says."""
    if scoring.alphabet:
        return greedy_ctc(output, scoring.alphabet, scoring.blank)
    return " ".join(str(part) for part in np.asarray(output).reshape(-1))


def greedy_ctc(scores: np.ndarray, alphabet: tuple[str, ...], blank: int) -> str:
    """Return the most likely symbols, repeats merged and blanks left out.

    Graves et al., "Connectionist Temporal Classification", ICML 2006, best-path decoding. A step whose scores are not
    all numbers says nothing.

    Args:
        scores: last axis the classes, the others together the steps of one sample.
        alphabet: symbols of the classes in order, the blank left out.
        blank: class of the blank.
    """
    steps = scores.reshape(-1, scores.shape[-1])
    best = np.where(np.isnan(steps).any(axis=1), blank, np.argmax(steps, axis=1))
    classes = (int(found) for found, _ in itertools.groupby(best.tolist()))
    return "".join(alphabet[found - (found > blank)] for found in classes if found != blank)
