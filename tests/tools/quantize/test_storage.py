from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import iter_graphs
from shipfit.tools.quantize.storage import is_storable, predict_storage_bytes, storage_units, store_weights


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def dense(lab: Any, **weights: np.ndarray) -> onnx.ModelProto:
    """Matrices one after the other."""
    names = list(weights)
    nodes = [
        helper.make_node("MatMul", [f"h{at}" if at else "x", name], [f"h{at + 1}"], f"dense{at}")
        for at, name in enumerate(names)
    ]
    first, last = weights[names[0]], weights[names[-1]]
    return lab.build(nodes, {"x": [1, first.shape[0]]}, {f"h{len(names)}": [1, last.shape[1]]}, weights)


def small_types(model: onnx.ModelProto) -> list[str]:
    kinds = (TensorProto.INT8, TensorProto.FLOAT16)
    return [each.name for graph in iter_graphs(model) for each in graph.initializer if each.data_type in kinds]


@pytest.mark.parametrize(("form", "ratio", "fidelity"), [("int8", 0.28, 35), ("fp16", 0.51, 60)])
def test_stored_model_is_small_close_and_folds_at_load(lab: Any, form: Any, ratio: float, fidelity: float) -> None:
    original = dense(lab, w1=weight(128, 256), w2=weight(256, 64))
    stored = onnx.ModelProto.FromString(original.SerializeToString())
    layers = store_weights(stored, form)
    onnx.checker.check_model(stored)
    assert {layer.form for layer in layers} == {f"{form} stored"}
    assert len(stored.SerializeToString()) < ratio * len(original.SerializeToString())
    assert lab.sqnr(original, stored, [{"x": weight(1, 128, seed=1)}]) > fidelity
    folded = lab.optimized(stored)
    assert not small_types(folded)
    assert {node.op_type for node in folded.graph.node} == {"MatMul"}


def test_weights_in_branches_fold_too(lab: Any, if_model: Path) -> None:
    original, stored = load(if_model), load(if_model)
    layers = store_weights(stored, "int8")
    assert "wt" in {layer.name for layer in layers}
    onnx.checker.check_model(stored)
    assert not small_types(lab.optimized(stored))
    for flag in (True, False):
        feed = {"x": weight(1, 48), "flag": np.array(flag)}
        assert lab.sqnr(original, stored, [feed]) > 30


def test_weights_in_a_loop_body_fold_too(lab: Any) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"], "step"),
            helper.make_node("Identity", ["go"], ["still"], "same"),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 48]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 48]),
        ],
        [numpy_helper.from_array(weight(48, 48) / 7, "w")],
    )
    loop = helper.make_node("Loop", ["turns", "", "x"], ["y"], "loop", body=body)
    original = lab.build([loop], {"x": [1, 48]}, {"y": [1, 48]}, {"turns": np.array(3, np.int64)})
    stored = onnx.ModelProto.FromString(original.SerializeToString())
    store_weights(stored, "int8")
    assert not small_types(lab.optimized(stored))
    assert lab.sqnr(original, stored, [{"x": weight(1, 48, seed=2)}]) > 30


def test_names_decide_before_the_form(lab: Any) -> None:
    model = dense(lab, a=weight(32, 64), b=weight(64, 64), c=weight(64, 32))
    layers = store_weights(model, "int8", {"b": "fp16", "c": "fp32"})
    assert {layer.name: layer.form for layer in layers} == {"a": "int8 stored", "b": "fp16 stored", "c": "fp32"}


@pytest.mark.parametrize(
    ("values", "form", "why"),
    [
        (np.full((64, 64), np.nan, np.float32), "int8", "NaN"),
        (np.full((64, 64), np.inf, np.float32), "fp16", "NaN or infinity"),
        (np.full((64, 64), 7e4, np.float32), "fp16", "beyond fp16"),
    ],
)
def test_weights_that_would_break_stay(lab: Any, values: np.ndarray, form: Any, why: str) -> None:
    model = dense(lab, w=values)
    (layer,) = store_weights(model, form)
    assert layer.form == "fp32"
    assert why in layer.why
    assert not small_types(model)


