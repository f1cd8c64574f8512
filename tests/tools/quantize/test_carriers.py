from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import NodeProto, helper

from shipfit.tools.quantize.form_cut import FLOAT, PACKED, FormCut
from shipfit.tools.quantize.static import calibrate, write_static
from shipfit.tools.quantize.static_plan import Planner, StaticChoice

ALL = ("Conv", "Gemm", "MatMul")
PLAIN = {"graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantized(model: onnx.ModelProto, feeds: Any, choice: StaticChoice | None = None) -> onnx.ModelProto:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    taken = StaticChoice(ALL) if choice is None else choice
    write_static(copied, taken, calibrate(copied, taken, feeds))
    onnx.checker.check_model(copied)
    return copied


def kinds(lab: Any, model: onnx.ModelProto) -> list[str]:
    fused = lab.optimized(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    return [node.op_type for node in fused.graph.node]


def between_units(lab: Any, nodes: list[NodeProto], opset: int = 17, **weights: np.ndarray) -> onnx.ModelProto:
    """Two convolutions of 64 channels with `nodes` from `a` to `b` between them."""
    first = helper.make_node("Conv", ["x", "w1", "bias"], ["a"], "c1")
    last = helper.make_node("Conv", ["b", "w2"], ["y"], "c2")
    given = {"w1": noise(64, 64, 1, 1) / 4, "w2": noise(64, 64, 1, 1, seed=1) / 8, "bias": noise(64), **weights}
    return lab.build([first, *nodes, last], {"x": [1, 64, 16, 16]}, {"y": [1, 64, "h", "w"]}, given, opset)


def images(count: int = 4) -> list[dict[str, np.ndarray]]:
    return [{"x": noise(1, 64, 16, 16, seed=each)} for each in range(count)]


def hard_swish(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * np.clip(x / 6 + 0.5, 0, 1))


@pytest.mark.parametrize("options", [{}, PLAIN])
@pytest.mark.parametrize("low", [-7.0, -3.0, -1.0, 0.0])
def test_hard_swish_of_every_code_is_that_of_its_value(lab: Any, low: float, options: dict[str, Any]) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("HardSwish", ["a"], ["h"], "swish"),
        helper.make_node("Conv", ["h", "w"], ["y"], "c2"),
    ]
    shape = [1, 2, 64, 64]
    original = lab.build(nodes, {"x": shape}, {"y": shape}, {"w": np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)})
    feed = {"x": np.linspace(low, 5, 8192, dtype=np.float32).reshape(shape)}
    model = quantized(original, [feed])
    assert "QLinearMul" in kinds(lab, model)
    model.graph.output.extend(helper.make_tensor_value_info(name, 1, shape) for name in ("a", "h"))
    value, got = lab.session(model, **options).run(["a", "h"], feed)
    assert len(np.unique(value)) > (240 if low >= -3 else 150)
    assert np.abs(value - np.maximum(feed["x"], -3)).max() < 0.06
    step = np.ptp(hard_swish(feed["x"])) / 255
    # Where no code stands for -3, the gate has a grid of its own, and rounds too.
    gate_step = 0.0 if low <= -3 else 5 / 255 / 2
    np.testing.assert_allclose(got, hard_swish(value), atol=0.51 * step + gate_step)


