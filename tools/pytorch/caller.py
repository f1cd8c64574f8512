"""Export a live module in the process of the caller, whose own code it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from ...contracts import ModelFileError, RuntimeName
from ..context import MODEL_FILE, TORCH_FILE
from .export import export_module
from .factory import live_from_data
from .live import live_model
from .trace import trace_module


def export_here(
    module: torch.nn.Module, example: Any, data: str | None, folder: Path, runtime: RuntimeName = "onnx"
) -> Path:
    """Write `module` to `folder` as an exported program and return its path; the caller's module stays as it is.

    For onnxruntime, what `torch.export` refuses is traced to ONNX instead.

    Args:
        module: on any device, in any mode; a copy is exported.
        example: inputs to trace it on; None takes the module's `example_inputs`, or the first sample of `data`.
        data: path of data, or `module:callable`.
        folder: existing.
        runtime: where the product shall run.

    Raises:
        ModelFileError: it cannot be exported, or has no example inputs.
    """
    name = type(module).__name__
    own = copy.deepcopy(module)
    if example is None and not hasattr(module, "example_inputs") and data is not None:
        live = live_from_data(name, own, data, Path.cwd())
    else:
        live = live_model(name, own, example)
    try:
        trace_module(live, folder / TORCH_FILE)
    except ModelFileError:
        if runtime == "torch":
            raise
        (folder / TORCH_FILE).unlink(missing_ok=True)
        export_module(live, folder / MODEL_FILE)
        return folder / MODEL_FILE
    return folder / TORCH_FILE
