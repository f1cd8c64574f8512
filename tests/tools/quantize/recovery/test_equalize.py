"""Equalization leaves what a model computes as it is, and what it may not touch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import ModelProto, helper

from shipfit.tools.quantize.recovery.chains import find_chains
from shipfit.tools.quantize.recovery.channels import Tap, peaks
from shipfit.tools.quantize.recovery.equalize import BY_WEIGHTS, WAYS, Equalizing, equalize, equalized

SAME_DB = 100
CHANNELS = 4
PASSED = ("Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "Identity", "none")
DECOYS = ("Sigmoid", "HardSwish", "Clip", "given out", "read twice", "shared weight", "square", "subgraph")


class Chained:
    """Convolutions one after the other, with something between each two, and a `Gemm` after all."""

    def __init__(self, seed: int, between: list[str]) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray] = {"slope": self.rng.normal(size=(CHANNELS, 1, 1)).astype(np.float32)}
        self.outputs = {"y": ["n", 3]}
        tensor = "x"
        for index, kind in enumerate(between):
            tensor = self.between(self.conv(tensor, index, kind), index, kind)
        tensor = self.conv(tensor, len(between), "none")
        self.nodes.append(helper.make_node("GlobalAveragePool", [tensor], ["pooled"]))
        self.nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
        self.weights["w"] = self.uneven((3, CHANNELS))
        self.nodes.append(helper.make_node("Gemm", ["flat", "w"], ["y"], "last", transB=1))

    def uneven(self, shape: tuple[int, ...]) -> np.ndarray:
        spread = np.exp(self.rng.normal(scale=1.5, size=(shape[0], *[1] * (len(shape) - 1))))
        return (self.rng.normal(size=shape) * spread / 3).astype(np.float32)

    def conv(self, tensor: str, index: int, kind: str) -> str:
        groups = int(self.rng.choice([1, 2, CHANNELS]))
        weight = "w0" if kind == "shared weight" else f"w{index}"
        if kind == "shared weight":
            groups = 1
        self.weights.setdefault(weight, self.uneven((CHANNELS, CHANNELS // groups, 3, 3)))
        groups = CHANNELS // self.weights[weight].shape[1]
        self.weights[f"b{index}"] = self.uneven((CHANNELS,))
        inputs = [tensor, weight, f"b{index}"]
        made = helper.make_node("Conv", inputs, [f"c{index}"], f"conv{index}", group=groups, pads=[1, 1, 1, 1])
        self.nodes.append(made)
        return f"c{index}"

    def between(self, tensor: str, index: int, kind: str) -> str:
        name = f"t{index}"
        extra: dict[str, Any] = {"kernel_shape": [2, 2]} if kind in ("MaxPool", "AveragePool") else {}
        inputs = {"PRelu": [tensor, "slope"], "Clip": [tensor, "low", "high"]}.get(kind, [tensor])
        if kind in ("none", "shared weight"):
            return tensor
        if kind == "given out":
            self.outputs[tensor] = ["n", CHANNELS, "h", "w"]
            return tensor
        if kind == "read twice":
            self.nodes.append(helper.make_node("Sigmoid", [tensor], [f"gate{index}"]))
            self.nodes.append(helper.make_node("Mul", [tensor, f"gate{index}"], [name]))
            return name
        if kind == "square":
            self.nodes.append(helper.make_node("Mul", [tensor, tensor], [name]))
            return name
        if kind == "subgraph":
            self.nodes.append(_branch(tensor, name))
            return name
        if kind == "Clip":
            self.weights |= {"low": np.zeros((), np.float32), "high": np.ones((), np.float32)}
        self.nodes.append(helper.make_node(kind, inputs, [name], **extra))
        return name


def _branch(tensor: str, output: str) -> Any:
    def graph(op_type: str) -> Any:
        value = helper.make_tensor_value_info(f"{output}_{op_type}", 1, None)
        return helper.make_graph([helper.make_node(op_type, [tensor], [value.name])], op_type, [], [value])

    return helper.make_node("If", ["which"], [output], then_branch=graph("Relu"), else_branch=graph("Neg"))


def _model(lab: Any, seed: int, between: list[str]) -> tuple[ModelProto, list[dict[str, np.ndarray]]]:
    made = Chained(seed, between)
    weights = made.weights | {"which": np.array(True)}
    model = lab.build(made.nodes, {"x": ["n", CHANNELS, 8, 8]}, made.outputs, weights)
    feeds = [{"x": made.rng.normal(size=(2, CHANNELS, 8, 8)).astype(np.float32)} for _ in range(3)]
    return model, feeds


@given(st.integers(0, 2**31), st.lists(st.sampled_from((*PASSED, *DECOYS)), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_function_is_preserved(lab: Any, seed: int, between: list[str]) -> None:
    model, feeds = _model(lab, seed, between)
    for _, candidate in equalized(model, feeds):
        assert lab.sqnr(model, candidate, feeds) > SAME_DB


@pytest.mark.parametrize("decoy", DECOYS)
def test_decoys_end_chains(lab: Any, decoy: str) -> None:
    model, _ = _model(lab, 1, ["none", decoy] if decoy == "shared weight" else [decoy])
    assert "conv0" not in {chain.start.node.name for chain in find_chains(model).chains}
    assert find_chains(model).why["conv0"]


@pytest.mark.parametrize("kind", PASSED)
def test_factors_pass(lab: Any, kind: str) -> None:
    model, _ = _model(lab, 1, [kind])
    assert {chain.start.node.name for chain in find_chains(model).chains} == {"conv0", "conv1"}


def test_weight_ranges_match_afterwards(lab: Any) -> None:
    model, _ = _model(lab, 3, ["Relu"])
    assert equalize(model, BY_WEIGHTS) == 2
    for chain in find_chains(model).chains:
        weights = {each.name: _values(each) for each in model.graph.initializer}
        first = chain.start.output_peaks(weights[chain.start.weight])
        second = chain.ends[0].matrix.input_peaks(weights[chain.ends[0].matrix.weight])
        ratio = first / second
        assert np.allclose(ratio, ratio[0], rtol=0.02)


def test_activation_before_depthwise_is_even(lab: Any) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["t"], "a"),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("Conv", ["r", "d"], ["y"], "d", group=8),
    ]
    spread = np.exp(rng.normal(scale=2, size=(8, 1, 1, 1)))
    weights = {"a": (rng.normal(size=(8, 4, 1, 1)) * spread).astype(np.float32), "d": np.ones((8, 1, 1, 1), np.float32)}
    model = lab.build(nodes, {"x": ["n", 4, 4, 4]}, {"y": ["n", 8, 4, 4]}, weights)
    feeds = [{"x": rng.normal(size=(4, 4, 4, 4)).astype(np.float32)}]
    tap = Tap("r", 1, 4, 8)
    assert equalize(model, Equalizing(True, 0.5), peaks(model, [tap], feeds)) == 1
    after = peaks(model, [tap], feeds)["r"]
    assert after.max() / after.min() < 1.001


def test_silent_channels_and_zero_weights_stay(lab: Any) -> None:
    model, feeds = _model(lab, 5, ["Relu"])
    for each in model.graph.initializer:
        if each.name in ("w0", "b0"):
            values = _values(each).copy()
            values[1] = 0
            each.raw_data = values.tobytes()
    for _, candidate in equalized(model, feeds):
        assert lab.sqnr(model, candidate, feeds) > SAME_DB
        assert all(np.isfinite(_values(each)).all() for each in candidate.graph.initializer)


def test_shared_bias_is_copied(lab: Any) -> None:
    model, feeds = _model(lab, 7, ["Relu", "Relu"])
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.input[2] = "b0"
    for _, candidate in equalized(model, feeds, WAYS[:1]):
        assert lab.sqnr(model, candidate, feeds) > SAME_DB
        assert len({node.input[2] for node in candidate.graph.node if node.op_type == "Conv"}) == 3


def _values(tensor: Any) -> np.ndarray:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)
