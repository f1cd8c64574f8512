"""Bias correction takes the mean error out of quantized units, whatever form they have."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import ModelProto, helper

from shipfit.contracts import Limits, QuantizeStep, ToolError
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.recovery import bias
from shipfit.tools.quantize.recovery.bias import correct_bias, shrunk_mean
from shipfit.tools.quantize.recovery.biases import QuantizedUnits
from shipfit.tools.quantize.recovery.channels import moments
from shipfit.tools.quantize.trial import copy_model

CONV, ROWS = ("Conv",), ("MatMul", "Gemm")
STEPS = {
    "static": QuantizeStep(compute={"Conv": "static", "MatMul": "static", "Gemm": "static"}, min_terms=0),
    "dynamic": QuantizeStep(compute={"Conv": "dynamic", "MatMul": "dynamic", "Gemm": "dynamic"}),
    "stored": QuantizeStep(storage="int8"),
    "four bits": QuantizeStep(storage="int4"),
}


def _network(lab: Any, seed: int, depth: int, biased: bool = True) -> tuple[ModelProto, list[dict[str, np.ndarray]]]:
    """`Conv`, `Relu` …, `GlobalAveragePool`, `MatMul`, `Add`, `Relu`, `Gemm` on inputs that are positive."""
    rng = np.random.default_rng(seed)
    width, nodes, tensor = 36, list[Any](), "x"
    weights: dict[str, np.ndarray] = {}
    for index in range(depth):
        weights[f"w{index}"] = (rng.normal(size=(width, width, 1, 1)) / 6).astype(np.float32)
        weights[f"b{index}"] = rng.normal(size=width).astype(np.float32)
        inputs = [tensor, f"w{index}", *([f"b{index}"] if biased else [])]
        nodes.append(helper.make_node("Conv", inputs, [f"c{index}"], f"conv{index}"))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [tensor := f"r{index}"]))
    nodes += [
        helper.make_node("GlobalAveragePool", [tensor], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["product"], "matmul"),
        helper.make_node("Add", ["product", "mb"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "g", "gb"], ["y"], "gemm", transB=1),
    ]
    for name, shape in {"m": (width, width), "mb": (width,), "g": (width, width), "gb": (width,)}.items():
        weights[name] = (rng.normal(size=shape) / 6).astype(np.float32)
    feeds = [{"x": rng.uniform(0, 2, size=(1, width, 3, 3)).astype(np.float32)} for _ in range(8)]
    return lab.build(nodes, {"x": ["n", width, 3, 3]}, {"y": ["n", width]}, weights, opset=21), feeds


def _quantized(lab: Any, model: ModelProto, feeds: Any, step: QuantizeStep) -> ModelProto:
    import onnx

    target = lab.folder / "quantized.onnx"
    quantize(step, lab.save(model), target, lab.view(feeds), Limits())
    return onnx.load(target)


def _mean_error(model: ModelProto, quantized: ModelProto, feeds: Any) -> float:
    """The largest mean error of a channel of the output, in units of the output's deviation."""
    units = QuantizedUnits(model, quantized).units
    last = next(unit for unit in units if unit.matrix.node.name == "gemm")
    known = moments(model, [last.tap(last.known)], feeds)[last.known].mean
    given = moments(quantized, [last.tap(last.given)], feeds)[last.given].mean
    return float(np.abs((known - given).mean(axis=0)).max() / known.std())


@given(st.integers(0, 2**31), st.integers(1, 3), st.sampled_from(sorted(STEPS)))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mean_error_shrinks(lab: Any, seed: int, depth: int, form: str) -> None:
    model, feeds = _network(lab, seed, depth)
    quantized = _quantized(lab, model, feeds, STEPS[form])
    corrected = copy_model(quantized)
    assert correct_bias(model, corrected, feeds) > 0
    lab.session(corrected)
    assert _mean_error(model, corrected, feeds) < 0.7 * _mean_error(model, quantized, feeds)


@pytest.mark.parametrize("form", STEPS)
def test_every_unit_is_found(lab: Any, form: str) -> None:
    model, feeds = _network(lab, 1, 2)
    found = QuantizedUnits(model, _quantized(lab, model, feeds, STEPS[form])).units
    assert [unit.matrix.node.name for unit in found] == ["conv0", "conv1", "matmul", "gemm"]


@pytest.mark.parametrize("form", ["static", "stored"])
def test_conv_without_bias_gets_one(lab: Any, form: str) -> None:
    model, feeds = _network(lab, 2, 1, biased=False)
    quantized = _quantized(lab, model, feeds, STEPS[form])
    before = _mean_error(model, quantized, feeds)
    correct_bias(model, quantized, feeds)
    conv = next(node for node in quantized.graph.node if node.name == "conv0")
    assert len(conv.input) == 3
    assert _mean_error(model, quantized, feeds) < before
    fused = [node.op_type for node in lab.optimized(quantized, ort.GraphOptimizationLevel.ORT_ENABLE_ALL).graph.node]
    assert ("QLinearConv" in fused) == (form == "static")


