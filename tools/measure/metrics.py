"""Scores of many answers at once, through scikit-learn and jiwer; each takes indices, so that it can be resampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import DataError, Scoring
from .decode import decode
from .sources.code import user_function
from .sources.sample import first_line, missing_extra

# Score of one model over the samples with these indices.
Score = Callable[[np.ndarray], float]
Scorer = Callable[[Sequence[Any], Sequence[Any]], Score]

# An answer that is no number is as wrong as can be, but leaves errors that can be reckoned with.
_NO_NUMBER = 1e30


def scorer(scoring: Scoring) -> Scorer:
    """Return what scores answers against targets: `(answers, targets) → (indices → score)`.

    Raises:
        MissingExtraError: the library that the metric comes from is not installed.
        DataError: the user's metric cannot be imported.
    """
    known: dict[str, Scorer] = {"f1": _f1, "mae": _mae, "r2": _r2}
    if scoring.metric in ("wer", "cer"):
        return lambda answers, targets: _error_rate(answers, targets, scoring)
    return known.get(scoring.metric) or _own(scoring)


def _f1(answers: Sequence[Any], targets: Sequence[Any]) -> Score:
    """F1 of each class that the targets hold, averaged; a class that is never found counts as 0."""
    measure = _sklearn().f1_score
    found, known = np.concatenate(answers), np.concatenate(targets)
    classes = np.unique(known)
    return lambda index: float(
        measure(known[index], found[index], labels=classes, average="macro", zero_division=np.nan)
    )


def _mae(answers: Sequence[Any], targets: Sequence[Any]) -> Score:
    measure = _sklearn().mean_absolute_error
    found, known = _numbers(answers), _numbers(targets)
    errors = [float(measure(truth, answer)) for truth, answer in zip(known, found, strict=True)]
    sizes = np.array([len(truth) for truth in known])
    total = np.asarray(errors) * sizes
    return lambda index: float(total[index].sum() / sizes[index].sum())


def _r2(answers: Sequence[Any], targets: Sequence[Any]) -> Score:
    """Share of the variance explained, averaged over outputs; samples of different sizes count as one output."""
    measure = _sklearn().r2_score
    found, known = _numbers(answers), _numbers(targets)
    if len({len(truth) for truth in known}) == 1:
        rows, goals = np.stack(found), np.stack(known)
        return lambda index: float(measure(goals[index], rows[index])) if len(index) > 1 else 0.0
    return lambda index: float(
        measure(np.concatenate([known[i] for i in index]), np.concatenate([found[i] for i in index]))
    )


def _numbers(values: Sequence[Any]) -> list[np.ndarray]:
    flat = [np.asarray(value, np.float64).reshape(-1) for value in values]
    return [np.nan_to_num(value, nan=_NO_NUMBER, posinf=_NO_NUMBER, neginf=-_NO_NUMBER) for value in flat]


def _error_rate(answers: Sequence[Any], targets: Sequence[Any], scoring: Scoring) -> Score:
    """1 − error rate: 1 is perfect, and below 0 more is wrong than there is to say."""
    jiwer = _jiwer()
    process = jiwer.process_words if scoring.metric == "wer" else jiwer.process_characters
    wrong, length = [], []
    for answer, target in zip(answers, targets, strict=True):
        found = process(str(target), decode(answer, scoring))
        wrong.append(found.substitutions + found.deletions + found.insertions)
        length.append(found.substitutions + found.deletions + found.hits)
    errors, lengths = np.asarray(wrong), np.asarray(length)
    return lambda index: 1.0 - float(errors[index].sum() / lengths[index].sum())


def _own(scoring: Scoring) -> Scorer:
    function = user_function(scoring.metric, Path(scoring.folder or "."))

    def prepare(answers: Sequence[Any], targets: Sequence[Any]) -> Score:
        found, known = _joined(answers), _joined(targets)
        return lambda index: _called(function, scoring.metric, _taken(found, index), _taken(known, index))

    return prepare


def _joined(values: Sequence[Any]) -> Any:
    """Return one array with the samples first, where all have one shape; else the list."""
    if any(isinstance(value, str) for value in values):
        return list(values)
    return np.stack(values) if len({np.shape(value) for value in values}) == 1 else list(values)


def _taken(values: Any, index: np.ndarray) -> Any:
    return values[index] if isinstance(values, np.ndarray) else [values[i] for i in index]


def _called(function: Any, name: str, answers: Any, targets: Any) -> float:
    """Return what the user's metric says.

    Raises:
        DataError: it fails, or says something that is no score.
    """
    try:
        score = float(function(answers, targets))
    except (Exception, SystemExit) as error:
        raise DataError(f"metric {name} failed: {type(error).__name__}: {first_line(error)}") from error
    if not math.isfinite(score) or score > 1 + 1e-9:
        raise DataError(f"metric {name} returned {score:g}; return a score of which 1 is the best, such as 1 − error")
    return score


def _sklearn() -> Any:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise missing_extra("this metric needs scikit-learn") from error
    return metrics


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise missing_extra("error rates of words and characters need jiwer") from error
    return jiwer
