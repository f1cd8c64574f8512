"""Models are read and written whole: external data, subgraphs, scalars, any size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import shipfit.tools
from shipfit.contracts import (
    Job,
    ModelFileError,
    NormalizeStep,
    OptimizeGraphStep,
    PruneStep,
    StepReport,
    ToolError,
)
from shipfit.tools import onnx_model
from shipfit.tools.context import ToolContext
from shipfit.tools.model_files import load
from shipfit.tools.perform import perform_tool
from shipfit.tools.session import open_session, runtime_words

from .. import models


def test_external_data_are_loaded_and_counted(external_model: Path, mlp_model: Path):
    loaded, whole = load(external_model), load(mlp_model)
    assert [onnx_model.to_array(a).tobytes() for a in loaded.graph.initializer] == [
        onnx_model.to_array(b).tobytes() for b in whole.graph.initializer
    ]
    assert onnx_model.external_files(onnx_model.load_structure(external_model)) == ["weights.bin"]
    assert onnx_model.model_bytes(external_model) == sum(f.stat().st_size for f in external_model.parent.iterdir())
    assert onnx_model.model_bytes(mlp_model) == mlp_model.stat().st_size


def test_missing_model_and_missing_data(tmp_path: Path, external_model: Path):
    with pytest.raises(ModelFileError, match="no model"):
        load(tmp_path / "missing.onnx")
    (tmp_path / "model.onnx").write_bytes(external_model.read_bytes())
    with pytest.raises(ModelFileError, match="external data"):
        load(tmp_path / "model.onnx")
    (tmp_path / "noise.onnx").write_bytes(b"\xff" * 99)
    with pytest.raises(ModelFileError, match="does not parse"):
        load(tmp_path / "noise.onnx")


@pytest.mark.parametrize("value", [np.array(2.5, np.float32), np.zeros((2, 0), np.int64), np.arange(6).reshape(2, 3).T])
def test_arrays_keep_shape_and_type(value: np.ndarray):
    back = onnx_model.to_array(onnx_model.to_tensor(value, "v"))
    assert back.shape == value.shape
    assert back.dtype == value.dtype
    assert np.array_equal(back, value)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        (TensorProto.FLOAT, (3, 5), 60),
        (TensorProto.BFLOAT16, (3,), 6),
        (TensorProto.INT4, (3,), 2),
        (TensorProto.BOOL, (), 1),
        (TensorProto.FLOAT8E4M3FN, (4,), 4),
    ],
)
def test_tensor_bytes(kind: int, shape: tuple[int, ...], expected: int):
    assert onnx_model.tensor_bytes(TensorProto(data_type=kind, dims=shape)) == expected


def test_walks_reach_every_subgraph(if_model: Path):
    model = load(if_model)
    assert sorted(each.name for each in onnx_model.iter_graphs(model)) == ["else", "graph", "then"]
    assert {each.name for each in onnx_model.iter_tensors(model)} == {"wt", "we", "half", "head"}
    assert sum(1 for _ in onnx_model.iter_nodes(model)) == 7
    assert {"x", "flag", "wt", "we"} <= onnx_model.read_names(model.graph)


def test_tensors_of_functions_count():
    body = [models.constant("c", np.zeros(100, np.float32)), helper.make_node("Add", ["a", "c"], ["b"])]
    function = helper.make_function("own", "Plus", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    node = helper.make_node("Plus", ["x"], ["y"], domain="own")
    model = models.build([node], [models.spec("x", [100])], [models.spec("y", [100])], {}, domains=["own"])
    model.functions.append(function)
    assert onnx_model.weight_bytes(model) == 400


def test_names_from_models_are_tamed():
    assert onnx_model.quoted("a\x1b[31m\n") == "'a\\x1b[31m\\n'"
    assert len(onnx_model.quoted("x" * 500)) < 90
    assert onnx_model.one_line("one\n two\x1b") == "one two?"


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("step", [NormalizeStep(), PruneStep(threshold=0.1), OptimizeGraphStep()])
@pytest.mark.parametrize("name", ["mlp_model", "external_model", "lstm_model"])
def test_large_models_pass_through_every_step(step, name: str, request: pytest.FixtureRequest, tmp_path: Path):
    source: Path = request.getfixturevalue(name)
    context = ToolContext(Job(tool="perform", step=step), {"model": source.parent}, tmp_path)
    answer = perform_tool(context)
    folder = answer.outputs["model"]
    report = answer.report
    assert isinstance(report, StepReport)
    assert report.size_bytes == sum(each.stat().st_size for each in folder.iterdir())
    if report.changed:
        assert {each.name for each in folder.iterdir()} == {"model.onnx", "model.onnx.data"}


def test_runtime_words_are_plain(tmp_path: Path):
    node = helper.make_node("Bogus", ["x"], ["y"])
    made = models.graph([node], [models.spec("x", [1])], [models.spec("y", [1])], {})
    path = models.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    with pytest.raises(ToolError) as caught:
        open_session(path)
    assert "Bogus" in caught.value.message
    assert "ONNXRuntimeError" not in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert runtime_words(RuntimeError("[ONNXRuntimeError] : 1 : FAIL : a\nb")) == "a b"


def test_tools_are_public_and_lazy():
    look = (
        "import sys, shipfit.tools; print([n for n in ('onnx', 'onnxruntime', 'torch', 'numpy') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert shipfit.tools.__all__ == sorted(shipfit.tools.__all__)
    for name in shipfit.tools.__all__:
        assert callable(getattr(shipfit.tools, name))
        assert name in dir(shipfit.tools)
    with pytest.raises(AttributeError, match="no_such"):
        shipfit.tools.no_such  # noqa: B018
