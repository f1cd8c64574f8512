"""What answers are scored by: the names of metrics, which way is better, and what bounds mean for each."""

from __future__ import annotations

import re
from typing import Literal

from .base import Contract
from .errors import RequestError
from .sources import names_code

MetricKind = Literal["classes", "numbers", "texts", "code"]

DEFAULT_METRIC = "top1"
METRIC_NAMES = ("top1", "top5 (any K)", "f1", "mae", "r2", "wer", "cer", "module:function")
# Errors in the target's own unit. Every other score is a fraction of which more is better and 1 is perfect.
_ERRORS = frozenset({"mae"})
_KINDS: dict[str, MetricKind] = {"f1": "classes", "mae": "numbers", "r2": "numbers", "wer": "texts", "cer": "texts"}
_WORDS = {
    "f1": "F1 (macro)",
    "mae": "mean absolute error",
    "r2": "R²",
    "wer": "word accuracy (1 − WER)",
    "cer": "character accuracy (1 − CER)",
}
_TOP = re.compile(r"^top([1-9][0-9]{0,5})$")


def check_metric(name: str) -> str:
    """Return `name` when it is a metric.

    Raises:
        RequestError: it is none; the message lists what there is.
    """
    if name in _KINDS or _TOP.match(name) or names_code(name):
        return name
    raise RequestError(f"metric {name[:80]!r} is not known; choose from {', '.join(METRIC_NAMES)}")


def metric_kind(name: str) -> MetricKind:
    """Return what a metric compares: classes with labels, or numbers or texts with targets; code decides itself."""
    return "classes" if _TOP.match(name) else _KINDS.get(name, "code")


def top_k(name: str) -> int | None:
    """Return how many classes a top-K metric lets pass, None where it is another metric."""
    match = _TOP.match(name)
    return int(match[1]) if match else None


def is_error(name: str) -> bool:
    """Tell whether less is better: an error in the target's unit, whose drop is its relative increase."""
    return name in _ERRORS


def metric_words(name: str) -> str:
    """Return what a score is called where people read it, such as `top-5 accuracy`; `accuracy` for top-1."""
    k = top_k(name)
    if k is not None:
        return "accuracy" if k == 1 else f"top-{k} accuracy"
    return _WORDS.get(name, name)


class Scoring(Contract):
    """How the answers to one data set are scored.

    Attributes:
        metric: name of the metric.
        alphabet: symbols of a CTC output's classes in order, the blank left out; empty where outputs are texts.
        blank: class of the CTC blank.
        folder: where the module of a metric of the user's own is looked for.
        code: sha256 of that module's file, so that a changed metric is not taken for the one that was measured.
    """

    metric: str = DEFAULT_METRIC
    alphabet: tuple[str, ...] = ()
    blank: int = 0
    folder: str | None = None
    code: str | None = None
