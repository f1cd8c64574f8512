"""Channels are widened to the runtime's block where that keeps its layout, and the answers stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.onnx_model import core_bytes, opset
from shipfit.tools.rewrite.align_channels import BLOCK, align_channels

from ... import models

X = models.spec("x", ["N", 3, "H", "W"])
FEEDS = {"x": np.asarray(np.random.default_rng(0).standard_normal((2, 3, 6, 5)), np.float32)}


class Net:
    """Puts convolutions together whose weights are random."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self._random = np.random.default_rng(1)

    def conv(self, source: str, output: str, into: int, out: int, group: int = 1, kernel: int = 1) -> None:
        weight, bias = (f"{output}_{each}" for each in "wb")
        values = self._random.standard_normal((out, into // group, kernel, kernel)) / max(1, into // group) ** 0.5
        self.weights |= {weight: values.astype(np.float32), bias: self._random.standard_normal(out).astype(np.float32)}
        self.add("Conv", [source, weight, bias], output, group=group, pads=[kernel // 2] * 4)

    def add(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op_type, inputs, [output], output, **attributes))

    def model(self, *outputs: str) -> onnx.ModelProto:
        return models.build(self.nodes, [X], [models.spec(name, [None] * 4) for name in outputs], self.weights)


def gated(wide: int, narrow: int, activation: str = "HardSwish", last: str = "y") -> onnx.ModelProto:
    """A depthwise convolution with a squeeze-and-excitation, and a sum around it."""
    net = Net()
    net.conv("x", "a", 3, wide)
    net.add(activation, ["a"], "b")
    net.conv("b", "c", wide, wide, group=wide, kernel=3)
    net.add("GlobalAveragePool", ["c"], "pool")
    net.conv("pool", "d", wide, narrow)
    net.add("Relu", ["d"], "e")
    net.conv("e", "f", narrow, wide)
    net.add("HardSigmoid", ["f"], "gate")
    net.add("Mul", ["c", "gate"], "g")
    net.add("Add", ["g", "b"], "h")
    net.conv("h", "y", wide, 7)
    return net.model(last)


def filters(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    return {node.output[0]: shapes[node.input[1]] for node in model.graph.node if node.op_type == "Conv"}


@settings(max_examples=10, deadline=None)
@given(st.integers(3, 40), st.integers(1, 20), st.sampled_from(["HardSwish", "Relu", "Sigmoid", "LeakyRelu"]))
def test_all_inside_become_multiples_and_the_answers_stay(before, wide: int, narrow: int, activation: str):
    case = before(gated(wide, narrow, activation), FEEDS)
    count = case.rewritten(align_channels)
    found = filters(case.model)
    assert all(found[name][0] % BLOCK == 0 for name in "ac")
    assert found["y"] == (7, found["a"][0], 1, 1)
    reads_narrow = narrow < BLOCK or narrow % 4 > 0
    assert found["f"][1] == (-(-narrow // BLOCK) * BLOCK if reads_narrow else narrow)
    assert count == (wide % BLOCK > 0) + reads_narrow
    assert align_channels(case.model) == 0


def test_the_cheapest_are_widened_as_far_as_there_is_room(before):
    case = before(gated(40, 10), FEEDS)
    size = core_bytes(case.model)
    assert align_channels(case.model, spare=100) == 0
    assert align_channels(case.model, spare=1500) == 1
    channels = {name: shape[0] for name, shape in filters(case.model).items()}
    assert channels == {"a": 48, "c": 48, "d": 10, "f": 48, "y": 7}
    assert size < core_bytes(case.model) <= size + 1600


@pytest.mark.parametrize("last", ["h", "gate", "pool"])
def test_what_a_caller_sees_keeps_its_channels(before, last: str):
    case = before(gated(24, 16, last=last), FEEDS)
    assert case.rewritten(align_channels) == 0


def test_what_something_else_reads_keeps_its_channels(before):
    for op_type, attributes in (("Transpose", {"perm": [0, 2, 3, 1]}), ("Softmax", {"axis": 1})):
        net = Net()
        net.conv("x", "a", 3, 24)
        net.add("MaxPool", ["a"], "b", kernel_shape=[2, 2])
        net.add(op_type, ["b"], "y", **attributes)
        assert before(net.model("y"), FEEDS).rewritten(align_channels) == 0


def test_chains_that_keep_the_layout_stay(before):
    net = Net()
    net.conv("x", "a", 3, 24)
    net.add("Relu", ["a"], "b")
    net.conv("b", "y", 24, 8)
    assert before(net.model("y"), FEEDS).rewritten(align_channels) == 0


def test_a_gate_of_one_channel_keeps_it(before):
    net = Net()
    net.conv("x", "a", 3, 24)
    net.conv("a", "gate", 24, 1)
    net.add("Mul", ["a", "gate"], "b")
    net.conv("b", "y", 24, 16)
    assert before(net.model("y"), FEEDS).rewritten(align_channels) == 0


def test_shapes_that_the_file_states_are_stated_anew(before):
    inferred = onnx.shape_inference.infer_shapes(gated(24, 8))
    case = before(inferred, FEEDS)
    assert case.rewritten(align_channels) == 2
    stated = {each.name: each.type.tensor_type.shape.dim[1].dim_value for each in case.model.graph.value_info}
    assert {name: stated[name] for name in "abcdegh"} == dict.fromkeys("abcgh", 32) | {"d": 16, "e": 16}
    onnx.shape_inference.infer_shapes(case.model, strict_mode=True)
    assert opset(case.model) == opset(inferred)
