"""Compatibility is found out by loading and running; what is in the way is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from shipfit.contracts import CompatibilityReport, Job, RequestError
from shipfit.tools.check import check, check_tool
from shipfit.tools.compatibility import CompatibilityChecker
from shipfit.tools.context import ToolContext
from shipfit.tools.kernels import newest_opset, unsupported_operators

from .. import models

X, Y = models.spec("x", [2, 2]), models.spec("y", [2, 2])


def saved(tmp_path: Path, *nodes, inputs=(X,), outputs=(Y,), **options) -> Path:
    made = helper.make_model(
        models.graph(nodes, inputs, outputs, {}),
        opset_imports=[helper.make_opsetid("", options.get("opset", 17)), helper.make_opsetid("my.ops", 1)],
        ir_version=8,
    )
    return models.save(made, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "name", ["digits_model", "old_opset_model", "mlp_model", "lstm_model", "if_model", "external_model"]
)
def test_models_that_run(name: str, request: pytest.FixtureRequest):
    report = check(request.getfixturevalue(name))
    assert report.compatible
    assert (report.unsupported, report.problems) == ((), ())
    assert report.runtime.startswith("onnxruntime ")
    assert any("free dimensions" in each for each in report.warnings) == (name in {"digits_model", "lstm_model"})


def test_every_unknown_operator_is_named(tmp_path: Path):
    path = saved(
        tmp_path,
        helper.make_node("Bogus", ["x"], ["a"]),
        helper.make_node("Secret", ["a"], ["b"], domain="my.ops"),
        helper.make_node("Relu", ["b"], ["y"]),
    )
    report = check(path)
    assert report.unsupported == ("Bogus", "my.ops:Secret")
    assert not report.loads
    assert not report.runs
    assert len(report.problems) == 1


def test_type_without_a_kernel(tmp_path: Path):
    inputs, outputs = [models.spec("x", [2, 2], TensorProto.DOUBLE)], [models.spec("y", [], TensorProto.DOUBLE)]
    report = check(saved(tmp_path, helper.make_node("Det", ["x"], ["y"]), inputs=inputs, outputs=outputs))
    assert report.unsupported == ()  # the operator itself is there
    assert not report.compatible
    assert "Det" in report.problems[0]
    assert report.problems[0].endswith("it takes float")


def test_opset_beyond_the_runtime(tmp_path: Path):
    report = check(saved(tmp_path, helper.make_node("Relu", ["x"], ["y"]), opset=newest_opset() + 10))
    assert not report.loads
    assert f"up to {newest_opset()}" in report.problems[0]


def test_very_old_opset_is_warned_of(tmp_path: Path):
    report = check(saved(tmp_path, helper.make_node("Add", ["x", "x"], ["y"]), opset=6))
    assert any("opset 6" in each for each in report.warnings)


def test_loads_and_does_not_run(tmp_path: Path):
    node = helper.make_node("Reshape", ["x", "to"], ["y"])
    graph = models.graph([node], [X], [models.spec("y", [3, 3])], {"to": np.array([3, 3], np.int64)})
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    report = check(models.save(model, tmp_path / "model.onnx"))
    assert not report.compatible
    assert report.problems


def test_feeds_that_are_refused(mlp_model: Path):
    report = check(mlp_model, feeds=[{"x": np.zeros((1, 3), np.float32)}])
    assert report.loads
    assert not report.runs
    assert "x" in report.problems[0]


def test_layout_for_one_machine(tmp_path: Path):
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain="com.microsoft.nchwc")
    model = models.build([node], [X], [Y], {}, domains=["com.microsoft.nchwc"])
    report = check(models.save(model, tmp_path / "model.onnx"))
    assert any("one machine" in each for each in report.problems)


def test_half_precision_input_is_warned_of(tmp_path: Path):
    inputs, outputs = [models.spec("x", [2, 2], TensorProto.FLOAT16)], [models.spec("y", [2, 2], TensorProto.FLOAT16)]
    report = check(saved(tmp_path, helper.make_node("Identity", ["x"], ["y"]), inputs=inputs, outputs=outputs))
    assert any("float16" in each for each in report.warnings)


def test_runtime_that_is_not_served(mlp_model: Path):
    with pytest.raises(RequestError, match="tensorrt"):
        check(mlp_model, runtime="tensorrt")


def test_operators_defined_by_functions_are_supported(tmp_path: Path):
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("own", "Mine", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [helper.make_node("Mine", ["x"], ["m"], domain="own"), helper.make_node("HardSwish", ["m"], ["y"])]
    model = models.build(nodes, [X], [Y], {}, domains=["own"])
    model.functions.append(function)
    assert unsupported_operators(model) == ()
    assert check(models.save(model, tmp_path / "model.onnx")).compatible


def test_tool(digits_model: Path, tmp_path: Path):
    params = {"runtime": "onnx", "shape": {"image": [3, 1, 8, 8]}}
    context = ToolContext(Job(tool="check", params=params), {"model": digits_model.parent}, tmp_path)
    report = check_tool(context).report
    assert isinstance(report, CompatibilityReport)
    assert report.compatible


def test_checker_returns_its_phases(digits_model: Path):
    checker = CompatibilityChecker()
    assert checker.name
    assert checker.description
    assert checker.category
    result = checker.run(digits_model)
    assert result.compatibility.compatible
    assert result.analysis.opset == 17
