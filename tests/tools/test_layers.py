"""The table of layers: whole, in graph order, and no time told twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from shipfit.contracts import ArtifactRef, Job, LayerForm, LayersReport
from shipfit.tools.claims import claimed_shares, graph_places, untouched
from shipfit.tools.context import ToolContext
from shipfit.tools.layers import layers_tool, node_shares
from shipfit.tools.measure.data_tool import build_data

from .. import models


def form(name: str, form: str = "int8 static", size: int = 100) -> LayerForm:
    return LayerForm(name=name, op_type="Gemm", form=form, weight_bytes=size)


def test_rows_are_completed_by_what_was_left_alone():
    model = models.mlp()
    names = {layer.name for layer in untouched(model, [])}
    assert {node.op_type for node in model.graph.node if node.name in names} <= {"Gemm", "MatMul"}
    assert len(names) == 3
    first = model.graph.node[0]
    weight = next(name for name in first.input if name in {each.name for each in model.graph.initializer})
    for covered in (first.name, weight):
        assert first.name not in {layer.name for layer in untouched(model, [form(covered)])}


def test_a_nodes_time_is_told_once():
    model = models.constant_cnn(opset=13)
    places = graph_places(model)
    node, weights = next(
        (node, names)
        for node in model.graph.node
        if len(names := [name for name in node.input if name in places.readers]) > 1
    )
    shares = {node.name: 0.8}
    assert claimed_shares([form(weights[0]), form(node.name)], places, shares) == {node.name: 0.8}
    by_weight = claimed_shares([form(weights[0], size=5), form(weights[1], size=9)], places, shares)
    assert by_weight == {weights[1]: 0.8}


def test_the_tool_answers_in_graph_order(tmp_path: Path, digits_model: Path, digits_data: Path):
    report = build_data(digits_model, tmp_path, {"source": str(digits_data)}, 0)
    ref = ArtifactRef(id="0" * 64)
    nodes = [node.name for node in onnx.load(digits_model).graph.node if node.op_type in ("Conv", "Gemm")]
    given = [form(nodes[1]).model_dump(mode="json"), form("gone").model_dump(mode="json")]
    job = Job(tool="layers", inputs={"model": ref, "data": ref}, data=report.ref, params={"layers": given})
    context = ToolContext(job, {"model": digits_model.parent, "data": tmp_path / "data"}, tmp_path)
    answer = layers_tool(context).report
    assert isinstance(answer, LayersReport)
    assert [layer.name for layer in answer.layers] == [*nodes, "gone"]
    assert [layer.form for layer in answer.layers] == [
        "fp32",
        "int8 static",
        *["fp32"] * (len(nodes) - 2),
        "int8 static",
    ]
    shares = [layer.time_share for layer in answer.layers[:-1]]
    assert all(share is not None for share in shares)
    assert sum(share or 0 for share in shares) <= 1.0001


def test_fused_nodes_are_known_again(tmp_path: Path):
    """An optimized file's Gemm is run as `fused …` with the activation behind it."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "model.onnx")
    source = models.save(models.mlp(), tmp_path / "source.onnx")
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    model = onnx.load(tmp_path / "model.onnx")
    feeds = {each.name: _ones(each) for each in model.graph.input}
    shares = node_shares(model, tmp_path / "model.onnx", [feeds])
    matrices = [node.name for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
    assert matrices
    assert set(matrices) <= shares.keys()
    assert sum(shares.values()) == pytest.approx(1.0)


def _ones(spec: onnx.ValueInfoProto) -> np.ndarray:
    return np.ones([dim.dim_value or 1 for dim in spec.type.tensor_type.shape.dim], dtype=np.float32)
