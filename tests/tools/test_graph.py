"""Graph optimization saves what holds on any machine, answers as before, and says so when it is of no use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import GRAPH_PASSES, Limits, NoOpError, OptimizeGraphStep, QuantizeStep, StepReport
from shipfit.tools.default_attributes import drop_defaults
from shipfit.tools.graph import optimize_graph
from shipfit.tools.inspect import inspect
from shipfit.tools.onnx_model import iter_nodes, model_bytes
from shipfit.tools.passes.runtime import LEFT_TO_THE_RUNTIME
from shipfit.tools.registry import transformation

from .. import models


def weight(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(len(shape)).standard_normal(shape), np.float32)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def conv_with_batch_norm() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["y"]),
    ]
    weights = {"w": weight(4, 3, 3, 3), "scale": weight(4), "shift": weight(4) + 1, "mean": weight(4) * 2}
    weights["var"] = np.abs(weights["scale"])
    return models.build(nodes, [models.spec("x", ["N", 3, 8, 8])], [models.spec("y", ["N", 4, 8, 8])], weights)


def constant_arithmetic() -> onnx.ModelProto:
    nodes = [helper.make_node("Exp", ["w"], ["e"]), helper.make_node("Mul", ["x", "e"], ["y"])]
    return models.build(nodes, [models.spec("x", [2, 5])], [models.spec("y", [2, 5])], {"w": weight(5)})


def gelu() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Div", ["x", "root"], ["a"]),
        helper.make_node("Erf", ["a"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["c"]),
        helper.make_node("Mul", ["x", "c"], ["d"]),
        helper.make_node("Mul", ["d", "half"], ["y"]),
    ]
    weights = {"root": scalar(2**0.5), "one": scalar(1), "half": scalar(0.5)}
    return models.build(nodes, [models.spec("x", [2, 4])], [models.spec("y", [2, 4])], weights)


def optimized(
    model: onnx.ModelProto | Path, folder: Path, step: OptimizeGraphStep | None = None
) -> tuple[onnx.ModelProto, StepReport]:
    source = model if isinstance(model, Path) else models.save(model, folder / "source" / "model.onnx")
    target = folder / "target" / "model.onnx"
    report = optimize_graph(step or OptimizeGraphStep(), source, target, None, Limits())
    assert report.size_bytes == model_bytes(target)
    return onnx.load(target), report


def op_types(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


ONLY_LAYERS = OptimizeGraphStep(fusion=False, constant_folding=False)


@pytest.mark.parametrize(
    ("make", "off", "operators"),
    [
        (conv_with_batch_norm, "fusion", ["Conv"]),
        (constant_arithmetic, "constant_folding", ["Mul"]),
        (gelu, "layer_optimization", ["Gelu"]),
    ],
)
def test_each_switch_turns_its_passes_off(make, off: str, operators: list[str], tmp_path: Path):
    model, report = optimized(make(), tmp_path)
    assert op_types(model) == operators
    assert report.changed
    assert report.details["nodes"] == len(operators) < report.details["nodes_before"]
    with pytest.raises(NoOpError):
        optimized(make(), tmp_path / "off", OptimizeGraphStep.model_validate({off: False}))


@pytest.mark.parametrize(
    ("name", "nodes", "weights", "shape"),
    [
        ("ConvMulFusion", [("Conv", "x w"), ("Mul", "0 s")], {"w": weight(4, 3, 3, 3), "s": weight(4, 1, 1)}, 4),
        ("ConvAddFusion", [("Conv", "x w"), ("Add", "0 s")], {"w": weight(4, 3, 3, 3), "s": weight(4, 1, 1)}, 4),
        ("MatMulAddFusion", [("MatMul", "x w"), ("Add", "0 s")], {"w": weight(8, 5), "s": weight(5)}, 2),
        ("FuseReluClip", [("Relu", "x"), ("Clip", "0 l h")], {"l": scalar(0), "h": scalar(6)}, 4),
        ("NotWhereFusion", [("Greater", "x s"), ("Not", "0"), ("Where", "1 x s")], {"s": scalar(0)}, 4),
    ],
)
def test_fusions_by_name(name: str, nodes: list, weights: dict, shape: int, tmp_path: Path):
    assert GRAPH_PASSES[name].family == "fusion"
    made = [
        helper.make_node(op, [f"v{each}" if each.isdigit() else each for each in inputs.split()], [f"v{index}"])
        for index, (op, inputs) in enumerate(nodes)
    ]
    made[-1].output[0] = "y"
    graph = models.graph(made, [models.spec("x", [3, 3, 8, 8][-shape:])], [models.spec("y", None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert len(optimized(model, tmp_path)[0].graph.node) < len(nodes)
    with pytest.raises(NoOpError):
        optimized(model, tmp_path / "off", OptimizeGraphStep(fusion=False))


def test_nothing_to_do_is_said(mlp_model: Path, tmp_path: Path):
    optimized(mlp_model, tmp_path)
    with pytest.raises(NoOpError, match="nothing changed"):
        optimized(tmp_path / "target" / "model.onnx", tmp_path / "again")


# onnxslim takes half a second to import; a slow test has all passes.
FAST_PASSES = ["default", *(name for name, each in GRAPH_PASSES.items() if each.carrier != "onnxslim")]


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_models_stay_equivalent(data: st.DataObject, random_cnns, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("random")
    source = models.save(data.draw(random_cnns), folder / "source.onnx")
    step = OptimizeGraphStep(
        elimination=data.draw(st.booleans()),
        fusion=data.draw(st.booleans()),
        constant_folding=data.draw(st.booleans()),
        layer_optimization=data.draw(st.booleans()),
        passes=data.draw(st.none() | st.lists(st.sampled_from(FAST_PASSES), unique=True, max_size=20).map(tuple)),
    )
    try:
        model, _ = optimized(source, folder, step)
    except NoOpError:
        return
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
    assert models.decibels(models.run(source, feeds)[0], models.run(model, feeds)[0]) > 90
    assert {node.domain for node in iter_nodes(model)} <= {"", "com.microsoft"}
    before = onnx.load(source).graph
    assert [each.name for each in model.graph.input] == [each.name for each in before.input]
    assert [each.name for each in model.graph.output] == [each.name for each in before.output]


def test_convolutions_stay_open_to_quantization(digits_model: Path, tmp_path: Path):
    assert "ConvActivationFusion" in LEFT_TO_THE_RUNTIME
    model = onnx.load(digits_model)
    scale = helper.make_node("Mul", ["c1", "scale"], ["scaled"])
    model.graph.node.insert(1, scale)
    model.graph.initializer.append(onnx.numpy_helper.from_array(scalar(2), "scale"))
    model.graph.node[2].input[0] = "scaled"
    result, _ = optimized(model, tmp_path)
    assert op_types(result).count("Conv") == 3
    assert op_types(result).count("Relu") == 3


@pytest.mark.parametrize("storage", ["int8", "fp16"])
def test_stored_weights_stay_stored(storage: str, digits_model: Path, tmp_path: Path):
    step = QuantizeStep(storage=storage)  # type: ignore[arg-type]
    transformation("quantize")(step, digits_model, tmp_path / "stored.onnx", None, Limits())
    model = onnx.load(tmp_path / "stored.onnx")
    model.graph.node.append(helper.make_node("Identity", ["scores"], ["out"]))
    model.graph.output[0].name = "out"
    source = models.save(model, tmp_path / "stored.onnx")
    _, report = optimized(source, tmp_path)
    assert report.size_bytes < 1.02 * source.stat().st_size
    assert inspect(tmp_path / "target" / "model.onnx").quantized == "yes"
    assert "stored small" in report.notes[0]


def test_folding_that_grows_the_file_is_left_out(tmp_path: Path):
    nodes = [
        helper.make_node("Expand", ["w", "to"], ["wide"]),
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Clip", ["r", "low", "high"], ["c"]),
        helper.make_node("Mul", ["c", "wide"], ["y"]),
    ]
    # A value that cannot be shared or broadcast away, and is 64 KB when it is expanded.
    weights = {"w": weight(1, 128), "to": np.array([128, 128], np.int64), "low": scalar(0), "high": scalar(6)}
    model = models.build(nodes, [models.spec("x", [128, 128])], [models.spec("y", [128, 128])], weights)
    result, report = optimized(model, tmp_path)
    assert "grow" in report.notes[0]
    assert report.size_bytes < 4 * 128 * 128
    assert op_types(result).count("Relu") == 0


def test_subgraphs_are_optimized_too(tmp_path: Path):
    def branch(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Exp", [f"w{name}"], [f"e{name}"]),
            helper.make_node("Mul", ["x", f"e{name}"], [f"y{name}"]),
        ]
        return models.graph(nodes, [], [models.spec(f"y{name}", [2, 5])], {f"w{name}": weight(5) * len(name)})

    nodes = [helper.make_node("If", ["flag"], ["y"], then_branch=branch("a"), else_branch=branch("bb"))]
    inputs = [models.spec("x", [2, 5]), models.spec("flag", [], TensorProto.BOOL)]
    model = models.build(nodes, inputs, [models.spec("y", [2, 5])], {})
    result, _ = optimized(model, tmp_path)
    assert sorted(node.op_type for node in iter_nodes(result)) == ["If", "Mul", "Mul"]
    for flag in (True, False):
        feeds = {"x": weight(2, 5), "flag": np.array(flag)}
        assert np.allclose(models.run(model, feeds)[0], models.run(result, feeds)[0], rtol=1e-6)


def test_external_data_come_along(external_model: Path, tmp_path: Path):
    _, report = optimized(external_model, tmp_path)
    assert [each.name for each in (tmp_path / "target").iterdir()] == ["model.onnx"]
    feeds = {"x": weight(1, 16)}
    expected, answer = models.run(external_model, feeds)[0], models.run(tmp_path / "target" / "model.onnx", feeds)[0]
    assert models.decibels(expected, answer) > 90
    assert report.changed


def test_what_the_model_says_of_itself_stays(tmp_path: Path):
    model = conv_with_batch_norm()
    helper.set_model_props(model, {"names": "a,b"})
    model.producer_name = "somebody"
    result, _ = optimized(model, tmp_path)
    assert result.producer_name == "somebody"
    assert [(each.key, each.value) for each in result.metadata_props] == [("names", "a,b")]
    assert {each.domain for each in result.opset_import} == {""}


def test_default_attributes_are_left_out(digits_model: Path):
    model = onnx.load(digits_model)
    before = model.SerializeToString()
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.attribute.extend([helper.make_attribute("group", 1), helper.make_attribute("auto_pad", "NOTSET")])
    model.graph.node[-1].attribute.append(helper.make_attribute("alpha", 1.0))
    assert drop_defaults(model) == 7
    assert model.SerializeToString() == before
    assert drop_defaults(model) == 0


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_passes_together_keep_random_models_equivalent(
    data: st.DataObject, random_cnns, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("random")
    source = models.save(data.draw(random_cnns), folder / "source.onnx")
    try:
        model, report = optimized(source, folder, OptimizeGraphStep(passes=tuple(GRAPH_PASSES)))
    except NoOpError:
        return
    assert report.details["passes"]
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
    assert models.decibels(models.run(source, feeds)[0], models.run(model, feeds)[0]) > 90
