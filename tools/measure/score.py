"""Which output is scored, and which class an output names."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...contracts import DataError, Preprocess, Scoring, metric_kind, names_code, top_k
from .sources.code import user_function


class ScoringOutput(NamedTuple):
    """The output that is scored, and how many classes it has; 0 where it names none."""

    output: str
    classes: int


def scoring_of(metric: str, params: Mapping[str, Any]) -> Scoring:
    """Return how answers are scored, from the parameters of the data tool; the user's own code is named by digest.

    Raises:
        DataError: the metric's module cannot be imported.
    """
    given = Preprocess.model_validate(params.get("preprocess") or {})
    folder = str(params.get("working_directory") or Path.cwd()) if names_code(metric) else None
    code = code_digest(metric, Path(folder)) if folder else None
    return Scoring(metric=metric, alphabet=given.alphabet, blank=given.blank, folder=folder, code=code)


def code_digest(metric: str, folder: Path) -> str | None:
    """Return the sha256 of the file that a metric's module was read from, None where there is none."""
    file = getattr(sys.modules.get(user_function(metric, folder).__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None


def require_output(wanted: str | None, outputs: Collection[str]) -> None:
    """Require that the output `wanted`, where one is, is among the names `outputs`.

    Raises:
        DataError: it is not; the message names the choices.
    """
    if wanted is not None and wanted not in outputs:
        raise DataError(f"--output {wanted!r} is no output; the outputs are {', '.join(map(repr, outputs))}")


def find_output(
    outputs: Mapping[str, Any], batch: int, scoring: Scoring, wanted: str | None, targets: Sequence[Any] | None
) -> ScoringOutput:
    """Return the output `wanted`, or the first that the metric can compare with labels or `targets` of one feed.

    Raises:
        DataError: `wanted` is no output, or nothing fits; the message names the choices.
    """
    require_output(wanted, outputs)
    kind = metric_kind(scoring.metric)
    if kind == "classes":
        found = find_scores(outputs, batch, wanted)
        if found is None:
            raise DataError("the data have labels, but no output carries class scores; remove the array `labels`")
        return _enough(found, scoring.metric)
    fits = {"numbers": _numbers(batch, targets), "texts": _texts(batch, scoring)}.get(kind, _anything)
    choices = [name for name, output in outputs.items() if fits(output)]
    if (wanted or next(iter(choices), None)) not in choices:
        what = f"--output {wanted!r}" if wanted is not None else "no output"
        raise DataError(f"{what} can be scored by {scoring.metric}: {_needs(kind, scoring, targets)}")
    return ScoringOutput(wanted or choices[0], 0)


def _enough(found: ScoringOutput, metric: str) -> ScoringOutput:
    k = top_k(metric) or 1
    if k >= found.classes:
        raise DataError(f"{metric} is always right: output {found.output!r} scores {found.classes} classes")
    return found


def _numbers(batch: int, targets: Sequence[Any] | None) -> Callable[[Any], bool]:
    size = sum(np.size(target) for target in targets) if targets else None

    def fits(output: Any) -> bool:
        numeric = isinstance(output, np.ndarray) and output.dtype.kind in "fiu"
        return numeric and output.size % batch == 0 and (size is None or output.size == size)

    return fits


def _texts(batch: int, scoring: Scoring) -> Callable[[Any], bool]:
    if batch != 1:
        return lambda output: False
    if scoring.alphabet:
        classes = len(scoring.alphabet) + 1
        return lambda output: (
            isinstance(output, np.ndarray)
            and output.dtype.kind == "f"
            and output.ndim > 1
            and output.shape[-1] == classes
        )
    return lambda output: isinstance(output, np.ndarray) and output.dtype.kind in "OU"


def _anything(output: Any) -> bool:
    return isinstance(output, np.ndarray)


def _needs(kind: str, scoring: Scoring, targets: Sequence[Any] | None) -> str:
    if kind == "numbers":
        sizes = f" of {np.size(targets[0])} numbers per sample" if targets else ""
        return f"targets{sizes} need an output of as many; choose another with --output, or fix the targets"
    if kind == "texts" and scoring.alphabet:
        symbols = len(scoring.alphabet)
        return (
            f"an alphabet of {symbols} symbols and a blank needs an output of {symbols + 1} classes on its last axis, "
            "for one sample at a time"
        )
    if kind == "texts":
        return "it compares texts, so the output must be texts, or `preprocess: {alphabet: …}` must say how to read it"
    return "it is no array"


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
    require_output(wanted, outputs)
    counts = {name: class_count(output, batch) for name, output in outputs.items()}
    choices = [name for name, classes in counts.items() if classes > 1]
    if wanted is not None:
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


def among_top(output: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return for each row whether its label is among the `k` highest scores; a row with NaN has none.

    Of equal scores the lower class comes first, as `argmax` has it.
    """
    if k == 1:
        return np.asarray(top_class(output, len(labels)) == labels)
    rows = output.reshape(len(labels), -1)
    own = rows[np.arange(len(labels)), labels]
    lower = np.arange(rows.shape[1]) < labels[:, np.newaxis]
    better = ((rows > own[:, np.newaxis]) | ((rows == own[:, np.newaxis]) & lower)).sum(axis=1)
    return np.asarray((better < k) & ~np.isnan(rows).any(axis=1))
