"""Compare a rewritten model with its source on a few inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnx import ModelProto

from ...contracts import DataError, DataView, ToolError
from ..measure.fidelity import OutputError
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

    def check(self, model: ModelProto, least_db: float = _MIN_DB) -> None:
        """Load `model` and compare its outputs with those of the source.

        Args:
            model: with all its weights.
            least_db: fidelity at the worst output, SQNR in dB, below which it is another model.

        Raises:
            ToolError: it does not load or run, or answers differently.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            save(model, path)
            candidate, original = open_session(path), open_session(self._source)
            errors = [OutputError() for _ in original.output_names]
            for feed in self._feeds():
                for error, expected, answer in zip(errors, original.run(feed), candidate.run(feed), strict=True):
                    error.add(expected, answer)
        worst = min((error.decibels for error in errors), default=float("inf"))
        if worst < least_db:
            raise ToolError(f"the rewritten model answers differently (SQNR {worst:.0f} dB)")

    def _feeds(self) -> Sequence[Mapping[str, Any]]:
        if self._data is not None:
            return self._data.feeds("calibration", _SAMPLES)
        try:
            return synthesize_feeds(self._source, _SAMPLES, seed=0)
        except DataError:
            return []  # it loads; nothing is known about inputs that it would accept
