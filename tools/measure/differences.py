"""How far the answers of two models are apart, added up sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ...contracts import DataView, Evaluation, Part, Session, ToolError, metric_kind
from ..onnx_model import quoted
from .clear import Clear
from .fidelity import OutputError
from .logits import LogitsError
from .quality import Quality, measured, quality_of, truths


class Differences:
    """Fidelity of each output and of the logits, and what the metric says of both models.

    Args:
        original: what the other is compared with.
        pairs: tensors that hold the logits of both.
        view: the data that both answer.
        part: of them.
        limit: how many feeds are taken, the first ones.

    Attributes:
        samples: that were added.
    """

    def __init__(
        self, original: Session, pairs: Sequence[tuple[str, str]], view: DataView, part: str, limit: int | None
    ) -> None:
        self._shapes = {each.name: each.shape or () for each in original.output_specs}
        self._errors = {name: OutputError() for name in original.output_names}
        self._logits = LogitsError(pairs)
        self._scored = _Scored(view, part, limit, quality_of(view.ref))
        self._view, self._part = view, part
        self.samples = 0

    def add(self, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Add what the original and the other answer to a sample, by name.

        Raises:
            ToolError: an output differs in type, rank or fixed sizes.
        """
        for name, error in self._errors.items():
            _require_alike(name, self._shapes[name], ours[name], theirs[name])
            error.add(ours[name], theirs[name])
        self._logits.add(ours, theirs)
        self._scored.add(self.samples, {name: (ours[name], theirs[name]) for name in self._errors})
        self.samples += 1

    def are_clear(self, clear: Clear) -> bool:
        """Tell whether further samples would not change on which side of the bounds the other is."""
        return clear.is_told(self.samples, self._view, self._part, self._worst(), self._logits.decibels)

    def evaluation(self) -> Evaluation:
        """Return what was added up."""
        fields: dict[str, Any] = {"samples": self.samples, **self._scored.result()}
        if self._part != "final":
            fields.pop("class_drops", None)
        below = self._logits.decibels
        return Evaluation(
            part=cast(Part, self._part),
            **fields,
            fidelity=measured(self._worst(), "dB", self.samples),
            logits_fidelity=None if below is None else measured(below, "dB", self.samples),
            output_fidelity_db={name: error.decibels for name, error in self._errors.items()},
            finite=all(error.finite for error in self._errors.values()),
            constant=any(error.constant for error in self._errors.values()),
            synthetic=self._view.ref.synthetic,
        )

    def _worst(self) -> float:
        """Return the SQNR in dB of the worst output, or of the one that the data name."""
        named = self._view.ref.named_output
        errors = self._errors.values()
        return min(each.decibels for each in errors) if named is None else self._errors[named].decibels


class _Scored:
    """Hands to the metric what it can score: every answer, or the last one of each stream (all of them, for texts)."""

    def __init__(self, view: DataView, part: str, limit: int | None, quality: Quality) -> None:
        self._truths = truths(view, view.ref, part, limit)
        self._output = str(view.ref.output)
        self._quality = quality
        starts = view.starts(part, limit)
        self._streams = view.ref.scores_streams
        self._texts = metric_kind(view.ref.scoring.metric) == "texts"
        self._last = [position + 1 == len(starts) or starts[position + 1] for position in range(len(starts))]
        self._stream: list[tuple[Any, Any]] = []
        self._number = np.cumsum(starts).tolist() if view.ref.state else None
        self._count = 0

    def add(self, index: int, pair: Mapping[str, tuple[Any, Any]]) -> None:
        if self._truths is None:
            return
        answer = pair[self._output]
        if self._streams:
            self._stream = [*self._stream, answer] if self._texts else [answer]
            if not self._last[index]:
                return
            answer = _joined(self._stream)
            self._stream = []
        self._count += 1
        self._quality.add(*answer, self._truths[index], self._number[index] if self._number else None)

    def result(self) -> dict[str, Any]:
        return self._quality.result() if self._count else {}


def _joined(stream: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the answers of a stream as one; symbols stand on the last axis, so every other one is time."""
    if len(stream) == 1:
        return stream[0]
    first, second = (
        np.concatenate([np.asarray(pair[side]).reshape(-1, np.shape(pair[side])[-1]) for pair in stream])
        for side in (0, 1)
    )
    return first, second


def _require_alike(name: str, shape: Sequence[int | str], known: Any, answer: Any) -> None:
    """Answers must be of one element type and rank, and of the sizes that the original fixes and keeps."""
    if not (isinstance(known, np.ndarray) and isinstance(answer, np.ndarray)):
        return
    if known.dtype != answer.dtype:
        raise ToolError(f"the candidate's output {quoted(name)} is {answer.dtype}, the original's is {known.dtype}")
    fixed = [axis for axis, size in enumerate(shape) if size in known.shape[axis : axis + 1]]
    if known.ndim != answer.ndim or any(known.shape[axis] != answer.shape[axis] for axis in fixed):
        raise ToolError(
            f"the candidate's output {quoted(name)} is of shape {[*answer.shape]}, the original's is {[*known.shape]}"
        )
