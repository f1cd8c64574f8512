"""Any weight in any stored form: the file unfolds to the values that `stored_values` promises, and takes the bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.tools.quantize.grids import SMALLEST_SCALE, make_grid
from shipfit.tools.quantize.rows import Rows, blocks_of, rows_of
from shipfit.tools.quantize.storage import storage_units, store_weights, stored_form, stored_values

FORMS = ("fp16", "int8", "int8_block", "int4")


@st.composite
def weighted(draw: st.DrawFn) -> tuple[onnx.NodeProto, np.ndarray]:
    """An operator and its weight `w` of any shape and scale, with channels of zeros and of tiny values."""
    kind = draw(st.sampled_from(["MatMul", "Gemm", "Conv", "ConvTranspose", "Gather", "LSTM", "GRU", "Add", "PRelu"]))
    first, second = draw(st.integers(1, 90)), draw(st.integers(12, 70))
    shape = {
        "Conv": (second, first, 3, 5),
        "ConvTranspose": (first, second, 3),
        "LSTM": (1, 4 * second, first),
        "GRU": (2, 3 * second, first),
        "Add": (1, first, second),
        "PRelu": (4096 + first,),
    }.get(kind, (first, 16 * second))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    sizes = rng.choice([0, 1e-7, 1, 1, 1], shape[:1] + (1,) * (len(shape) - 1))
    values = rng.standard_normal(shape) * sizes * 10.0 ** draw(st.integers(-12, 4))
    more: dict[str, dict[str, Any]] = {
        "LSTM": {"hidden_size": second},
        "GRU": {"hidden_size": second, "direction": "bidirectional"},
    }
    more["Gemm"] = {"transB": draw(st.integers(0, 1))}
    inputs = ["w", "x"] if kind == "Gather" else ["x", "w", "r"] if kind in ("LSTM", "GRU") else ["x", "w"]
    return helper.make_node(kind, inputs, ["y"], **more.get(kind, {})), values.astype(np.float32)


def holding(lab: Any, node: onnx.NodeProto, weight: np.ndarray, opset: int) -> onnx.ModelProto:
    return lab.build([node], {"x": [1], "r": [1]}, {"y": [1]}, {"w": weight}, opset)


def unfolded(lab: Any, model: onnx.ModelProto, level: Any) -> np.ndarray:
    """What `w` is once the runtime has folded it, which has to leave no node but the one that gives it out."""
    del model.graph.node[-1]
    del model.graph.output[:], model.graph.input[:]
    model.graph.node.append(helper.make_node("Identity", ["w"], ["out"]))
    model.graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, None))
    return lab.session(model, graph_optimization_level=level).run(None, {})[0]


LEVELS = [ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, ort.GraphOptimizationLevel.ORT_ENABLE_ALL]


@given(weighted(), st.sampled_from(FORMS), st.sampled_from([16, 32, 128]), st.sampled_from([9, 13, 21]), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_file_holds_what_was_promised(
    lab: Any, given_weight: tuple[onnx.NodeProto, np.ndarray], form: Any, block: int, opset: int, full: bool
) -> None:
    node, weight = given_weight
    model = holding(lab, node, weight, opset)
    units = storage_units(model)
    if not units:
        assert weight.size < 1024
        return
    before = model.ByteSize()
    (layer,) = store_weights(model, form, block=block)
    promised = stored_values(weight, units[0], form, block)
    if promised is None:
        assert layer.form == "fp32"
        return
    assert layer.weight_bytes is not None
    assert before - model.ByteSize() == pytest.approx(units[0].bytes - layer.weight_bytes, abs=4)
    np.testing.assert_array_equal(unfolded(lab, model, LEVELS[full]), promised)
    assert promised.shape == weight.shape
    peak = np.abs(weight).max()
    # Of two extremes of different sign, 4 bits may miss one by a whole step.
    steps = {"fp16": 1 / 1024, "int8": 1 / 127, "int8_block": 1 / 127, "int4": 2 / 8}
    bound = 0.51 * peak * steps[stored_form(units[0], form, block)] + SMALLEST_SCALE
    assert np.abs(weight - promised).max() <= bound


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.data())
@settings(max_examples=25, deadline=None)
def test_rows_hold_every_element_once(shape: list[int], data: st.DataObject) -> None:
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), max_size=len(shape))))
    weight = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    rows, run = rows_of(weight.shape, axes)
    matrix = rows.matrix(weight)
    assert matrix.shape == (rows.count, rows.length)
    assert rows.length == math.prod(shape[axis] for axis in run)
    np.testing.assert_array_equal(rows.weight(matrix, weight.shape), weight)


@given(st.integers(1, 3000), st.sampled_from([16, 32, 64, 128, 256]))
@settings(max_examples=25, deadline=None)
def test_blocks_fill_up_little(length: int, block: int) -> None:
    blocks = blocks_of(length, block)
    assert blocks.size <= block
    assert length <= blocks.padded < length + blocks.count
    assert blocks.count == 1 or 2 * blocks.size >= block


def test_rows_run_over_what_is_summed_up() -> None:
    assert rows_of((64, 3, 7, 7), (0,))[0] == Rows(64, 147, 1)
    assert rows_of((128, 384), (1,))[0] == Rows(1, 128, 384)
    assert rows_of((2, 512, 128), (0, 1))[0] == Rows(1024, 128, 1)
    assert rows_of((8, 128, 64), (2,))[0] == Rows(1, 1024, 64)


def test_tiny_scales_do_not_become_zero() -> None:
    weight = np.zeros((4, 64), np.float32)
    weight[0], weight[1] = 1e-12, 1.0
    for form in ("int8_block", "int4"):
        grid = make_grid(weight, form, (0,), 32)
        assert grid.narrow
        assert np.all(np.abs(grid.scales) >= SMALLEST_SCALE)
        assert np.isfinite(grid.values(grid.nearest(weight))).all()


def test_four_bits_reach_the_largest_magnitude_whatever_its_sign() -> None:
    rising = np.tile(np.linspace(-1, 0.8, 32, dtype=np.float32), (40, 1))
    for weight in (rising, -rising):
        grid = make_grid(weight, "int4", (0,), 32)
        assert np.abs(weight - grid.values(grid.nearest(weight))).max() < 1 / 14


def test_weights_too_small_to_gain_get_a_wider_form(lab: Any) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=640)
    model = holding(lab, node, np.ones((640, 1, 2), np.float32), 21)
    (unit,) = storage_units(model)
    assert stored_form(unit, "int8") == "fp16"
    assert all(unit.stored_bytes(stored_form(unit, form)) <= unit.stored_bytes("fp16") for form in FORMS[1:])


def test_vectors_are_one_row_of_eight_bit_blocks(lab: Any) -> None:
    model = holding(lab, helper.make_node("Mul", ["x", "w"], ["y"]), np.ones((4096, 1, 1), np.float32), 21)
    (unit,) = storage_units(model)
    assert (unit.axes, stored_form(unit, "int4"), stored_form(unit, "int8")) == ((), "int8_block", "fp16")
    assert unit.stored_bytes("int8_block") < 1.2 * 4096