@pytest.mark.parametrize(
    ("nodes", "wanted", "opset"),
    [
        ([helper.make_node("HardSwish", ["a"], ["b"], "act")], "QLinearMul", 17),
        ([helper.make_node("HardSigmoid", ["a"], ["b"], "act")], "", 17),
        ([helper.make_node("Sigmoid", ["a"], ["b"], "act")], "QLinearSigmoid", 17),
        ([helper.make_node("Tanh", ["a"], ["b"], "act")], "QLinearSigmoid", 17),
        ([helper.make_node("LeakyRelu", ["a"], ["b"], "act", alpha=0.2)], "QLinearLeakyRelu", 17),
        ([helper.make_node("QuickGelu", ["a"], ["b"], "act", "", "com.microsoft", alpha=1.702)], "QLinearSigmoid", 17),
        ([helper.make_node("Sigmoid", ["a"], ["s"], "act"), helper.make_node("Mul", ["a", "s"], ["b"], "silu")],
         "QLinearMul", 17),
        ([helper.make_node("MaxPool", ["a"], ["b"], "pool", kernel_shape=[2, 2])], "NhwcMaxPool", 17),
        ([helper.make_node("GlobalAveragePool", ["a"], ["g"], "pool"),
          helper.make_node("HardSigmoid", ["g"], ["s"], "gate", alpha=1 / 6),
          helper.make_node("Mul", ["a", "s"], ["b"], "scaled")], "QLinearGlobalAveragePool", 17),
        ([helper.make_node("Split", ["a"], ["s1", "s2"], "split", axis=1),
          helper.make_node("Concat", ["s2", "s1"], ["b"], "concat", axis=1)], "QLinearConcat", 13),
        ([helper.make_node("HardSwish", ["a"], ["s"], "act"), helper.make_node("Add", ["one", "s"], ["t"], "shift"),
          helper.make_node("Mul", ["t", "two"], ["b"], "scale")], "QLinearMul", 17),
        ([helper.make_node("HardSwish", ["a"], ["s"], "act"),
          helper.make_node("Conv", ["s", "alike", "shifts"], ["b"], "both", group=64)], "QLinearMul", 17),
    ],
)  # fmt: skip
def test_what_stands_between_units_computes_in_integers(
    lab: Any, nodes: list[NodeProto], wanted: str, opset: int
) -> None:
    weights = {
        "one": np.array([0.7], np.float32), "two": np.array(2, np.float32),
        "alike": np.full((64, 1, 1, 1), 0.3, np.float32), "shifts": np.full(64, -0.4, np.float32),
    }  # fmt: skip
    original = between_units(lab, nodes, opset, **weights)
    model = quantized(original, images())
    found = kinds(lab, model)
    assert (found.count("QuantizeLinear"), found.count("DequantizeLinear"), found.count("QLinearConv")) == (1, 1, 2)
    assert wanted in found or not wanted
    assert not {node.op_type for node in nodes} & {"HardSwish", "HardSigmoid", "Tanh", "Sigmoid"} & set(found)
    assert lab.sqnr(original, model, images()) > 30


def test_a_hard_sigmoid_after_a_unit_is_taken_into_its_weights(lab: Any) -> None:
    original = between_units(lab, [helper.make_node("HardSigmoid", ["a"], ["b"], "gate", alpha=0.3, beta=0.4)])
    plan = Planner(original).plan(StaticChoice(ALL))
    assert plan.absorbed == {0: 1}
    model = quantized(original, images())
    assert not {"Clip", "HardSigmoid"} & {node.op_type for node in model.graph.node}
    assert lab.sqnr(original, model, images()) > 35


def test_what_does_not_reach_a_unit_stays_in_float(lab: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("HardSwish", ["a"], ["y"], "act"),
    ]
    original = lab.build(nodes, {"x": [1, 64, 16, 16]}, {"y": [1, 64, 16, 16]}, {"w": noise(64, 64, 1, 1)})
    assert "QLinearMul" not in kinds(lab, quantized(original, images()))


def test_a_carrier_that_is_named_stays_in_float(lab: Any) -> None:
    original = between_units(lab, [helper.make_node("HardSwish", ["a"], ["b"], "act")])
    assert "QLinearMul" not in kinds(lab, quantized(original, images(), StaticChoice(ALL, keep=["act"])))


def test_a_slow_integer_kernel_is_left_out(lab: Any) -> None:
    original = between_units(lab, [helper.make_node("Softmax", ["a"], ["b"], "shares", axis=1)])
    found = kinds(lab, quantized(original, images()))
    assert "Softmax" in found
    assert "QLinearSoftmax" not in found


def test_activations_of_two_inputs_multiply_in_integers_only_by_name(lab: Any) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"], "query"),
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "t"], ["y"], "scores"),
    ]
    original = lab.build(nodes, {"x": [1, 16, 32]}, {"y": [1, 16, 16]}, {"w": noise(32, 32) / 6})
    feeds = [{"x": noise(1, 16, 32, seed=each)} for each in range(4)]
    assert {*kinds(lab, quantized(original, feeds))} >= {"FusedMatMul"}
    model = quantized(original, feeds, StaticChoice(ALL, named=["scores"]))
    assert not {"MatMul", "FusedMatMul"} & set(kinds(lab, model))
    assert lab.sqnr(original, model, feeds) > 25


@pytest.mark.parametrize("before", ["HardSigmoid", "Sigmoid", "Identity"])
def test_a_shift_away_from_zero_stays_in_float(lab: Any, before: str) -> None:
    nodes = [
        helper.make_node(before, ["a"], ["g"], "gate"),
        helper.make_node("Add", ["g", "far"], ["s"], "shift"),
        helper.make_node("Mul", ["a", "s"], ["b"], "scaled"),
    ]
    original = between_units(lab, nodes, far=np.array(100 if before == "Identity" else 1, np.float32))
    assert lab.sqnr(original, quantized(original, images()), images()) > 30


