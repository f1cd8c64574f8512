"""Open stock onnxruntime sessions on the CPU, with errors in the runtime's own words."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import ToolError
from .onnx_model import one_line

# The runtime is imported at use: importing it starts a thread, which no fork of the launcher would have.
if TYPE_CHECKING:
    import onnxruntime as ort

_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "
    r"|Load model from .*? failed: ?"
    r"|\S*/onnxruntime/\S+:\d+ "
    r"|(?:\w+ )?onnxruntime::[^\n]*?\) "
)


@cache
def runtime_errors() -> tuple[type[Exception], ...]:
    """Return what onnxruntime's binding raises, which has no common base below Exception."""
    state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return (
        state.EPFail,
        state.EngineError,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.ModelLoadCanceled,
        state.NoModel,
        state.NoSuchFile,
        state.NotFound,
        state.NotImplemented,
        state.RuntimeException,
    )


@cache
def run_errors() -> tuple[type[Exception], ...]:
    """Return what a call of a session may raise.

    Beside onnxruntime's own: a plain RuntimeError is how unnamed C++ exceptions arrive, ValueError how a feed that
    does not fit is refused before the C++ side sees it.
    """
    return (*runtime_errors(), RuntimeError, ValueError)


def runtime_words(error: Exception) -> str:
    """Return what the runtime said, on one line, without its codes, paths and source positions."""
    return one_line(_NOISE.sub("", str(error)))


def session_options(threads: int = 1) -> Any:
    """Return the options of a stock session with `threads` and no log output."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return options


def plain_options() -> Any:
    """Return the options of a session that computes what the file says, operator by operator."""
    import onnxruntime as ort

    options = session_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def open_session(
    model: Path, options: Any | None = None, disabled_optimizers: list[str] | None = None
) -> ort.InferenceSession:
    """Load `model` on the CPU.

    Raises:
        ToolError: the runtime refuses the file; the message is the runtime's own.
    """
    import onnxruntime as ort

    try:
        return ort.InferenceSession(
            str(model),
            options or session_options(),
            providers=["CPUExecutionProvider"],
            disabled_optimizers=disabled_optimizers,
        )
    except runtime_errors() as error:
        raise ToolError(f"onnxruntime cannot load the model: {runtime_words(error)}") from error


def open_bytes(content: bytes, options: Any | None = None) -> ort.InferenceSession:
    """Load a serialized model on the CPU.

    Raises:
        ToolError: the runtime refuses it; the message is the runtime's own.
    """
    import onnxruntime as ort

    try:
        return ort.InferenceSession(content, options or session_options(), providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        raise ToolError(f"onnxruntime cannot load the model: {runtime_words(error)}") from error