def test_bias_of_two_nodes_is_changed_for_one(lab: Any) -> None:
    model, feeds = _network(lab, 3, 2)
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.input[2] = "b0"
    quantized = _quantized(lab, model, feeds, STEPS["four bits"])
    corrected = copy_model(quantized)
    correct_bias(model, corrected, feeds)
    assert len({node.input[2] for node in corrected.graph.node if node.op_type == "Conv"}) == 2
    assert _mean_error(model, corrected, feeds) < _mean_error(model, quantized, feeds)


@pytest.mark.parametrize("form", ["int4", "int4 in bytes", "int8", "int8_block", "static", "fp32"])
def test_channels_are_stretched_by_the_scales_there_are(lab: Any, form: str) -> None:
    model, feeds = _network(lab, 9, 1)
    if form == "int4 in bytes":  # an opset without the type
        model.opset_import[0].version, model.ir_version = 17, 8
    storage = {"static": "none", "fp32": "none", "int4 in bytes": "int4"}.get(form, form)
    step = STEPS["static"] if form == "static" else QuantizeStep.model_validate({"storage": storage, "block": 16})
    quantized = copy_model(model) if form == "fp32" else _quantized(lab, model, feeds, step)
    found, nodes = QuantizedUnits(model, quantized), len(quantized.graph.node)
    factors = np.linspace(0.8, 1.2, 36).astype(np.float32)
    for unit in found.units:
        tap = unit.tap(unit.given)
        before = moments(quantized, [tap], feeds)[unit.given]
        assert found.stretch(unit, factors), unit.matrix.node.name
        after = moments(quantized, [tap], feeds)[unit.given]
        assert after.mean == pytest.approx(before.mean * factors, rel=2e-3, abs=2e-3)
    assert len(quantized.graph.node) == nodes


def test_one_scale_for_all_channels_is_left_alone(lab: Any) -> None:
    model, feeds = _network(lab, 10, 1)
    step = STEPS["static"].model_copy(update={"per_channel": False})
    found = QuantizedUnits(model, _quantized(lab, model, feeds, step))
    assert not any(found.stretch(unit, np.full(36, 2.0, np.float32)) for unit in found.units)


def test_activation_that_static_compute_pulls_into_a_unit_is_no_error(lab: Any) -> None:
    rng = np.random.default_rng(8)
    nodes = [
        helper.make_node("Conv", ["x", "a", "ab"], ["t"], "a"),
        helper.make_node("HardSigmoid", ["t"], ["gate"], "gate"),
        helper.make_node("Conv", ["gate", "b", "bb"], ["y"], "b"),
    ]
    weights = {name: (rng.normal(size=(40, 40, 1, 1)) / 6).astype(np.float32) for name in "ab"}
    weights |= {f"{name}b": rng.normal(size=40).astype(np.float32) for name in "ab"}
    model = lab.build(nodes, {"x": ["n", 40, 4, 4]}, {"y": ["n", 40, 4, 4]}, weights)
    feeds = [{"x": rng.uniform(0, 2, size=(1, 40, 4, 4)).astype(np.float32)} for _ in range(8)]
    quantized = _quantized(lab, model, feeds, STEPS["static"])
    first = QuantizedUnits(model, quantized).units[0]
    assert (first.slope, first.offset) == pytest.approx((0.2, 0.5), abs=0.01)
    before = lab.sqnr(model, quantized, feeds)
    correct_bias(model, quantized, feeds)
    assert lab.sqnr(model, quantized, feeds) > before - 0.5


def test_unit_that_is_not_finite_is_left_alone(lab: Any) -> None:
    model, feeds = _network(lab, 4, 1)
    quantized = _quantized(lab, model, feeds, STEPS["four bits"])
    broken = [{"x": np.where(each["x"] > 1.99, np.inf, each["x"]).astype(np.float32)} for each in feeds]
    broken[0]["x"][0, 0, 0, 0] = np.nan
    assert correct_bias(model, quantized, broken) == 0


def test_model_that_is_too_large_is_refused(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds = _network(lab, 5, 1)
    quantized = _quantized(lab, model, feeds, STEPS["four bits"])
    monkeypatch.setattr(bias, "MULTIPLICATIONS", 1000.0)
    with pytest.raises(ToolError, match="too large to be run 12 times"):
        correct_bias(model, quantized, feeds)


def test_uncertain_mean_is_shrunk() -> None:
    rows = np.array([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, -0.9]], np.float32)
    assert shrunk_mean(rows) == pytest.approx([1.0, 0.0])
    assert shrunk_mean(rows[:1]) == pytest.approx([1.0, 1.0])
    assert shrunk_mean(np.zeros((3, 2), np.float32)) == pytest.approx([0.0, 0.0])
