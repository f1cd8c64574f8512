"""Compare a rewritten model with its source on a few inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from onnx import ModelProto

from ...contracts import DataError, DataView, ToolError
from ..measure.session import open_session
from ..measure.synthesize import synthesize_feeds
from ..onnx_model import save

_SAMPLES = 2
# float32 rounding alone stays above 100 dB; a wrong conversion falls far below.
_MIN_DB = 80.0


class Equivalence:
    """Whether other models answer as `source` does.

    Args:
        source: the model that is right by definition.
        data: where inputs come from; absent, they are synthesised.
    """

    def __init__(self, source: Path, data: DataView | None) -> None:
        self._source = source
        self._data = data

    def check(self, model: ModelProto) -> None:
        """Load `model` and compare its outputs with those of the source.

        Raises:
            ToolError: it does not load or run, or answers differently.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            save(model, path)
            candidate, original = open_session(path), open_session(self._source)
            for feed in self._feeds():
                for expected, answer in zip(original.run(feed), candidate.run(feed), strict=True):
                    _compare(expected, answer)

    def _feeds(self) -> Sequence[Mapping[str, Any]]:
        if self._data is not None:
            return self._data.feeds("calibration", _SAMPLES)
        try:
            return synthesize_feeds(self._source, _SAMPLES, seed=0)
        except DataError:
            return []  # it loads; nothing is known about inputs that it would accept


def _compare(expected: Any, answer: Any) -> None:
    same_kind = isinstance(expected, np.ndarray) and isinstance(answer, np.ndarray)
    if not same_kind or expected.dtype.kind != "f":
        if not np.array_equal(expected, answer):
            raise ToolError("the rewritten model answers differently")
        return
    if expected.shape != answer.shape or decibels(expected, answer) < _MIN_DB:
        raise ToolError("the rewritten model answers differently")


def decibels(expected: np.ndarray, answer: np.ndarray) -> float:
    """Return the ratio of signal to difference in dB; infinite where both are equal, NaN and infinity included."""
    if np.array_equal(expected, answer, equal_nan=True):
        return float("inf")
    both = np.isfinite(expected) & np.isfinite(answer)
    if not np.array_equal(np.isfinite(expected), np.isfinite(answer)):
        return float("-inf")
    signal = float(np.square(expected[both], dtype=np.float64).sum())
    noise = float(np.square(expected[both].astype(np.float64) - answer[both]).sum())
    return 10 * float(np.log10(max(signal, 1e-30) / max(noise, 1e-30)))
