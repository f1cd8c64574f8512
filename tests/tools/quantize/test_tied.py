"""Tables that a product reads transposed are seen by every form, and are in the file once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import elements
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.tied import part_tied, share_tied
from shipfit.tools.session import open_bytes, session_options

WAYS = ("copied", "turned", "gemm")


def scorer(way: str, words: int = 600, width: int = 64, seed: int = 0) -> onnx.ModelProto:
    """Look words up, and score all words by the same table, as exporters write it."""
    node, draw = helper.make_node, np.random.default_rng(seed)
    table = draw.standard_normal((words, width)).astype(np.float32)
    weights: dict[str, Any] = {"table": table, "gain": draw.standard_normal(width).astype(np.float32)}
    nodes = [node("Gather", ["table", "ids"], ["rows"], "embed"), node("Mul", ["rows", "gain"], ["h"], "scale")]
    if way == "copied":
        weights["head"] = np.ascontiguousarray(table.T)
    if way == "turned":
        nodes.append(node("Transpose", ["table"], ["head"], "turn"))
    nodes.append(
        node("Gemm", ["h", "table"], ["y"], "score", transB=1)
        if way == "gemm"
        else node("MatMul", ["h", "head"], ["y"], "score")
    )
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", words])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, words: int = 600) -> np.ndarray:
    ids = np.arange(0, words, 9)
    return np.asarray(open_bytes(model.SerializeToString(), session_options()).run(None, {"ids": ids})[0])


def decibels(wanted: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(wanted**2) / max(float(np.sum((wanted - got) ** 2)), 1e-30)))


@settings(max_examples=15)
@given(way=st.sampled_from(WAYS), words=st.integers(200, 700), width=st.sampled_from([32, 64, 200]))
def test_parting_and_sharing_change_nothing(way: str, words: int, width: int) -> None:
    model = scorer(way, words, width)
    wanted, size = run(model, words), model.ByteSize()
    part_tied(model)
    assert {node.op_type for node in model.graph.node} <= {"Gather", "Mul", "Gemm", "MatMul"}
    assert share_tied(model) == 1
    assert model.ByteSize() < min(size, 4 * words * width) + 2000
    assert decibels(wanted, run(model, words)) > 120


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("storage", "bits", "least_db"), [("fp16", 16, 60), ("int8", 8, 36), ("int4", 4, 16)])
def test_what_is_only_stored_is_stored_once(tmp_path: Path, way: str, storage: str, bits: int, least_db: float) -> None:
    model = scorer(way)
    onnx.save(model, tmp_path / "model.onnx")
    step = QuantizeStep.model_validate({"storage": storage, "compute": {"Gather": "dynamic"}})
    report = quantize(step, tmp_path / "model.onnx", tmp_path / "small.onnx", None, Limits())
    assert report.size_bytes < (bits + 2) / 8 * 600 * 64
    assert decibels(run(model), run(load(tmp_path / "small.onnx"))) > least_db


def test_a_static_product_shares_its_table_too(tmp_path: Path, lab: Any) -> None:
    model = scorer("copied")
    onnx.save(model, tmp_path / "model.onnx")
    step = QuantizeStep(storage="int4", compute={"MatMul": "static"})
    view = lab.view([{"ids": np.arange(at, 600, 9)} for at in range(8)])
    report = quantize(step, tmp_path / "model.onnx", tmp_path / "small.onnx", view, Limits())
    assert report.size_bytes < 1.35 * 600 * 64
    assert decibels(run(model), run(load(tmp_path / "small.onnx"))) > 25


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", ["int8", "int4"])
@pytest.mark.parametrize("held", [True, False])
def test_words_and_their_scores_share_one_copy(tmp_path: Path, way: str, storage: str, held: bool) -> None:
    model = scorer(way)
    onnx.save(model, tmp_path / "model.onnx")
    compute = {"MatMul": "dynamic", "Gemm": "dynamic", **({"Gather": "dynamic"} if held else {})}
    step = QuantizeStep.model_validate({"compute": compute, "storage": storage})
    report = quantize(step, tmp_path / "model.onnx", tmp_path / "small.onnx", None, Limits())
    made = load(tmp_path / "small.onnx")
    assert report.size_bytes < 1.35 * 600 * 64  # a byte each, and scales of both
    assert decibels(run(model), run(made)) > 33
    matrices = [each for each in made.graph.initializer if elements(each) == 600 * 64]
    assert [each.data_type for each in matrices] == [TensorProto.INT8]
