from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from shipfit.tools.quantize.levelling import levelled
from shipfit.tools.quantize.static import calibrate, write_static
from shipfit.tools.quantize.static_plan import Planner, StaticChoice

CHOICE = StaticChoice(("Conv",))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def spread_input(lab: Any, groups: int, opset: int = 17, spread: float = 3.0) -> tuple[onnx.ModelProto, Any]:
    """A convolution whose input channels reach from 1 to `exp(-spread)`, and whose weights make up for it."""
    sizes = np.exp(np.linspace(0, -spread, 16)).astype(np.float32).reshape(1, 16, 1, 1)
    weight = noise(32, 16 // groups, 3, 3) / (sizes if groups == 1 else np.repeat(sizes.reshape(16, 1, 1, 1), 2, 0))
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=groups)
    shapes = {"x": [1, 16, 8, 8]}, {"y": [1, 32, 6, 6]}
    model = lab.build([node], *shapes, {"w": weight.astype(np.float32)}, opset)
    return model, [{"x": noise(1, 16, 8, 8, seed=each) * sizes} for each in range(4)]


def quantized(model: onnx.ModelProto, feeds: Any, **options: Any) -> onnx.ModelProto:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    write_static(copied, CHOICE, calibrate(copied, CHOICE, feeds), **options)
    onnx.checker.check_model(copied)
    return copied


@pytest.mark.parametrize(("groups", "opset"), [(1, 17), (16, 17), (1, 18)])
def test_channels_of_different_sizes_round_as_finely(lab: Any, groups: int, opset: int) -> None:
    original, feeds = spread_input(lab, groups, opset)
    model = quantized(original, feeds)
    (written,) = (node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x")
    scales = {each.name: each.dims for each in model.graph.initializer}
    assert list(scales[written.input[1]]) == [16]
    plain = quantized(original, feeds, per_channel=False)
    assert lab.sqnr(original, model, feeds) > 34
    assert lab.sqnr(original, model, feeds) > lab.sqnr(original, plain, feeds) + 6
    fused = lab.optimized(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    assert "QLinearConv" in [node.op_type for node in fused.graph.node]


def test_channels_alike_keep_one_scale(lab: Any) -> None:
    original, feeds = spread_input(lab, 1, spread=0.0)
    plan = Planner(original).plan(CHOICE, ranges := calibrate(original, CHOICE, feeds))
    assert levelled(Planner(original), plan, ranges) == {}


def test_what_a_carrier_reads_too_keeps_one_scale(lab: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], "conv"),
        helper.make_node("MaxPool", ["x"], ["p"], "pool", kernel_shape=[2, 2]),
        helper.make_node("Conv", ["p", "w"], ["z"], "conv2"),
    ]
    _, feeds = spread_input(lab, 1)
    weights = {"w": noise(32, 16, 1, 1)}
    original = lab.build(nodes, {"x": [1, 16, 8, 8]}, {"y": [1, 32, 8, 8], "z": [1, 32, 7, 7]}, weights)
    ranges = calibrate(original, CHOICE, feeds)
    planner = Planner(original)
    plan = planner.plan(CHOICE, ranges)
    assert 1 in plan.carriers
    assert "x" not in levelled(planner, plan, ranges)


def test_what_follows_integers_keeps_one_scale(lab: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv1"),
        helper.make_node("Exp", ["a"], ["b"], "exp"),
        helper.make_node("Conv", ["b", "w"], ["y"], "conv2"),
    ]
    sizes = np.exp(np.linspace(0, -4, 16)).astype(np.float32).reshape(16, 1, 1, 1)
    shape = [1, 16, 8, 8]
    original = lab.build(nodes, {"x": shape}, {"y": shape}, {"w": noise(16, 16, 1, 1) * sizes})
    feeds = [{"x": noise(1, 16, 8, 8, seed=each)} for each in range(4)]
    ranges, planner = calibrate(original, CHOICE, feeds), Planner(original)
    assert "b" not in levelled(planner, planner.plan(CHOICE, ranges), ranges)
    alone = StaticChoice((), named={"conv2"})
    assert "b" in levelled(planner, planner.plan(alone, ranges), ranges)
