from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import Limits, NoOpError, QuantizeStep, ToolError
from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import iter_nodes
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.half import compute_half


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def halved(model: onnx.ModelProto, *op_types: str, feeds: Any = (), **options: Any) -> tuple[onnx.ModelProto, Any]:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    layers = compute_half(copied, op_types, options.get("keep", ()), options.get("named", ()), feeds)
    onnx.checker.check_model(copied)
    return copied, {layer.name: layer for layer in layers}


def chain(lab: Any, *op_types: str, scale: float = 1.0) -> onnx.ModelProto:
    """Products with other operators between, each named by its place."""
    nodes, weights, value = [], {}, "x"
    for at, op_type in enumerate(op_types):
        inputs = [value]
        if op_type == "MatMul":
            weights[f"w{at}"] = noise(16, 16, seed=at) / 4
            inputs.append(f"w{at}")
        if op_type == "Mul":
            weights[f"w{at}"] = np.array(scale, np.float32)
            inputs.append(f"w{at}")
        value = "y" if at == len(op_types) - 1 else f"v{at}"
        nodes.append(helper.make_node(op_type, inputs, [value], f"n{at}"))
    return lab.build(nodes, {"x": ["n", 16]}, {"y": ["n", 16]}, weights)


def casts(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Cast" for node in iter_nodes(model))


FEEDS = [{"x": noise(3, 16, seed=9)}]


def test_one_cast_for_each_value_that_crosses(lab: Any) -> None:
    original = chain(lab, "MatMul", "MatMul", "Relu", "MatMul", "Tanh", "MatMul")
    model, layers = halved(original, "MatMul", feeds=FEEDS)
    assert {name: layer.form for name, layer in layers.items()} == dict.fromkeys(
        ("n0", "n1", "n2", "n3", "n5"), "fp16 half"
    )
    assert casts(model) == 4  # into the first three and out, into the last and out
    assert lab.sqnr(original, model, FEEDS) > 50
    kinds = {each.data_type for each in model.graph.initializer}
    assert kinds == {TensorProto.FLOAT16}
    model, _ = halved(original, "MatMul", feeds=FEEDS, keep=["n2"])
    assert casts(model) == 6


@pytest.mark.parametrize("data", [True, False])
def test_a_file_with_half_of_the_bytes(lab: Any, digits_model: Path, digit_feeds: Any, data: bool) -> None:
    target = lab.folder / "half.onnx"
    step = QuantizeStep(compute={"Conv": "half", "Gemm": "half"})
    report = quantize(step, digits_model, target, lab.view(digit_feeds) if data else None, Limits())
    assert report.size_bytes < 0.52 * digits_model.stat().st_size
    assert lab.sqnr(digits_model, target, digit_feeds) > 50
    first, second = lab.session(digits_model), lab.session(target)
    assert [each.type for each in first.get_outputs()] == [each.type for each in second.get_outputs()]


def test_values_beyond_fp16_stay(lab: Any) -> None:
    original = chain(lab, "MatMul", "Mul", "MatMul", "Tanh", "MatMul", scale=1e5)
    model, layers = halved(original, "MatMul", "Mul", feeds=FEEDS)
    assert "constant" in layers["n1"].why
    assert "beyond fp16 on the samples" in layers["n2"].why
    assert layers["n4"].form == layers["n0"].form == "fp16 half"
    assert lab.sqnr(original, model, FEEDS) > 40


def test_what_spoils_the_answers_goes_back(lab: Any) -> None:
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["a"], "first"),
        node("Add", ["a", "large"], ["b"], "up"),
        node("Sub", ["b", "large"], ["c"], "down"),
        node("MatMul", ["c", "w"], ["y"], "last"),
    ]
    weights = {"w": noise(16, 16) / 4, "large": np.array(3e4, np.float32)}
    original = lab.build(nodes, {"x": ["n", 16]}, {"y": ["n", 16]}, weights)
    model, layers = halved(original, "MatMul", "Add", "Sub", feeds=FEEDS)
    assert "spoils" in layers["up"].why
    assert layers["first"].form == layers["last"].form == "fp16 half"
    assert lab.sqnr(original, model, FEEDS) > 40


def test_where_nothing_keeps_the_answers_the_error_says_so(lab: Any) -> None:
    body = [
        helper.make_node("Add", ["x", "large"], ["b"], "up"),
        helper.make_node("Sub", ["b", "large"], ["t"], "down"),
    ]
    original = branching(lab, body, {"large": np.array(3e4, np.float32)})
    with pytest.raises(ToolError, match="40 dB"):
        halved(original, "Add", "Sub", feeds=[{**FEEDS[0], "flag": np.array(True)}])


def branching(lab: Any, body: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("t", TensorProto.FLOAT, ["n", 16])
    other = helper.make_tensor_value_info("e", TensorProto.FLOAT, ["n", 16])
    choose = helper.make_node(
        "If",
        ["flag"],
        ["y"],
        "choose",
        then_branch=helper.make_graph(body, "then", [], [output]),
        else_branch=helper.make_graph([helper.make_node("Identity", ["x"], ["e"], "same")], "else", [], [other]),
    )
    model = lab.build([choose], {"x": ["n", 16]}, {"y": ["n", 16]}, weights)
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    return model


@pytest.mark.parametrize(
    ("op_type", "why"), [("Cast", "no float32 operand"), ("If", "no float32 operand"), ("MatMul", "not finite")]
)
def test_what_cannot_be_fp16_says_why(lab: Any, op_type: str, why: str) -> None:
    body = [
        helper.make_node("Cast", ["x"], ["c"], "cast", to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["c", "w"], ["t"], "product"),
    ]
    original = branching(lab, body, {"w": np.full((16, 16), np.nan, np.float32)})
    before = original.SerializeToString()
    layers = compute_half(original, [op_type], (), (), [{**FEEDS[0], "flag": np.array(True)}])
    assert [why in layer.why for layer in layers] == [True]
    assert original.SerializeToString() == before


def test_a_model_that_is_fp16_already_is_left(lab: Any) -> None:
    once, _ = halved(chain(lab, "MatMul", "Tanh"), "MatMul", "Tanh", feeds=FEEDS)
    source = lab.save(once)
    with pytest.raises(NoOpError, match="no float32 operand"):
        quantize(QuantizeStep(compute={"MatMul": "half"}), source, lab.folder / "again.onnx", lab.view(FEEDS), Limits())


OPERATORS = ["MatMul", "Relu", "Tanh", "Softmax", "Neg"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=5),
    st.sets(st.sampled_from(OPERATORS), min_size=1),
    st.booleans(),
)
def test_random_regions_keep_the_meaning(lab: Any, op_types: list[str], taken: set[str], inside: bool) -> None:
    original = chain(lab, *op_types)
    feeds = [{"x": noise(2, 16, seed=each)} for each in range(2)]
    if inside:
        body = [onnx.NodeProto.FromString(node.SerializeToString()) for node in original.graph.node]
        body[-1].output[0] = "t"
        weights = {each.name: onnx.numpy_helper.to_array(each) for each in original.graph.initializer}
        original = branching(lab, body, weights)
        feeds = [{**feed, "flag": np.array(bool(at))} for at, feed in enumerate(feeds)]
    model, layers = halved(original, *taken, feeds=feeds)
    assert all(layer.form == "fp16 half" for layer in layers.values())
    assert {layer.op_type for layer in layers.values()} >= taken & {*op_types}
    assert lab.sqnr(original, model, feeds) > 40
    again = load(lab.save(model))
    assert [each.name for each in again.graph.output] == [each.name for each in original.graph.output]
