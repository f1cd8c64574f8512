"""Which output carries class scores, and which class an output names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...contracts import DataError


class ScoringOutput(NamedTuple):
    """The output that carries class scores, and how many classes it has."""

    output: str
    classes: int


def class_count(output: Any, batch: int) -> int:
    """Return how many classes `output` scores for `batch` rows; 0 when it is no table of scores.

    A table of scores has the rows first and one axis of classes; other axes have length 1.
    """
    if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.ndim == 0:
        return 0
    if output.ndim == 1:
        return output.shape[0] if batch == 1 else 0
    classes = [size for size in output.shape[1:] if size != 1]
    return classes[0] if output.shape[0] == batch and len(classes) == 1 else 0


def find_scores(outputs: Mapping[str, Any], batch: int, wanted: str | None = None) -> ScoringOutput | None:
    """Return the output `wanted`, or the first of rank 2 or more that scores at least two classes.

    Raises:
        DataError: `wanted` is no output, or carries no class scores; the message names the choices.
    """
    counts = {name: class_count(output, batch) for name, output in outputs.items()}
    choices = [name for name, classes in counts.items() if classes > 1]
    if wanted is not None:
        if wanted not in counts:
            raise DataError(f"--output {wanted!r} is no output; the outputs are {', '.join(map(repr, counts))}")
        if wanted not in choices:
            offer = ", ".join(map(repr, choices)) or "none of them"
            raise DataError(f"--output {wanted!r} carries no class scores; choose from {offer}")
        return ScoringOutput(wanted, counts[wanted])
    ranked = [name for name in choices if outputs[name].ndim > 1]
    return ScoringOutput(ranked[0], counts[ranked[0]]) if ranked else None


def check_labels(labels: Sequence[int], scores: ScoringOutput) -> None:
    """Require class indices that the output can name.

    Raises:
        DataError: a label below zero or beyond the classes.
    """
    for label in (min(labels), max(labels)):
        if not 0 <= label < scores.classes:
            raise DataError(
                f"label {label} is out of range: output {scores.output!r} scores {scores.classes} classes, "
                f"so labels run from 0 to {scores.classes - 1}; choose another output with --output, or fix the labels"
            )


def top_class(output: np.ndarray, batch: int) -> np.ndarray:
    """Return the index of the highest score of each row; a row with NaN names no class (−1)."""
    rows = output.reshape(batch, -1)
    best = np.argmax(rows, axis=1)
    return np.where(np.isnan(rows).any(axis=1), -1, best)
