"""Compare a candidate with its original on the same samples: fidelity, accuracy, soundness."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...contracts import DataView, Evaluation, Part, Progress, ProgressSink, Quantity, RequestError, ToolError
from ..context import ToolAnswer, ToolContext, silent
from ..hardware import fingerprint
from ..onnx_model import quoted
from .data import open_data
from .fidelity import OutputError
from .score import top_class
from .session import OnnxSession, open_session, runtime_label, stock
from .statistics import paired_difference, wilson


@dataclass
class _Answers:
    """Right and wrong answers of both models on the same labelled samples."""

    counts: dict[tuple[bool, bool], int] = field(
        default_factory=lambda: {(a, b): 0 for a in (True, False) for b in (True, False)}
    )

    def add(self, original: np.ndarray, candidate: np.ndarray, labels: np.ndarray) -> None:
        for first, second in zip(original == labels, candidate == labels, strict=True):
            self.counts[bool(first), bool(second)] += 1

    @property
    def samples(self) -> int:
        return sum(self.counts.values())

    def accuracy(self, which: int) -> Quantity:
        """Accuracy of the original (0) or the candidate (1) with its Wilson interval."""
        right = sum(count for answers, count in self.counts.items() if answers[which])
        return _measured(right / self.samples, "fraction", self.samples, interval=wilson(right, self.samples))

    @property
    def net_loss(self) -> int:
        return self.counts[True, False] - self.counts[False, True]

    def drop(self) -> Quantity:
        """Net loss as a share of the samples, with its paired interval."""
        order = ((True, True), (True, False), (False, True), (False, False))
        interval = paired_difference(*(self.counts[key] for key in order))
        return _measured(self.net_loss / self.samples, "fraction", self.samples, interval=interval)


def _measured(value: float, unit: Any, samples: int, interval: Any = None) -> Quantity:
    return Quantity(
        value=value,
        unit=unit,
        runtime=runtime_label(),
        hardware=fingerprint(),
        samples=samples,
        interval=interval,
    )


def compare_models(
    original: Path,
    candidate: Path,
    view: DataView,
    part: str,
    limit: int | None = None,
    threads: int = 1,
    progress: ProgressSink = silent,
) -> Evaluation:
    """Run both models on the same samples of one part and compare what they answer.

    Samples are streamed: only the outputs of one sample are held. `limit` takes the first feeds.

    Raises:
        RequestError: the models do not take the same inputs, so nothing can be fed to both.
        ToolError: a model does not load or run, or the outputs differ in name or number.
    """
    started = time.perf_counter()
    first, second = (open_session(path, stock(threads)) for path in (original, candidate))
    _require_same_inputs(first, second)
    if first.output_names != second.output_names:
        raise ToolError(f"the candidate's outputs {list(second.output_names)} are not {list(first.output_names)}")
    feeds = view.feeds(part, limit)
    labels = view.labels(part, limit)
    errors = {name: OutputError() for name in first.output_names}
    answers = _Answers()
    for index, feed in enumerate(feeds):
        pair = _run_both(first, second, feed)
        for name, (reference, answer) in pair.items():
            errors[name].add(reference, answer)
        if labels is not None and view.ref.output is not None:
            truth = np.atleast_1d(labels[index])
            reference, answer = pair[view.ref.output]
            answers.add(top_class(reference, len(truth)), top_class(answer, len(truth)), truth)
        if index % 64 == 63:
            progress(Progress(tool="evaluate", message=f"{index + 1} of {len(feeds)}", fraction=index / len(feeds)))
    return _evaluation(part, len(feeds), errors, answers, view, time.perf_counter() - started)


def _require_same_inputs(first: OnnxSession, second: OnnxSession) -> None:
    both = (sorted(each.inner.get_inputs(), key=lambda item: str(item.name)) for each in (first, second))
    ours, theirs = ([(item.name, item.type, item.shape) for item in inputs] for inputs in both)
    if len(ours) == len(theirs) and all(_same_input(*pair) for pair in zip(ours, theirs, strict=True)):
        return
    old, new = (", ".join(f"{quoted(name)} {kind} {dims}" for name, kind, dims in each) for each in (ours, theirs))
    raise RequestError(f"the models do not take the same inputs ({old} against {new}); give two that do")


def _same_input(old: tuple[str, str, list[Any]], new: tuple[str, str, list[Any]]) -> bool:
    """Names and types must be equal, and so must the dimensions that both fix (none: a scalar, or any rank)."""
    ranks = {len(dims) for dims in (old[2], new[2]) if dims}
    if old[:2] != new[:2] or len(ranks) > 1:
        return False
    return all(a == b for a, b in zip(old[2], new[2], strict=False) if isinstance(a, int) and isinstance(b, int))


def _run_both(first: OnnxSession, second: OnnxSession, feed: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = zip(first.run(feed), second.run(feed), strict=True)
    return dict(zip(first.output_names, pairs, strict=True))


def _evaluation(
    part: str, samples: int, errors: Mapping[str, OutputError], answers: _Answers, view: DataView, seconds: float
) -> Evaluation:
    decibels = {name: error.decibels for name, error in errors.items()}
    labelled = answers.samples > 0
    return Evaluation(
        part=cast(Part, part),
        samples=answers.samples if labelled else samples,
        original_accuracy=answers.accuracy(0) if labelled else None,
        candidate_accuracy=answers.accuracy(1) if labelled else None,
        net_loss=answers.net_loss if labelled else None,
        drop=answers.drop() if labelled else None,
        fidelity=_measured(min(decibels.values()), "dB", samples),
        output_fidelity_db=decibels,
        finite=all(error.finite for error in errors.values()),
        constant=any(error.constant for error in errors.values()),
        synthetic=view.ref.synthetic,
        seconds=seconds,
    )


def evaluate_tool(context: ToolContext) -> ToolAnswer:
    """Compare role `candidate` with role `original` on role `data`. Params: `part`, `limit`."""
    job = context.job
    if job.data is None:
        raise ValueError("an evaluate job carries the reference of its data")
    view = open_data(context.inputs["data"], job.data)
    part, limit = job.params.get("part", "selection"), job.params.get("limit")
    original, candidate = context.model("original"), context.model("candidate")
    report = compare_models(original, candidate, view, part, limit, job.threads, context.progress)
    return ToolAnswer(report=report)
