"""Time a model with a rewrite against the model without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnx import ModelProto

from ...contracts import RuntimeSettings
from ..context import MODEL_FILE
from ..measure.benchmark import Patience, Subject, time_models
from ..measure.lock import measuring_lock
from ..measure.session import stock
from ..onnx_model import save

# Enough on a quiet machine; on a busy one a gain of a few per cent takes longer to be told from none.
_PATIENCE = Patience(0.6, 4.0, bounds=(1.0,))


def time_rewrite(before: ModelProto, after: ModelProto, feeds: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the speed of `after` over that of `before` in stock one-thread sessions, and its lower bound.

    Both run in turn while the host's measuring lock is held.

    Raises:
        ToolError: a model does not load, or refuses the feeds.
    """
    settings: RuntimeSettings = stock(1)
    with TemporaryDirectory(prefix="shipfit-") as folder, measuring_lock():
        paths = [Path(folder) / each / MODEL_FILE for each in ("before", "after")]
        for path, model in zip(paths, (before, after), strict=True):
            save(model, path)
        first, second = (Subject(path, settings) for path in paths)
        timings = time_models(first, second, feeds, _PATIENCE)
    value, interval = timings.ratio((0, 2), 1)
    return value, interval.low
