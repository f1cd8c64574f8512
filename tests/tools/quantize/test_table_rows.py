"""Rows of a table in the forms in which it is stored are those that storage would unfold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from shipfit.agents.tables import held_tables
from shipfit.contracts import Limits, QuantizeStep, Request, Storage
from shipfit.tools.inspect import inspect
from shipfit.tools.onnx_model import model_bytes
from shipfit.tools.quantize import storage_units
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.dynamic import quantize_dynamic
from shipfit.tools.quantize.grids import GridForm, make_grid
from shipfit.tools.quantize.storage_units import StoredForm
from shipfit.tools.quantize.table_rows import row_blocks
from shipfit.tools.session import open_bytes, session_options


def embedding(table: np.ndarray, kind: int = TensorProto.INT64) -> onnx.ModelProto:
    """Rows of `table`, and the logits of the next token, as a product of their own."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], "embed"),
        helper.make_node("MatMul", ["rows", "head"], ["y"], "head"),
    ]
    head = np.eye(table.shape[-1], dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", kind, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *table.shape[1:]])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(head, "head")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, ids: np.ndarray) -> np.ndarray:
    return np.asarray(open_bytes(model.SerializeToString(), session_options()).run(None, {"ids": ids})[0])


def spread_table(rows: int, length: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.standard_normal((rows, length)) * np.exp(draw.normal(0, 2, (rows, 1)))).astype(np.float32)


@settings(max_examples=25)
@given(
    rows=st.integers(1000, 1100), half=st.integers(4, 90), form=st.sampled_from(["fp16", "int8_block", "int4"]),
    block=st.sampled_from([16, 32, 128]), kind=st.sampled_from([TensorProto.INT64, TensorProto.INT32]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_rows_are_those_of_the_stored_form(
    rows: int, half: int, form: StoredForm, block: int, kind: int, seed: int
) -> None:
    table = spread_table(rows, 2 * half, seed)
    model = embedding(table, kind)
    (layer,) = quantize_dynamic(model, ["Gather"], tables={"table": form}, block=block)
    onnx.checker.check_model(model)
    ids = np.array([0, -1, 7, rows - 1, -rows, 7], np.int32 if kind == TensorProto.INT32 else np.int64)
    expected = table.astype(np.float16).astype(np.float32) if form == "fp16" else on_grid(table, form, block)
    np.testing.assert_allclose(run(model, ids), expected[ids], rtol=1e-6)
    assert (layer.name, layer.form.split()[-1]) == ("table", "stored")
    assert "table" not in {each.name for each in model.graph.initializer}


def on_grid(table: np.ndarray, form: GridForm, block: int) -> np.ndarray:
    grid = make_grid(table, form, (0,), block, row_blocks(table.shape[1], block))
    return grid.values(grid.nearest(table))


@pytest.mark.parametrize(
    ("table", "form", "why"),
    [
        (np.ones((2000, 7), np.float32), "int4", "odd"),
        (np.ones((200, 4, 8), np.float32), "int4", "matrices"),
        (np.full((200, 8), 1e5, np.float32), "fp16", "beyond fp16"),
    ],
)
def test_what_has_no_kernel_is_left_to_storage(table: np.ndarray, form: StoredForm, why: str) -> None:
    model = embedding(table)
    before = model.SerializeToString()
    (layer,) = quantize_dynamic(model, ["Gather"], tables={"table": form})
    assert (layer.form, why in layer.why) == ("fp32", True)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(("storage", "bits"), [("fp16", 16), ("int8", 8), ("int8_block", 8), ("int4", 4)])
def test_a_step_holds_tables_as_it_stores_them(tmp_path: Path, storage: Storage, bits: int) -> None:
    table = spread_table(4000, 64, 0)
    onnx.save(embedding(table), tmp_path / "model.onnx")
    step = QuantizeStep(compute={"Gather": "dynamic"}, storage=storage)
    report = quantize(step, tmp_path / "model.onnx", tmp_path / "small.onnx", None, Limits())
    made = onnx.load(tmp_path / "small.onnx")
    held: dict[str, Any] = {each.name: each for each in made.graph.initializer}
    assert sum(len(each.raw_data) for each in held.values()) < 1.3 * table.size * bits / 8
    ids = np.arange(0, 4000, 7)
    wanted, got = table[ids], run(made, ids)
    assert 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - got) ** 2)) > (18 if bits == 4 else 35)
    unfolded = {node.op_type for node in made.graph.node if node.name == "" and node.output[0] == "table"}
    assert not unfolded
    assert next(layer.op_type for layer in report.layers if layer.form != "fp32") == "Gather"


@pytest.mark.parametrize("storage", ["int8", "fp16"])
def test_what_the_runtime_would_not_unfold_at_load_is_held_as_rows_or_left_alone(
    storage: Storage, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = lab.save(embedding(spread_table(600, 64, 0)))
    monkeypatch.setattr(storage_units, "UNFOLDED_BYTES", 8000)
    profile = inspect(source)
    assert profile.huge_table_bytes == profile.storable_bytes == 600 * 64 * 4  # the product's weight is no table
    plain = quantize(
        QuantizeStep(storage=storage, compute={"MatMul": "dynamic"}), source, lab.folder / "a", None, Limits()
    )
    assert {layer.name: layer.form for layer in plain.layers} == {"table": "fp32", "head": "int8 dynamic"}
    assert any("unfolds no weight above 1 GiB" in layer.why for layer in plain.layers)
    request = Request.model_validate({"model": str(source)})
    held = held_tables(storage, profile, request)
    assert held == {"Gather": "dynamic"}
    rows = quantize(QuantizeStep(storage=storage, compute=held), source, lab.folder / "b", None, Limits())
    assert "head" not in {layer.name for layer in rows.layers if layer.form != "fp32"}
    assert model_bytes(lab.folder / "b") < 0.75 * model_bytes(source)
