"""Run a model that is only in memory: for calibration and for the damage of trial forms."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime as ort
from onnx import ModelProto

from ...contracts import ToolError
from ..onnx_model import LARGE_BYTES, save, weight_bytes
from ..session import RUNTIME_ERRORS, open_session, runtime_words, session_options

# A feed that does not fit is refused by the binding before the runtime sees it.
_RUN_ERRORS: tuple[type[Exception], ...] = (*RUNTIME_ERRORS, ValueError)


def copy_model(model: ModelProto) -> ModelProto:
    """Return a copy that can be changed."""
    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


@contextmanager
def opened(model: ModelProto, as_shipped: bool = True) -> Generator[Any]:
    """Give a session of `model`, by way of a temporary folder where protobuf cannot hold it.

    Args:
        model: with all its weights.
        as_shipped: with every pass of a stock session, else only with those that hold on any machine.

    Raises:
        ToolError: the runtime refuses the model.
    """
    options = session_options()
    if not as_shipped:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if weight_bytes(model) <= LARGE_BYTES:
        yield _from_bytes(model.SerializeToString(), options)
        return
    with TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder) / "model.onnx"
        save(model, path)
        yield open_session(path, options)


def _from_bytes(content: bytes, options: Any) -> Any:
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise ToolError(f"onnxruntime cannot load the model: {runtime_words(error)}") from error


def run(session: Any, feed: Mapping[str, Any]) -> list[Any]:
    """Return the outputs for one sample.

    Raises:
        ToolError: the runtime refuses the sample, or fails on it.
    """
    quiet = ort.RunOptions()
    quiet.log_severity_level = 4
    try:
        return list(session.run(None, dict(feed), quiet))
    except _RUN_ERRORS as error:
        raise ToolError(f"the model does not run on the data: {runtime_words(error)}") from error
