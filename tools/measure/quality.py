"""How well two models answer: scores of both on the same samples, and what the second loses against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ...contracts import (
    ClassDrop,
    DataError,
    DataRef,
    DataView,
    Interval,
    Quantity,
    Scoring,
    Session,
    Unit,
    is_error as is_an_error,
    metric_kind,
    top_k,
)
from ..hardware import fingerprint
from .metrics import Score, scorer
from .score import among_top, top_class
from .session import runtime_label
from .statistics import paired_difference, resampled, resampled_groups, wilson

MAX_CLASSES = 100
MAX_KEPT_BYTES = 2**30
# A metric of the user's own is tried on this many samples before anything else is done.
TRIED_SAMPLES = 16
# An original whose error is below this share of the targets' spread counts as having that error: of nothing, every
# increase would be infinite.
SMALLEST_ERROR = 1e-3


class Quality(Protocol):
    """Scores of two models, gathered feed by feed."""

    def add(self, original: Any, candidate: Any, truth: Any, stream: int | None = None) -> None:
        """Account for one feed; `truth` is its labels or its targets, `stream` the number of its stream, if any."""
        ...

    def result(self) -> dict[str, Any]:
        """Return the fields of an `Evaluation` that speak of quality."""
        ...


def quality_of(ref: DataRef) -> Quality:
    """Return what scores answers to the data of `ref`."""
    scoring = ref.scoring
    k = top_k(scoring.metric)
    if k is not None:
        return RightAnswers(scoring.metric, k, ref.seed)
    return KeptAnswers(scoring, ref.seed)


def truths(view: DataView, ref: DataRef, part: str, limit: int | None) -> Sequence[Any] | None:
    """Return what the answers to each feed are scored by: labels or targets; None where the data have neither."""
    if not ref.labelled or ref.output is None:
        return None
    labels = view.labels(part, limit)
    if labels is not None and metric_kind(ref.scoring.metric) in ("classes", "code"):
        return [np.atleast_1d(label) for label in labels]
    return view.targets(part, limit)


def measured(value: float, unit: Unit, samples: int, interval: Interval | None = None) -> Quantity:
    """Return a quantity that was measured here, in this runtime."""
    return Quantity(
        value=value, unit=unit, runtime=runtime_label(), hardware=fingerprint(), samples=samples, interval=interval
    )


@dataclass
class PerClass:
    """Samples of each class, and how many of them each model gets right."""

    counts: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def add(self, labels: np.ndarray, original: np.ndarray, candidate: np.ndarray) -> None:
        for label, first, second in zip(labels.tolist(), original.tolist(), candidate.tolist(), strict=True):
            count = self.counts.setdefault(int(label), [0, 0, 0])
            for place, more in enumerate((1, int(first), int(second))):
                count[place] += more

    def drops(self) -> tuple[ClassDrop, ...]:
        """Return the classes, the largest loss first, at most `MAX_CLASSES` of them."""
        found = [
            ClassDrop(label=label, samples=samples, original=first / samples, candidate=second / samples)
            for label, (samples, first, second) in self.counts.items()
        ]
        return tuple(sorted(found, key=lambda item: (-item.drop, item.label))[:MAX_CLASSES])


@dataclass
class RightAnswers:
    """Right and wrong answers of both models on the same labelled samples: among the `k` best classes, or not.

    Calls of one stream are no independent samples: intervals come from drawing whole streams then.
    """

    metric: str
    k: int
    seed: int = 0
    streams: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    counts: dict[tuple[bool, bool], int] = field(
        default_factory=lambda: {(a, b): 0 for a in (True, False) for b in (True, False)}
    )
    classes: PerClass = field(default_factory=PerClass)

    def add(self, original: Any, candidate: Any, truth: Any, stream: int | None = None) -> None:
        first, second = (among_top(output, truth, self.k) for output in (original, candidate))
        self.classes.add(truth, first, second)
        if stream is not None:
            old = self.streams.setdefault(stream, [0, 0, 0])
            self.streams[stream] = [old[0] + len(truth), old[1] + int(first.sum()), old[2] + int(second.sum())]
        for pair in zip(first, second, strict=True):
            self.counts[bool(pair[0]), bool(pair[1])] += 1

    @property
    def samples(self) -> int:
        return sum(self.counts.values())

    def accuracy(self, which: int) -> Quantity:
        """Accuracy of the original (0) or the candidate (1) with its Wilson interval."""
        right = sum(count for answers, count in self.counts.items() if answers[which])
        interval = _interval(self._drawn()[:, which]) if self.streams else wilson(right, self.samples)
        return measured(right / self.samples, "fraction", self.samples, interval)

    def _drawn(self) -> np.ndarray:
        """Return the shares of right answers of both models over streams that were drawn with replacement."""
        counts = np.array([*self.streams.values()])
        sums = np.array([counts[index].sum(axis=0) for index in resampled(len(counts), self.seed)])
        return np.asarray(sums[:, 1:] / sums[:, :1])

    @property
    def net_loss(self) -> int:
        return self.counts[True, False] - self.counts[False, True]

    def drop(self) -> Quantity:
        """Net loss as a share of the samples, with its paired interval."""
        order = ((True, True), (True, False), (False, True), (False, False))
        shares = self._drawn() if self.streams else None
        interval = (
            paired_difference(*(self.counts[key] for key in order))
            if shares is None
            else _interval(shares[:, 0] - shares[:, 1])
        )
        return measured(self.net_loss / self.samples, "fraction", self.samples, interval)

    def result(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "samples": self.samples,
            "original_accuracy": self.accuracy(0),
            "candidate_accuracy": self.accuracy(1),
            "net_loss": self.net_loss,
            "drop": self.drop(),
            "class_drops": self.classes.drops(),
        }


@dataclass
class KeptAnswers:
    """Answers that are scored together, because the score of a set is no sum over its samples.

    Intervals come from a paired bootstrap over the samples (Efron, 1979): both models see the same resamples. Calls
    of one stream are no independent samples, so streams are drawn as wholes.
    """

    scoring: Scoring
    seed: int
    originals: list[Any] = field(default_factory=list[Any])
    candidates: list[Any] = field(default_factory=list[Any])
    goals: list[Any] = field(default_factory=list[Any])
    streams: list[int] = field(default_factory=list[int])
    classes: PerClass = field(default_factory=PerClass)
    kept: int = 0

    def add(self, original: Any, candidate: Any, truth: Any, stream: int | None = None) -> None:
        rows = len(truth)
        first_row = len(self.streams)
        self.streams += range(first_row, first_row + rows) if stream is None else [stream] * rows
        if self.scoring.metric == "f1":
            first, second = (top_class(output, rows) for output in (original, candidate))
            self.classes.add(truth, first == truth, second == truth)
            self._keep([first], [second], [truth])
        else:
            self._keep(_rows(original, rows), _rows(candidate, rows), list(truth))

    def _keep(self, originals: list[Any], candidates: list[Any], goals: list[Any]) -> None:
        self.originals += originals
        self.candidates += candidates
        self.goals += goals
        self.kept += sum(getattr(item, "nbytes", 0) for item in (*originals, *candidates))
        if self.kept > MAX_KEPT_BYTES:
            raise DataError(
                f"{self.scoring.metric} needs all outputs at once, and they are more than {MAX_KEPT_BYTES // 2**20} "
                "MiB; give fewer samples"
            )

    def result(self) -> dict[str, Any]:
        prepare = scorer(self.scoring)
        first, second = (prepare(_same_shape(answers, self.originals), self.goals) for answers in self._sides())
        samples = sum(len(goal) for goal in self.goals) if self.scoring.metric == "f1" else len(self.goals)
        everything = np.arange(samples)
        scores = np.array([first(everything), second(everything)])
        draws = self._draws(first, second, samples)
        unit: Unit = "value" if is_an_error(self.scoring.metric) else "fraction"
        old, new = (measured(float(scores[i]), unit, samples, _interval(draws[:, i])) for i in (0, 1))
        lost = _interval(self._lost(draws))
        return {
            "metric": self.scoring.metric,
            "samples": samples,
            "original_accuracy": old,
            "candidate_accuracy": new,
            "drop": measured(float(self._lost(scores[np.newaxis])[0]), "fraction", samples, lost),
            "class_drops": self.classes.drops(),
        }

    def _sides(self) -> tuple[list[Any], list[Any]]:
        return self.originals, self.candidates

    def _draws(self, first: Score, second: Score, samples: int) -> np.ndarray:
        """Return the scores of both models on resamples, one row each."""
        return np.array([(first(index), second(index)) for index in resampled_groups(self.streams, self.seed)])

    def _lost(self, scores: np.ndarray) -> np.ndarray:
        """Return what the second model loses, row by row: a difference, or of an error the relative increase."""
        if not is_an_error(self.scoring.metric):
            return np.asarray(scores[:, 0] - scores[:, 1])
        spread = float(np.std(np.concatenate([np.asarray(goal, float).reshape(-1) for goal in self.goals])))
        least = SMALLEST_ERROR * (spread or 1.0)
        return np.asarray((scores[:, 1] - scores[:, 0]) / np.maximum(scores[:, 0], least))


def _rows(output: Any, rows: int) -> list[Any]:
    """Return the answer to each row of a feed, the batch axis taken away where there is one."""
    array = np.asarray(output)
    if array.ndim and array.shape[0] == rows:
        return list(array)
    return list(array.reshape(rows, -1)) if rows > 1 else [array]


def _same_shape(answers: list[Any], originals: list[Any]) -> list[Any]:
    """Return answers in the original's shapes; one of another size is no answer at all."""
    return [
        answer
        if np.size(answer) == np.size(original) or np.asarray(original).dtype.kind != "f"
        else np.full(np.shape(original), np.nan, np.asarray(original).dtype)
        for answer, original in zip(answers, originals, strict=True)
    ]


def _interval(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(low=float(low), high=float(high))


def try_metric(session: Session, view: DataView, ref: DataRef) -> None:
    """Call a metric of the user's own on a few answers of the original, before anything is searched.

    Raises:
        DataError: it fails, or returns what is no score.
    """
    goals: list[Any] = []
    answers: list[Any] = []
    part = "selection"
    names = list(session.output_names)
    found = truths(view, ref, part, TRIED_SAMPLES) or ()
    for feed, truth in zip(view.feeds(part, TRIED_SAMPLES), found, strict=False):
        output = session.run(feed)[names.index(str(ref.output))]
        answers += _rows(output, len(truth))
        goals += list(truth)
    scorer(ref.scoring)(answers, goals)(np.arange(len(goals)))
