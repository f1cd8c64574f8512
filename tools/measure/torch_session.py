"""Exported torch programs in a stock torch on the CPU: `torch.export.load(…).module()` in inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...contracts import ModelFileError, RequestError, RuntimeSettings, TensorSpec, ToolError
from ..onnx_model import one_line
from ..pytorch.program import Signature, open_program

# What torch raises when a program is run: guards are assertions, operators raise RuntimeError and its kin.
_RUN_ERRORS = (RuntimeError, ValueError, TypeError, AssertionError, KeyError, IndexError, NotImplementedError)


class TorchSession:
    """A program loaded in torch.

    Attributes:
        inner: the module that is called.
    """

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.inner: torch.nn.Module = program.module()
        self.signature = Signature(program)

    @property
    def input_names(self) -> Sequence[str]:
        return tuple(spec.name for spec in self.signature.inputs)

    @property
    def output_names(self) -> Sequence[str]:
        return tuple(spec.name for spec in self.signature.outputs)

    @property
    def input_specs(self) -> Sequence[TensorSpec]:
        return self.signature.inputs

    @property
    def output_specs(self) -> Sequence[TensorSpec]:
        return self.signature.outputs

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the outputs as arrays, in the order of `output_names`.

        Raises:
            ToolError: the feeds do not fit, or the program fails while it runs.
        """
        try:
            args, kwargs = self._call(feeds)
            with torch.inference_mode():
                answer = self.inner(*args, **kwargs)
        except _RUN_ERRORS as error:
            raise ToolError(f"the model does not run: {_words(error)}") from error
        return [_array(each) for each in self.signature.leaves(answer)]

    def arm(self, feeds: Sequence[Mapping[str, Any]]) -> Callable[[int], object]:
        """Return what runs the feed of that number; tensors are made beforehand."""
        module, given = self.inner, [self._call(feed) for feed in feeds]

        def arm(number: int) -> object:
            args, kwargs = given[number]
            with torch.inference_mode():
                return module(*args, **kwargs)

        return arm

    def tensors(self, feeds: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the feed as tensors of the program's types.

        Raises:
            ValueError: other inputs, or other types.
        """
        unknown = sorted(set(feeds) - set(self.input_names))
        if unknown or len(feeds) < len(self.input_names):
            raise ValueError(f"the inputs are {', '.join(self.input_names)}, not {', '.join(feeds) or 'none'}")
        return {spec.name: _tensor(spec, feeds[spec.name]) for spec in self.signature.inputs}

    def _call(self, feeds: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.signature.call(self.tensors(feeds))


def _tensor(spec: TensorSpec, value: Any) -> torch.Tensor:
    array = np.asarray(value)
    if str(array.dtype) != spec.dtype:
        raise ValueError(f"input {spec.name!r} is {spec.dtype}, not {array.dtype}")
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _array(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    return (value.float() if value.dtype is torch.bfloat16 else value).detach().numpy()


def _words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(lines[0] if lines else type(error).__name__)


class TorchRuntime:
    """torch on the CPU of this host."""

    @property
    def name(self) -> str:
        return "torch"

    @property
    def version(self) -> str:
        return str(torch.__version__).partition("+")[0]

    def open(self, model: Path, settings: RuntimeSettings) -> TorchSession:
        """Load `model` in a stock torch; the number of threads holds for this process.

        Raises:
            ToolError: torch refuses the file.
            RequestError: settings that torch does not know.
        """
        check_torch_settings(settings)
        torch.set_num_threads(max(1, settings.intra_op_num_threads))
        try:
            return TorchSession(open_program(model))
        except ModelFileError as error:
            raise ToolError(f"torch cannot load the model: {error.message}") from error


def check_torch_settings(settings: RuntimeSettings) -> RuntimeSettings:
    """Return `settings` when torch can follow them.

    Raises:
        RequestError: session entries, which are onnxruntime's.
    """
    if settings.departures:
        raise RequestError(f"session setting {min(settings.departures)[:80]!r} is onnxruntime's; torch has none")
    return settings
