"""Open stock onnxruntime sessions on the CPU, with errors in the runtime's own words."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import onnxruntime as ort

from ..contracts import ToolError
from .onnx_model import one_line

_state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")

# What onnxruntime's binding raises has no common base below Exception.
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    _state.EPFail,
    _state.EngineError,
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.ModelLoadCanceled,
    _state.NoModel,
    _state.NoSuchFile,
    _state.NotFound,
    _state.NotImplemented,
    _state.RuntimeException,
)

_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "
    r"|Load model from .*? failed: ?"
    r"|\S*/onnxruntime/\S+:\d+ "
    r"|(?:\w+ )?onnxruntime::[^\n]*?\) "
)


def runtime_words(error: Exception) -> str:
    """Return what the runtime said, on one line, without its codes, paths and source positions."""
    return one_line(_NOISE.sub("", str(error)))


def session_options(threads: int = 1) -> Any:
    """Return the options of a stock session with `threads` and no log output."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return options


def open_session(
    model: Path, options: Any | None = None, disabled_optimizers: list[str] | None = None
) -> ort.InferenceSession:
    """Load `model` on the CPU.

    Raises:
        ToolError: the runtime refuses the file; the message is the runtime's own.
    """
    try:
        return ort.InferenceSession(
            str(model),
            options or session_options(),
            providers=["CPUExecutionProvider"],
            disabled_optimizers=disabled_optimizers,
        )
    except RUNTIME_ERRORS as error:
        raise ToolError(f"onnxruntime cannot load the model: {runtime_words(error)}") from error


def open_bytes(content: bytes, options: Any | None = None) -> ort.InferenceSession:
    """Load a serialized model on the CPU.

    Raises:
        ToolError: the runtime refuses it; the message is the runtime's own.
    """
    try:
        return ort.InferenceSession(content, options or session_options(), providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise ToolError(f"onnxruntime cannot load the model: {runtime_words(error)}") from error