STEPS = ("Relu", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu", "Tanh", "MaxPool", "gate", "twice", "halves", "up")


def step(kind: str, source: str, target: str) -> list[NodeProto]:
    make = helper.make_node
    if kind == "gate":
        pooled, gate = f"{target}_p", f"{target}_g"
        return [
            make("GlobalAveragePool", [source], [pooled], f"{target}_pool"),
            make("Conv", [pooled, "w"], [f"{target}_c"], f"{target}_unit"),
            make("HardSigmoid", [f"{target}_c"], [gate], f"{target}_hard"),
            make("Mul", [source, gate], [target], f"{target}_mul"),
        ]
    if kind == "twice":
        return [make("Add", [source, source], [target], f"{target}_add")]
    if kind == "halves":
        return [
            make("Split", [source], [f"{target}_1", f"{target}_2"], f"{target}_split", axis=1),
            make("Concat", [f"{target}_2", f"{target}_1"], [target], f"{target}_concat", axis=1),
        ]
    if kind == "up":
        return [make("Resize", [source, "", "sizes"], [target], f"{target}_up", mode="nearest")]
    made = make(kind, [source], [target], f"{target}_act")
    if kind == "MaxPool":
        made.attribute.append(helper.make_attribute("kernel_shape", [2, 2]))
    return [made]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[NodeProto], StaticChoice]:
    nodes: list[NodeProto] = []
    here = "x"
    for at in range(draw(st.integers(1, 4))):
        nodes.append(helper.make_node("Conv", [here, "w"], [f"t{at}"], f"unit{at}", pads=[0, 0, 0, 0]))
        here = f"t{at}"
        for second in range(draw(st.integers(0, 2))):
            nodes += step(draw(st.sampled_from(STEPS)), here, f"t{at}_{second}")
            here = f"t{at}_{second}"
    nodes.append(helper.make_node("Identity", [here], ["y"], "end"))
    units = [node.name for node in nodes if node.op_type == "Conv"]
    return nodes, StaticChoice((), named=draw(st.sets(st.sampled_from(units), min_size=1)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=mixtures(), seed=st.integers(0, 9))
def test_mixtures_mean_the_same_with_and_without_fusion(lab: Any, drawn: Any, seed: int) -> None:
    nodes, choice = drawn
    weights = {"w": noise(8, 8, 1, 1, seed=seed) / 3, "sizes": np.array([1, 1, 2, 2], np.float32)}
    original = lab.build(nodes, {"x": [1, 8, 9, 9]}, {"y": [1, 8, "h", "w"]}, weights)
    feeds = [{"x": noise(1, 8, 9, 9, seed=each)} for each in range(3)]
    model = quantized(original, feeds, choice)
    found = kinds(lab, model)
    assert found.count("QLinearConv") == len(choice.named)
    assert lab.sqnr(original, model, feeds) > 15
    plain, fused = (lab.session(model, **options).run(None, feeds[0])[0] for options in (PLAIN, {}))
    wanted = lab.run(original, feeds[0])[0]
    apart = np.sqrt(np.mean(np.square(plain - fused)) / max(np.mean(np.square(wanted)), 1e-12))
    assert apart < 0.05


@settings(max_examples=25, deadline=None)
@given(data=st.data(), size=st.integers(1, 5))
def test_the_cut_costs_least(data: st.DataObject, size: int) -> None:
    costs = st.integers(0, 9).map(float)
    keys = [*range(size), PACKED, FLOAT]
    nodes = [(data.draw(costs), data.draw(costs)) for _ in range(size)]
    tensors = data.draw(
        st.lists(
            st.tuples(st.sampled_from(keys), st.lists(st.sampled_from(keys), max_size=3), costs, costs), max_size=6
        )
    )
    cut = FormCut()
    for key, (packed, floating) in enumerate(nodes):
        cut.node(key, packed, floating)
    for tensor in tensors:
        cut.tensor(*tensor)

    def total(chosen: set[Any]) -> float:
        forms = {*chosen, PACKED}
        whole = sum(packed if key in forms else floating for key, (packed, floating) in enumerate(nodes))
        for maker, readers, quantize, dequantize in tensors:
            differing = {reader in forms for reader in readers} - {maker in forms}
            whole += (dequantize if maker in forms else quantize) if differing else 0.0
        return whole

    found = {each for each in cut.packed() if isinstance(each, int)}
    choices = itertools.chain.from_iterable(itertools.combinations(range(size), each) for each in range(size + 1))
    assert total(found) == pytest.approx(min(total(set(each)) for each in choices), abs=1e-3)
