"""Time a model with a rewrite against the model without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnx import ModelProto

from ..context import MODEL_FILE
from ..measure.benchmark import session_arm
from ..measure.decision import compare_speed
from ..measure.lock import measuring_lock
from ..measure.session import open_session
from ..model_files import save_briefly

# On a busy machine a gain of a few per cent takes so long to be told from none; half a per cent is none.
_SECONDS = 4.0
_NONE = 0.005


def time_rewrite(before: ModelProto, after: ModelProto, feeds: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the speed of `after` over that of `before` in stock one-thread sessions, and its lower bound.

    Both run in turn while the host's measuring lock is held, until it is clear whether the rewrite gains.

    Raises:
        ToolError: a model does not load, or refuses the feeds.
    """
    with TemporaryDirectory(prefix="shipfit-") as folder, measuring_lock():
        paths = [Path(folder) / each / MODEL_FILE for each in ("before", "after")]
        for path, model in zip(paths, (before, after), strict=True):
            save_briefly(model, path)
        sessions = [open_session(path) for path in paths]
        for session in sessions:
            session.run(feeds[0])  # what is refused becomes a typed error here
        arms = [session_arm(session, feeds) for session in sessions]
        value, interval = compare_speed(arms, len(feeds), 1.0, _SECONDS, _NONE)[0]
    return value, interval.low
