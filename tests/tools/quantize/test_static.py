from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import IntegerType
from shipfit.tools.model_files import load
from shipfit.tools.quantize.clipping import Range
from shipfit.tools.quantize.code_grids import activation_scale
from shipfit.tools.quantize.static import calibrate, write_static
from shipfit.tools.quantize.static_plan import Planner, StaticChoice
from shipfit.tools.quantize.static_write import StaticTypes
from shipfit.tools.quantize.unit_weights import unit_scales

ALL = ("Conv", "Gemm", "MatMul")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantized(model: onnx.ModelProto, feeds: Any, keep: Any = (), min_terms: int = 0) -> Any:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    choice = StaticChoice(ALL, keep, min_terms)
    layers = write_static(copied, choice, calibrate(copied, choice, feeds))
    onnx.checker.check_model(copied)
    return copied, layers


def kinds(lab: Any, model: onnx.ModelProto) -> list[str]:
    fused = lab.optimized(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    return [node.op_type for node in fused.graph.node]


def test_cnn_runs_in_integers_from_end_to_end(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    original = load(digits_model)
    model, layers = quantized(original, digit_feeds)
    assert {layer.form for layer in layers} == {"int8 static"}
    found = kinds(lab, model)
    assert found.count("QLinearConv") == 3
    assert found.count("QGemm") == 1
    assert found.count("QuantizeLinear") == 1
    assert not {"Conv", "Gemm", "Relu"} & set(found)
    assert lab.sqnr(original, model, digit_feeds) > 25
    assert model.ByteSize() < 0.4 * original.ByteSize()


def test_weights_are_int8_and_biases_int32_in_the_file(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    model, _ = quantized(load(digits_model), digit_feeds)
    weights = [each for each in model.graph.initializer if len(each.dims) >= 2]
    assert {each.data_type for each in weights} == {TensorProto.INT8}
    assert sum(each.data_type == TensorProto.INT32 for each in model.graph.initializer) > 0


def test_kept_nodes_read_and_write_floats(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    original = load(digits_model)
    model, layers = quantized(original, digit_feeds, keep=["conv2"])
    assert {layer.name: layer.form for layer in layers}["conv2"] == "fp32"
    found = kinds(lab, model)
    assert found.count("QLinearConv") == 2
    assert lab.sqnr(original, model, digit_feeds) > 25


def test_short_dot_products_stay_in_float(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    original = load(digits_model)
    model, layers = quantized(original, digit_feeds, min_terms=32)
    assert {layer.name: layer.form for layer in layers}["conv1"] == "fp32"
    assert any("9 terms" in layer.why for layer in layers)
    assert kinds(lab, model).count("QLinearConv") == 2


def residual(lab: Any) -> onnx.ModelProto:
    """Two convolutions around a shortcut, the output of the first is read twice, and a result in the middle."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "c1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], "relu1"),
        helper.make_node("Conv", ["r", "w2"], ["b"], "c2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "r"], ["s"], "add"),
        helper.make_node("Clip", ["s", "low", "high"], ["t"], "clip"),
        helper.make_node("Conv", ["t", "w3"], ["y"], "c3"),
    ]
    weights = {
        "w1": noise(8, 3, 3, 3) / 5, "b1": noise(8), "w2": noise(8, 8, 3, 3) / 8, "w3": noise(4, 8, 1, 1),
        "low": np.array(0, np.float32), "high": np.array(1.5, np.float32),
    }  # fmt: skip
    return lab.build(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 4, 8, 8], "r": [1, 8, 8, 8]}, weights)


def test_shortcuts_stay_in_integers_and_clips_saturate_away(lab: Any) -> None:
    original = residual(lab)
    feeds = [{"x": noise(1, 3, 8, 8, seed=each)} for each in range(8)]
    model, _ = quantized(original, feeds)
    found = kinds(lab, model)
    assert found.count("QLinearConv") == 3
    assert "QLinearAdd" in found
    assert not {"Clip", "Relu", "Add"} & set(found)
    assert lab.sqnr(original, model, feeds) > 25


def test_what_brings_a_unit_nothing_is_not_rounded(lab: Any) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], "gemm"),
        helper.make_node("Reshape", ["g", "shape"], ["h"], "reshape"),
        helper.make_node("Softmax", ["h"], ["y"], "softmax"),
    ]
    weights = {"w": noise(32, 8), "b": noise(8), "shape": np.array([-1, 8], np.int64)}
    original = lab.build(nodes, {"x": ["n", 32]}, {"y": ["n", 8]}, weights)
    model, _ = quantized(original, [{"x": noise(4, 32)}])
    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") == 1
    assert "QGemm" in kinds(lab, model)


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"alpha": 0.5, "beta": 3.0}, {"transB": 1, "alpha": -2.0}])
def test_gemm_keeps_its_meaning(lab: Any, attributes: dict[str, Any]) -> None:
    weight = noise(8, 32) if attributes.get("transB") else noise(32, 8)
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "gemm", **attributes)
    original = lab.build([node], {"x": ["n", 32]}, {"y": ["n", 8]}, {"w": weight, "b": noise(8, seed=3)})
    feeds = [{"x": noise(4, 32, seed=1)}]
    model, _ = quantized(original, feeds)
    assert lab.sqnr(original, model, feeds) > 30


@pytest.mark.parametrize("lead", [[3], [1, 3]])
def test_a_matrix_product_takes_the_addition_after_it_as_its_bias(lab: Any, lead: list[int]) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "first"),
        helper.make_node("Add", ["b1", "a"], ["b"], "bias1"),
        helper.make_node("Relu", ["b"], ["c"], "relu"),
        helper.make_node("MatMul", ["c", "w2"], ["d"], "second"),
        helper.make_node("Add", ["d", "b2"], ["y"], "bias2"),
    ]
    weights = {"w1": noise(32, 48), "b1": noise(48), "w2": noise(48, 8), "b2": noise(8)}
    original = lab.build(nodes, {"x": [*lead, 32]}, {"y": [*lead, 8]}, weights)
    feeds = [{"x": noise(*lead, 32, seed=each)} for each in range(4)]
    model, layers = quantized(original, feeds)
    assert [layer.form for layer in layers] == ["int8 static"] * 2
    found = set(kinds(lab, model))
    assert "QGemm" in found
    assert not {"MatMul", "Gemm", "Relu", "Add"} & found
    assert lab.sqnr(original, model, feeds) > 28


def test_an_operator_of_another_domain_is_no_relu(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    model = load(digits_model)
    for node in model.graph.node:
        node.domain = "elsewhere" if node.op_type == "Relu" else ""
    plan = Planner(model).plan(StaticChoice(ALL))
    assert plan.absorbed == {}


@pytest.mark.parametrize(("mode", "moved"), [("nearest", True), ("linear", False), ("cubic", False)])
def test_resizing_shares_a_scale_unless_it_overshoots(lab: Any, mode: str, moved: bool) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("Resize", ["a", "", "sizes"], ["b"], "resize", mode=mode),
        helper.make_node("Conv", ["b", "w"], ["y"], "c2"),
    ]
    weights = {"w": noise(4, 4, 1, 1), "sizes": np.array([1, 1, 2, 2], np.float32)}
    original = lab.build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 8, 8]}, weights)
    assert (1 in Planner(original).plan(StaticChoice(ALL)).carriers) is moved
    feeds = [{"x": noise(1, 4, 4, 4, seed=each)} for each in range(4)]
    model, _ = quantized(original, feeds)
    assert lab.sqnr(original, model, feeds) > 25


def test_shapes_of_values_that_are_gone_are_forgotten(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    original = onnx.shape_inference.infer_shapes(load(digits_model))
    assert original.graph.value_info
    model, _ = quantized(original, digit_feeds)
    given = {name for node in model.graph.node for name in node.output}
    assert {each.name for each in model.graph.value_info} <= given


def test_opposite_scalings_of_one_weight_are_not_confused(lab: Any) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], [f"y{sign}"], f"g{sign}", alpha=float(sign)) for sign in (1, -1)]
    original = lab.build(nodes, {"x": ["n", 32]}, {"y1": ["n", 8], "y-1": ["n", 8]}, {"w": noise(32, 8)})
    feeds = [{"x": noise(4, 32, seed=1)}]
    model, _ = quantized(original, feeds)
    assert lab.sqnr(original, model, feeds) > 28


def test_a_bias_far_beyond_the_weights_does_not_overflow(lab: Any) -> None:
    weights = {"w": noise(4, 3, 1, 1) * np.float32(1e-12), "b": np.array([1e3, -1e3, 0, 5], np.float32)}
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv")
    original = lab.build([node], {"x": [1, 3, 4, 4]}, {"y": [1, 4, 4, 4]}, weights)
    feeds = [{"x": noise(1, 3, 4, 4) * np.float32(1e-6)}]
    model, _ = quantized(original, feeds)
    assert lab.sqnr(original, model, feeds) > 30


def test_old_opsets_get_one_scale_per_weight(lab: Any) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    original = lab.build([node], {"x": [1, 3, 4, 4]}, {"y": [1, 4, 4, 4]}, {"w": noise(4, 3, 1, 1)}, opset=11)
    feeds = [{"x": noise(1, 3, 4, 4)}]
    model, _ = quantized(original, feeds)
    assert all(each.name != "axis" for node in model.graph.node for each in node.attribute)
    assert lab.sqnr(original, model, feeds) > 25


def test_quantizing_twice_changes_nothing(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    once, _ = quantized(load(digits_model), digit_feeds)
    twice, layers = quantized(once, digit_feeds)
    assert {layer.why for layer in layers} == {"its weight is quantized already"}
    assert twice == once


def test_infinite_activations_keep_their_node_in_float(lab: Any) -> None:
    nodes = [
        helper.make_node("Log", ["x"], ["l"], "log"),
        helper.make_node("MatMul", ["l", "w"], ["y"], "product"),
    ]
    original = lab.build(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"w": noise(4, 4)})
    model, (layer,) = quantized(original, [{"x": np.zeros((1, 4), np.float32)}])
    assert "finite" in layer.why
    assert model == original


def test_one_weight_for_two_nodes_is_stored_once(lab: Any) -> None:
    nodes = [helper.make_node("MatMul", [f"x{at}", "w"], [f"x{at + 1}"], f"m{at}") for at in range(2)]
    original = lab.build(nodes, {"x0": [1, 16]}, {"x2": [1, 16]}, {"w": noise(16, 16) / 4})
    model, _ = quantized(original, [{"x0": noise(1, 16)}])
    assert sum(each.data_type == TensorProto.INT8 and len(each.dims) == 2 for each in model.graph.initializer) == 1


@given(low=st.floats(-1e6, 1e6), width=st.floats(0, 1e6))
def test_zero_is_exact_and_the_range_is_covered(low: float, width: float) -> None:
    span = Range(low, low + width)
    scale, zero = activation_scale(span)
    assert scale > 0
    assert float(scale) * (0 - int(zero)) <= min(span.low, 0) + float(scale)
    assert float(scale) * (255 - int(zero)) >= max(span.high, 0) - float(scale)


@given(seed=st.integers(0, 99), size=st.floats(1e-20, 1e20), x_scale=st.floats(1e-10, 1e10))
def test_biases_fit_in_int32(seed: int, size: float, x_scale: float) -> None:
    weight, bias = noise(4, 6, seed=seed), noise(4, seed=seed) * np.float32(size)
    scales = unit_scales(weight, bias, 0, x_scale)
    assert (np.abs(bias / (x_scale * scales.reshape(-1).astype(np.float64))) <= 2**31).all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_networks_stay_valid_and_close(lab: Any, random_cnns: Any, data: st.DataObject) -> None:
    original = data.draw(random_cnns)
    feeds = [{"x": noise(1, 3, 8, 8, seed=each)} for each in range(4)]
    model, layers = quantized(original, feeds)
    wanted, got = lab.run(original, feeds[0])[0], lab.run(model, feeds[0])[0]
    assert got.shape == wanted.shape
    assert np.isfinite(got).all()
    if all(layer.form == "fp32" for layer in layers):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("activations", "weights"), [("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")])
def test_types_are_those_asked_for_and_answer_alike(
    lab: Any, digits_model: Path, digit_feeds: Any, activations: IntegerType, weights: IntegerType
) -> None:
    model = onnx.load(digits_model)
    choice = StaticChoice(("Conv", "Gemm"))
    ranges = calibrate(model, choice, digit_feeds)
    write_static(model, choice, ranges, types=StaticTypes(activations, weights))
    names = {each.name: TensorProto.DataType.Name(each.data_type).lower() for each in model.graph.initializer}
    readers = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in names]
    assert {names[node.input[0]] for node in readers} == {weights, "int32"}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {names[node.input[2]] for node in quantizers} == {activations}
    assert kinds(lab, model).count("QLinearConv") == 3
    assert lab.sqnr(digits_model, model, digit_feeds) > 25
