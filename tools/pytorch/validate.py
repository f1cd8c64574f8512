"""Compare an optimized program with its original: answers, accuracy and speed, side by side in this process."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram

from ...contracts import Contract, ToolError
from ..judge import CONSTANT, NOT_FINITE
from ..measure.fidelity import OutputError
from .feeds import Calls
from .graph import answers
from .timing import call_seconds, one_thread

_ROUNDS = 15


class TorchValidation(Contract):
    """What came of it, on samples that nothing was tuned on.

    Attributes:
        fidelity_db: SQNR at the worst output.
        accuracy, original_accuracy: share of right classes by the first output; absent without labels.
        speedup: time of the original / time of the result, one thread, calls in turn.
        synthetic: there were no data; the example inputs are all that was compared.
    """

    samples: int
    fidelity_db: float
    speedup: float
    original_accuracy: float | None = None
    accuracy: float | None = None
    synthetic: bool = False

    @property
    def drop(self) -> float | None:
        """Accuracy lost, as a fraction; negative where it was gained."""
        if self.accuracy is None or self.original_accuracy is None:
            return None
        return self.original_accuracy - self.accuracy


def validate(
    original: ExportedProgram, optimized: ExportedProgram, calls: Calls, labels: torch.Tensor | None, synthetic: bool
) -> TorchValidation:
    """Run both on the same calls.

    Raises:
        ToolError: the optimized one answers NaN or infinity, or always the same, where the original does not.
    """
    first, second = original.module(), optimized.module()
    errors: list[OutputError] = []
    right = [0, 0]
    with torch.inference_mode():
        for index, (args, kwargs) in enumerate(calls):
            known, given = answers(first(*args, **kwargs)), answers(second(*args, **kwargs))
            errors = errors or [OutputError() for _ in known]
            for error, old, new in zip(errors, known, given, strict=True):
                error.add(old.numpy(), new.numpy())
            if labels is not None:
                for place, scores in enumerate((known[0], given[0])):
                    right[place] += int(scores.reshape(-1).argmax() == labels[index])
    if not all(error.finite for error in errors):
        raise ToolError(NOT_FINITE)
    if any(error.constant for error in errors):
        raise ToolError(CONSTANT)
    return TorchValidation(
        samples=len(calls),
        fidelity_db=min(error.decibels for error in errors),
        speedup=speedup(first, second, calls),
        original_accuracy=right[0] / len(calls) if labels is not None else None,
        accuracy=right[1] / len(calls) if labels is not None else None,
        synthetic=synthetic,
    )


def speedup(original: Callable[..., Any], optimized: Callable[..., Any], calls: Calls) -> float:
    """Return time of the original / time of the other on one thread: the median over rounds that take turns."""
    with one_thread(), torch.inference_mode():
        pairs = [(call_seconds(original, calls), call_seconds(optimized, calls)) for _ in range(_ROUNDS + 1)]
    return statistics.median(first / second for first, second in pairs[1:])
