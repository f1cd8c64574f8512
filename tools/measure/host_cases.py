"""Tiny models, one for each class of operators that the levers treat differently, in fp32 and in int8.

Each is a chain, so that 8-bit values pass from unit to unit as they do in real models. The int8 forms are
written by the same code that writes them for the user's models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ...contracts import Compute, OperatorClass
from ..quantize.dynamic import quantize_dynamic
from ..quantize.static import calibrate, write_static
from ..quantize.static_plan import StaticChoice

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class HostCase:
    """One class of operators: its fp32 model, the int8 forms of it, and a feed."""

    operators: OperatorClass
    model: ModelProto
    forms: tuple[Compute, ...]
    feed: Mapping[str, Any]

    def quantized(self, form: Compute) -> ModelProto:
        """Return the model with every unit in `form`."""
        model = ModelProto.FromString(self.model.SerializeToString())
        units = {node.op_type for node in model.graph.node} & {"Conv", "MatMul", "LSTM"}
        if form == "dynamic":
            quantize_dynamic(model, units)
            return model
        choice = StaticChoice(units)
        write_static(model, choice, calibrate(model, choice, [self.feed]))
        return model


def host_cases() -> Iterator[HostCase]:
    """Yield the cases; sizes are such that the fp32 model takes between 20 µs and 1 ms."""
    yield _convolutions("conv_wide", channels=128, kernel=3, side=10)
    yield _convolutions("conv_narrow", channels=32, kernel=1, side=48)
    yield _convolutions("depthwise", channels=64, kernel=3, side=28, group=64)
    yield _products("product_large", rows=32, width=512, depth=2)
    yield _products("product_small", rows=64, width=64, depth=4)
    yield _recurrent(steps=8, inputs=128, hidden=256)


def _convolutions(operators: OperatorClass, channels: int, kernel: int, side: int, group: int = 1) -> HostCase:
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    weights: Arrays = {}
    value = "x"
    for number in range(2):
        name, pad = f"w{number}", kernel // 2
        weights[name] = _scaled(rng, channels, channels // group, kernel, kernel)
        nodes.append(
            helper.make_node("Conv", [value, name], [f"c{number}"], f"conv{number}", pads=[pad] * 4, group=group)
        )
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"], f"relu{number}"))
        value = f"r{number}"
    shape = [1, channels, side, side]
    return HostCase(operators, _model(nodes, weights, shape, value), ("static",), _feed(rng, shape))


def _products(operators: OperatorClass, rows: int, width: int, depth: int) -> HostCase:
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    weights: Arrays = {}
    value = "x"
    for number in range(depth):
        weights[f"w{number}"] = _scaled(rng, width, width)
        nodes.append(helper.make_node("MatMul", [value, f"w{number}"], [f"m{number}"], f"product{number}"))
        nodes.append(helper.make_node("Relu", [f"m{number}"], [f"r{number}"], f"relu{number}"))
        value = f"r{number}"
    model = _model(nodes, weights, [rows, width], value)
    return HostCase(operators, model, ("static", "dynamic"), _feed(rng, [rows, width]))


def _recurrent(steps: int, inputs: int, hidden: int) -> HostCase:
    rng = np.random.default_rng(0)
    weights = {"w": _scaled(rng, 1, 4 * hidden, inputs), "r": _scaled(rng, 1, 4 * hidden, hidden)}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=hidden)
    shape = [steps, 1, inputs]
    return HostCase("recurrent", _model([node], weights, shape, "y"), ("dynamic",), _feed(rng, shape))


def _scaled(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return weights under which activations keep their size (He et al., 2015)."""
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


def _feed(rng: np.random.Generator, shape: list[int]) -> Mapping[str, Any]:
    return {"x": rng.standard_normal(shape).astype(np.float32)}


def _model(nodes: list[NodeProto], weights: Arrays, shape: list[int], output: str) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "host",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
