"""Run a model that is only in memory: for calibration and for the damage of trial forms."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from onnx import ModelProto

from ...contracts import ToolError
from ..model_files import save_briefly, serialized
from ..onnx_model import is_large
from ..sample_runs import count
from ..session import open_bytes, open_session, plain_options, run_errors, runtime_words, session_options

# So many elements of inputs tell enough about a model, in however few samples: half a minute of sound has half a
# million, in a thousand windows.
ENOUGH_ELEMENTS = 5 * 2**18
_LEAST_SAMPLES = 2


def copy_model(model: ModelProto) -> ModelProto:
    """Return a copy that can be changed."""
    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


def enough(feeds: Sequence[Mapping[str, Any]], most: int, least: int = _LEAST_SAMPLES) -> Sequence[Mapping[str, Any]]:
    """Return the first samples: `most`, or fewer where `least` or more hold a million elements together."""
    if not len(feeds):
        return feeds
    return feeds[: min(most, max(least, ENOUGH_ELEMENTS // max(elements_of(feeds[0]), 1)))]


def elements_of(feed: Mapping[str, Any]) -> int:
    """Return how many elements a sample has."""
    return sum(np.asarray(value).size for value in feed.values())


@contextmanager
def opened(model: ModelProto, as_shipped: bool = True) -> Generator[Any]:
    """Give a session of `model`, by way of a temporary folder where protobuf cannot hold it.

    Args:
        model: with all its weights.
        as_shipped: with every pass of a stock session, else only with those that hold on any machine. A large model
            goes without any: folding and laying out its weights anew takes longer than the calls that it is opened for.

    Raises:
        ToolError: the runtime refuses the model.
    """
    import onnxruntime as ort

    options = session_options()
    if not as_shipped:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if not is_large(model):
        yield open_bytes(serialized(model), options)
        return
    with TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder) / "model.onnx"
        save_briefly(model, path)
        yield open_session(path, plain_options())


def run(session: Any, feed: Mapping[str, Any], timed: bool = False) -> list[Any]:
    """Return the outputs for one sample; `timed` calls are told in seconds, and not counted as sample runs.

    Raises:
        ToolError: the runtime refuses the sample, or fails on it.
    """
    import onnxruntime as ort

    if not timed:
        count()
    quiet = ort.RunOptions()
    quiet.log_severity_level = 4
    try:
        return list(session.run(None, dict(feed), quiet))
    except run_errors() as error:
        raise ToolError(f"the model does not run on the data: {runtime_words(error)}") from error
