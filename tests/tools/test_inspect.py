"""A profile says what is there: counted on small models whose facts are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipfit.contracts import Job, Limits, NormalizeStep, Profile, QuantizeStep
from shipfit.tools.context import ToolContext
from shipfit.tools.inspect import inspect, inspect_tool
from shipfit.tools.model_files import load
from shipfit.tools.normalize import normalize
from shipfit.tools.quantize.storage import storage_units
from shipfit.tools.registry import transformation

from .. import models

ALL = ["digits_model", "old_opset_model", "mlp_model", "lstm_model", "if_model", "external_model"]


@pytest.fixture
def normal(tmp_path: Path):
    """Normalize a model."""

    def run(source: Path) -> Path:
        normalize(NormalizeStep(), source, tmp_path / "normal.onnx", None, Limits())
        return tmp_path / "normal.onnx"

    return run


def test_digits(digits_model: Path):
    profile = inspect(digits_model)
    weights = {each.name: each for each in onnx.load(digits_model).graph.initializer}
    parameters = sum(int(np.prod(each.dims)) for each in weights.values())
    assert profile.parameters == parameters
    assert profile.weight_bytes == 4 * parameters
    assert profile.size_bytes == digits_model.stat().st_size == profile.weight_bytes + profile.graph_bytes
    large = ("conv2.weight", "conv3.weight", "fc.weight")
    assert profile.storable_bytes == sum(4 * int(np.prod(weights[each].dims)) for each in large)
    assert profile.fixed_bytes == profile.weight_bytes - profile.storable_bytes
    conv = profile.operator("Conv")
    assert conv is not None
    assert (conv.count, conv.depthwise, conv.time_share) == (3, 0, None)
    assert [(each.name, each.dtype, each.shape) for each in profile.inputs] == [("image", "float32", ("N", 1, 8, 8))]
    assert (profile.opset, profile.nodes, profile.quantized) == (17, 10, "no")
    assert profile.dynamic_shapes
    assert not profile.control_flow
    assert profile.quantizable_share == profile.prunable_share > 0.98
    assert profile.domains == ("ai.onnx",)
    assert profile.warnings == ()


@pytest.mark.parametrize("name", ALL)
def test_bytes_add_up(name: str, request: pytest.FixtureRequest):
    path: Path = request.getfixturevalue(name)
    profile = inspect(path)
    assert profile.size_bytes == sum(each.stat().st_size for each in path.parent.iterdir())
    assert profile.weight_bytes == profile.storable_bytes + profile.fixed_bytes
    assert profile.weight_bytes == sum(each.weight_bytes for each in profile.operators)
    assert 0 <= profile.prunable_share <= 1
    assert 0 <= profile.quantizable_share <= 1


@pytest.mark.parametrize("name", ALL)
def test_storable_bytes_are_those_that_storage_takes(name: str, request: pytest.FixtureRequest, normal):
    path = normal(request.getfixturevalue(name))
    assert inspect(path).storable_bytes == sum(each.bytes for each in storage_units(load(path)))


def test_weights_in_subgraphs_count(if_model: Path, normal):
    profile = inspect(normal(if_model))
    assert profile.control_flow
    assert profile.storable_bytes == 2 * 48 * 32 * 4
    assert profile.prunable_share > 0.99
    assert "control flow" in profile.warnings[0]


def test_constant_nodes_count_and_are_warned_of(old_opset_model: Path):
    profile = inspect(old_opset_model)
    conv = profile.operator("Conv")
    assert conv is not None
    assert conv.depthwise == 1
    assert conv.weight_bytes > 0
    assert profile.storable_bytes == 0
    assert any("Constant nodes" in each for each in profile.warnings)
    assert any("opset 11" in each for each in profile.warnings)
    assert any("depthwise" in each for each in profile.warnings)


def test_computed_weights_are_warned_of(lstm_model: Path, normal):
    assert any("recurrent" in each for each in inspect(lstm_model).warnings)
    profile = inspect(normal(lstm_model))
    assert not any("recurrent" in each for each in profile.warnings)
    lstm = profile.operator("LSTM")
    assert lstm is not None
    assert lstm.weight_bytes > 0.9 * profile.weight_bytes


def test_external_data(external_model: Path, mlp_model: Path):
    profile, whole = inspect(external_model), inspect(mlp_model)
    assert profile.external_data
    assert (profile.weight_bytes, profile.parameters) == (whole.weight_bytes, whole.parameters)


def test_timing_on_synthesised_inputs(digits_model: Path):
    profile = inspect(digits_model, timing=True)
    shares = [each.time_share for each in profile.operators]
    assert all(each is not None for each in shares)
    assert sum(each or 0 for each in shares) == pytest.approx(1)
    assert profile.time_share("Conv") > 0.4  # layout changes are the convolutions' own
    assert "ReorderInput" not in {each.op_type for each in profile.operators}
    assert profile.latency_ms is not None
    assert 0 < profile.latency_ms < 100
    assert profile.operators[0].op_type == "Conv"


def test_timing_does_not_count_a_branch_twice(if_model: Path):
    profile = inspect(if_model, timing=True)
    assert profile.time_share("If") == 0
    assert profile.time_share("MatMul") > 0.5


def test_timing_where_no_input_can_be_synthesised(tmp_path: Path):
    node = helper.make_node("StringNormalizer", ["x"], ["y"])
    specs = [models.spec("x", [1], TensorProto.STRING)], [models.spec("y", [1], TensorProto.STRING)]
    profile = inspect(models.save(models.build([node], *specs, {}), tmp_path / "m.onnx"), timing=True)
    assert profile.latency_ms is None
    assert any(each.startswith("not timed") for each in profile.warnings)
    assert profile.inputs[0].dtype == "string"


def test_tool(digits_model: Path, tmp_path: Path):
    context = ToolContext(Job(tool="inspect", params={"timing": False}), {"model": digits_model.parent}, tmp_path)
    assert inspect_tool(context).report == inspect(digits_model)
    timed = ToolContext(Job(tool="inspect", params={"timing": True}), {"model": digits_model.parent}, tmp_path)
    report = inspect_tool(timed).report
    assert isinstance(report, Profile)
    assert report.latency_ms is not None


@pytest.mark.parametrize("storage", ["int8", "fp16"])
def test_stored_weights_are_noticed(storage: str, digits_model: Path, tmp_path: Path):
    step = QuantizeStep(storage=storage)  # type: ignore[arg-type]
    transformation("quantize")(step, digits_model, tmp_path / "stored.onnx", None, Limits())
    profile = inspect(tmp_path / "stored.onnx")
    assert profile.quantized == "yes"
    assert profile.storable_bytes == 0
    assert "quantized already" in profile.warnings[0]


def test_partly_quantized(mlp_model: Path, tmp_path: Path):
    model = onnx.load(mlp_model)
    weight = next(each for each in model.graph.initializer if each.name == "w1")
    weight.CopyFrom(numpy_helper.from_array(np.ones(weight.dims, np.int8), "q"))
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    model.graph.initializer.append(scale)
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["q", "s"], ["w1"]))
    assert inspect(models.save(model, tmp_path / "m.onnx")).quantized == "partly"


def test_half_precision_and_gru_are_warned_of(tmp_path: Path):
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((1, 24, 8)).astype(np.float32),
        "r": rng.standard_normal((1, 24, 8)).astype(np.float32),
        "h": rng.standard_normal((64, 64)).astype(np.float16),
    }
    nodes = [
        helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=8),
        helper.make_node("MatMul", ["z", "h"], ["o"]),
    ]
    inputs = [models.spec("x", [3, 1, 8]), models.spec("z", [1, 64], TensorProto.FLOAT16)]
    outputs = [models.spec("y", [3, 1, 1, 8]), models.spec("o", [1, 64], TensorProto.FLOAT16)]
    profile = inspect(models.save(models.build(nodes, inputs, outputs, weights), tmp_path / "m.onnx"))
    text = " ".join(profile.warnings)
    assert "GRU" in text
    assert "fp16" in text
    assert "stored small" in text


def test_initializers_that_are_inputs_are_no_inputs(tmp_path: Path):
    model = models.mlp()
    model.graph.input.append(models.spec("w1", [16, 64]))
    path = models.save(model, tmp_path / "m.onnx")
    assert [each.name for each in inspect(path).inputs] == ["x"]
