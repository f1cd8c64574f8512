"""Traits of files in the wild, given to trained networks: quantized, half precision, control flow, old opsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn


class Stepped(nn.Module):
    """Refines a state three times, then asks one of two heads, by how bright the digit is."""

    steps = 3

    def __init__(self, inputs: int = 64, width: int = 256, classes: int = 10):
        super().__init__()
        self.first, self.again = nn.Linear(inputs, width), nn.Linear(width, width)
        self.bright, self.dark = nn.Linear(width, classes), nn.Linear(width, classes)

    def forward(self, pixels: Any) -> Any:
        start = torch.relu(self.first(pixels))
        state = start
        for _ in range(self.steps):
            state = torch.relu(self.again(state) + start)
        bright = pixels.mean(1, keepdim=True) > BRIGHT
        return torch.where(bright, self.bright(state), self.dark(state))


BRIGHT = 0.3


def write_stepped(network: Stepped, path: Path) -> None:
    """Write the network for one digit at a time: its steps a `Loop`, its choice an `If` with weights inside."""
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    matrices = {name: value.T.copy() if value.ndim == 2 else value for name, value in weights.items()}
    nodes = [
        *_dense("first", "pixels", "first.sum"),
        helper.make_node("Relu", ["first.sum"], ["start"], "first.relu"),
        helper.make_node("Loop", ["steps", "", "start"], ["state"], "refine", body=_loop_body()),
        helper.make_node("ReduceMean", ["pixels"], ["brightness"], "brightness", keepdims=0),
        helper.make_node("Greater", ["brightness", "limit"], ["is_bright"], "compare"),
        helper.make_node(
            "If",
            ["is_bright"],
            ["scores"],
            "choose",
            then_branch=_branch("bright", matrices),
            else_branch=_branch("dark", matrices),
        ),
    ]
    shared = {name: value for name, value in matrices.items() if name.partition(".")[0] in ("first", "again")}
    constants = {"steps": np.array(Stepped.steps, np.int64), "limit": np.array(BRIGHT, np.float32)}
    tensors = [numpy_helper.from_array(value, name) for name, value in {**shared, **constants}.items()]
    graph = helper.make_graph(nodes, "stepped", [_floats("pixels", 1, 64)], [_floats("scores", 1, 10)], tensors)
    _save(graph, path)


def _loop_body() -> onnx.GraphProto:
    nodes = [
        *_dense("again", "state_in", "again.sum"),
        helper.make_node("Add", ["again.sum", "start"], ["again.both"], "again.add"),
        helper.make_node("Relu", ["again.both"], ["state_out"], "again.relu"),
        helper.make_node("Identity", ["go_on"], ["go_on_out"], "again.go_on"),
    ]
    inputs = [
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
        _floats("state_in", 1, 256),
    ]
    outputs = [helper.make_tensor_value_info("go_on_out", TensorProto.BOOL, []), _floats("state_out", 1, 256)]
    return helper.make_graph(nodes, "body", inputs, outputs)


def _branch(name: str, matrices: dict[str, np.ndarray]) -> onnx.GraphProto:
    tensors = [numpy_helper.from_array(matrices[f"{name}.{part}"], f"{name}.{part}") for part in ("weight", "bias")]
    return helper.make_graph(
        _dense(name, "state", f"{name}.scores"), name, [], [_floats(f"{name}.scores", 1, 10)], tensors
    )


def _dense(name: str, source: str, target: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", [source, f"{name}.weight"], [f"{name}.product"], f"{name}.matmul"),
        helper.make_node("Add", [f"{name}.product", f"{name}.bias"], [target], f"{name}.bias_add"),
    ]


def _floats(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _save(graph: onnx.GraphProto, path: Path) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="zoo")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def constants_for_weights(path: Path) -> None:
    """Turn every initializer into a `Constant` node, as older exporters stored them."""
    model = onnx.load(path)
    nodes = [helper.make_node("Constant", [], [each.name], value=each) for each in model.graph.initializer]
    nodes += model.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def weights_outside(path: Path) -> None:
    """Move the weights to `weights.bin` beside the file."""
    model = onnx.load(path)
    path.unlink()
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=256)


def half_precision(path: Path) -> None:
    """Compute in float16, with inputs and outputs as before."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)


def quantized(path: Path, name: str, samples: np.ndarray) -> None:
    """Quantize with onnxruntime's own static quantizer, in QDQ form and per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            row = next(self.rows, None)
            return None if row is None else {name: row[None]}

    before = path.with_suffix(".before.onnx")
    path.rename(before)
    quantize_static(
        before,
        path,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    before.unlink()
