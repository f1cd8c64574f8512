"""Stock sessions of one thread, run the same way: an ONNX file in onnxruntime, an exported program in torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Runs(Protocol):
    """What onnxruntime's session offers, as far as it is used here."""

    def get_inputs(self) -> Any: ...

    def get_outputs(self) -> Any: ...

    def run(self, names: None, feed: dict[str, np.ndarray], /) -> list[Any]: ...


def open_session(path: Path) -> Runs:
    """Return a stock session of one thread."""
    return _Program(path) if path.suffix == ".pt2" else open_model(str(path))


def open_model(model: str | bytes) -> Runs:
    """Return a stock session of one thread for the path or the content of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class _Value:
    """An input or output: what signatures are compared by."""

    name: str
    type: str
    shape: tuple[int | str, ...]


class _Program:
    """An exported program, loaded without shipfit."""

    def __init__(self, path: Path) -> None:
        import torch

        torch.set_num_threads(1)
        program = torch.export.load(path)
        signature = program.graph_signature
        values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        self._inputs = [_value(name, values[name]) for name in signature.user_inputs]
        self._outputs = [_value(f"output_{index}", values[name]) for index, name in enumerate(signature.user_outputs)]
        self._call = program.module()

    def get_inputs(self) -> list[_Value]:
        return self._inputs

    def get_outputs(self) -> list[_Value]:
        return self._outputs

    def run(self, names: None, feed: dict[str, np.ndarray], /) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            answer = self._call(*(torch.from_numpy(feed[value.name]) for value in self._inputs))
        return [part.numpy() for part in (answer if isinstance(answer, (tuple, list)) else (answer,))]


def _value(name: str, value: Any) -> _Value:
    shape = tuple(int(size) if isinstance(size, int) else str(size) for size in value.shape)
    return _Value(name, str(value.dtype), shape)