def test_zero_and_constant_channels_survive(lab: Any) -> None:
    values = weight(64, 64)
    values[:, 0], values[:, 1], values[:, 2] = 0, 3.5, 1e-38
    original = dense(lab, w=values)
    stored = onnx.ModelProto.FromString(original.SerializeToString())
    store_weights(stored, "int8")
    feed = {"x": weight(1, 64, seed=3)}
    wanted, got = lab.run(original, feed)[0], lab.run(stored, feed)[0]
    assert got[0, 0] == 0
    assert got[0, 1] == pytest.approx(wanted[0, 1], rel=1e-5)
    assert np.isfinite(got).all()


def test_what_callers_may_override_is_left_alone(lab: Any) -> None:
    model = dense(lab, w=weight(64, 64))
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [64, 64]))
    assert storage_units(model) == []
    assert store_weights(model, "int8") == []


def test_recurrent_weights_keep_a_scale_per_gate_and_unit(lab: Any) -> None:
    hidden = 32
    weights = {"w": weight(2, 4 * hidden, 16), "r": weight(2, 4 * hidden, hidden)}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=hidden, direction="bidirectional")
    original = lab.build([node], {"x": [5, 1, 16]}, {"y": [5, 2, 1, hidden]}, weights)
    assert {unit.axes for unit in storage_units(original)} == {(0, 1)}
    stored = onnx.ModelProto.FromString(original.SerializeToString())
    store_weights(stored, "int8")
    assert lab.sqnr(original, stored, [{"x": weight(5, 1, 16, seed=1)}]) > 30
    assert not small_types(lab.optimized(stored))


def test_channels_too_small_for_a_scale_become_fp16(lab: Any) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=2048)
    model = lab.build([node], {"x": [1, 2048, 4]}, {"y": [1, 2048, 3]}, {"w": weight(2048, 1, 2)})
    (layer,) = store_weights(model, "int8")
    assert layer.form == "fp16 stored"


def test_conflicting_readers_get_the_axis_that_rounds_best(lab: Any) -> None:
    values = weight(64, 64) * np.logspace(-3, 0, 64, dtype=np.float32)[:, None]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "plain"),
        helper.make_node("Gemm", ["x", "w"], ["b"], "turned", transB=1),
    ]
    model = lab.build(nodes, {"x": [1, 64]}, {"a": [1, 64], "b": [1, 64]}, {"w": values})
    (unit,) = storage_units(model)
    assert unit.axes == (0,)


def test_storable_is_what_was_agreed() -> None:
    def tensor(*shape: int, kind: type = np.float32) -> TensorProto:
        return numpy_helper.from_array(np.zeros(shape, kind), "w")

    assert is_storable(tensor(32, 32))
    assert not is_storable(tensor(32, 31))
    assert is_storable(tensor(4096))
    assert not is_storable(tensor(4095))
    assert not is_storable(tensor(64, 64, kind=np.float64))


def test_prediction_is_exact_but_for_names_and_nodes(lab: Any) -> None:
    original = dense(lab, w1=weight(128, 256), w2=weight(256, 64))
    stored = onnx.ModelProto.FromString(original.SerializeToString())
    predicted = predict_storage_bytes(original, "int8")
    store_weights(stored, "int8")
    saved = original.ByteSize() - stored.ByteSize()
    assert 0 <= predicted - saved < 2 * 250


def test_scales_of_quantized_models_are_no_weights(lab: Any) -> None:
    weights = {"w": np.ones((4096, 16), np.int8), "s": np.full(4096, 0.1, np.float32), "z": np.zeros(4096, np.int8)}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["f"], "dq", axis=0),
        helper.make_node("MatMul", ["x", "f"], ["y"], "mm"),
    ]
    model = lab.build(nodes, {"x": [1, 4096]}, {"y": [1, 16]}, weights)
    assert storage_units(model) == []
