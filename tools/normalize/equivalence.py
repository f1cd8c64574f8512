"""Compare a rewritten model with its source on a few inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnx import ModelProto

from ...contracts import DataError, DataView, ToolError
from ..measure.fidelity import OutputError
from ..measure.session import open_briefly
from ..measure.synthesize import synthesize_feeds
from ..model_files import save_briefly
from ..onnx_model import is_large_file
from ..session import open_session, plain_options, session_options

_SAMPLES = 2
# float32 rounding alone stays above 100 dB; a wrong conversion falls far below.
_MIN_DB = 80.0
# Two orders of the same additions differ by about this much in how far off they are.
_MARGIN_DB = 6.0


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
            least_db: fidelity at the worst output, SQNR in dB, below which it is another model. A source that
                amplifies rounding is held to what its own rounding leaves, 80 dB at least.

        Raises:
            ToolError: it does not load or run, or answers differently.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            save_briefly(model, path)
            (session,) = open_briefly(path)
            worst = self._decibels(session.run)
        if worst < least_db and (worst < _MIN_DB or worst < self._rounding_db - _MARGIN_DB):
            raise ToolError(f"the rewritten model answers differently (SQNR {worst:.0f} dB)")

    @cached_property
    def _rounding_db(self) -> float:
        """What the order of additions does to the source itself: the runtime's own fusions against none."""
        # `_answered` is by the one or the other.
        options = session_options() if is_large_file(self._source) else plain_options()
        other = open_session(self._source, options)
        return self._decibels(lambda feed: other.run(None, dict(feed)))

    def _decibels(self, run: Callable[[Mapping[str, Any]], Sequence[Any]]) -> float:
        """Return the SQNR of the worst output of `run` against the source."""
        names, answered = self._answered
        errors = [OutputError() for _ in names]
        for feed, wanted in answered:
            for error, expected, answer in zip(errors, wanted, run(feed), strict=True):
                error.add(expected, answer)
        return min((error.decibels for error in errors), default=float("inf"))

    @cached_property
    def _answered(self) -> tuple[Sequence[str], list[tuple[Mapping[str, Any], Sequence[Any]]]]:
        """The source's outputs by name, and its answers, taken once for all that is compared with it."""
        (original,) = open_briefly(self._source)
        return original.output_names, [(feed, original.run(feed)) for feed in self._feeds()]

    def _feeds(self) -> Sequence[Mapping[str, Any]]:
        if self._data is not None:
            return self._data.feeds("calibration", _SAMPLES)
        try:
            return synthesize_feeds(self._source, _SAMPLES, seed=0)
        except DataError:
            return []  # it loads; nothing is known about inputs that it would accept
