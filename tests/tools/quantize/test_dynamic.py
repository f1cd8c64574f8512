from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import iter_graphs, iter_nodes, iter_tensors
from shipfit.tools.quantize.dynamic import quantize_dynamic


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def recurrent(op_type: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, ["x", "w", "r"], ["y"], hidden_size=8, **attributes)


def quantized(model: onnx.ModelProto, *op_types: str, **options: Any) -> tuple[onnx.ModelProto, Any]:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    layers = quantize_dynamic(copied, op_types, **options)
    onnx.checker.check_model(copied)
    return copied, layers


def test_mlp_becomes_small_and_stays_close(lab: Any, mlp_model: Path) -> None:
    original = load(mlp_model)
    model, layers = quantized(original, "MatMul", "Gemm")
    assert [layer.form for layer in layers] == ["int8 dynamic"] * 3
    assert len(model.SerializeToString()) < 0.5 * len(original.SerializeToString())
    assert lab.sqnr(original, model, [{"x": noise(1, 16, seed=each)} for each in range(4)]) > 28


def test_the_runtime_fuses_what_is_written(lab: Any, mlp_model: Path) -> None:
    model, _ = quantized(load(mlp_model), "MatMul", "Gemm")
    fused = lab.optimized(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    kinds = {node.op_type for node in fused.graph.node}
    assert kinds & {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
    assert "MatMulInteger" not in kinds


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(
    ("attributes", "bias"),
    [({}, True), ({"transB": 1}, False), ({"alpha": 0.5, "beta": 2.0}, True), ({"transB": 1, "alpha": -1.5}, True)],
)
def test_gemm_keeps_its_meaning(lab: Any, attributes: dict[str, Any], bias: bool, per_channel: bool) -> None:
    weights = {"w": noise(24, 32) if attributes.get("transB") else noise(32, 24)}
    weights |= {"b": noise(24, seed=5)} if bias else {}
    node = helper.make_node("Gemm", ["x", *weights], ["y"], "gemm", **attributes)
    original = lab.build([node], {"x": ["n", 32]}, {"y": ["n", 24]}, weights)
    model, _ = quantized(original, "Gemm", per_channel=per_channel)
    assert lab.sqnr(original, model, [{"x": noise(3, 32, seed=2)}]) > 30


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_lstm_keeps_a_scale_per_gate_and_unit(lab: Any, direction: str) -> None:
    hidden, ways = 24, 2 if direction == "bidirectional" else 1
    spread = np.logspace(-2, 0, 4 * hidden, dtype=np.float32)[None, :, None]
    weights = {"w": noise(ways, 4 * hidden, 16) * spread, "r": noise(ways, 4 * hidden, hidden) * spread}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=hidden, direction=direction)
    original = lab.build([node], {"x": ["t", 1, 16]}, {"y": ["t", ways, 1, hidden]}, weights)
    feeds = [{"x": noise(7, 1, 16, seed=3)}]
    fine, layers = quantized(original, "LSTM")
    coarse, _ = quantized(original, "LSTM", per_channel=False)
    assert layers[0].weight_bytes == weights["w"].size + weights["r"].size
    assert [node.op_type for node in fine.graph.node] == ["DynamicQuantizeLSTM"]
    assert lab.sqnr(original, fine, feeds) > max(30, lab.sqnr(original, coarse, feeds))


@pytest.mark.parametrize("groups", [1, 8])
def test_conv_keeps_its_meaning(lab: Any, groups: int) -> None:
    weights = {"w": noise(16, 8 // groups, 3, 3), "b": noise(16)}
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", pads=[1, 1, 1, 1], strides=[2, 2], group=groups)
    original = lab.build([node], {"x": [1, 8, 9, 9]}, {"y": [1, 16, 5, 5]}, weights)
    model, _ = quantized(original, "Conv")
    assert lab.sqnr(original, model, [{"x": noise(1, 8, 9, 9, seed=4)}]) > 30


def test_attention_becomes_qattention(lab: Any) -> None:
    weights = {"w": noise(32, 96) / 6, "b": noise(96)}
    node = helper.make_node("Attention", ["x", "w", "b"], ["y"], "att", num_heads=4, domain="com.microsoft")
    original = lab.build([node], {"x": [1, 6, 32]}, {"y": [1, 6, 32]}, weights)
    model, _ = quantized(original, "Attention")
    assert [node.op_type for node in model.graph.node] == ["DynamicQuantizeLinear", "QAttention"]
    assert lab.sqnr(original, model, [{"x": noise(1, 6, 32, seed=4)}]) > 25


def test_nodes_in_branches_are_reached(lab: Any, if_model: Path) -> None:
    original = load(if_model)
    model, layers = quantized(original, "MatMul")
    assert any(layer.form == "int8 dynamic" and layer.weight_bytes == 48 * 32 for layer in layers)
    assert any(node.op_type == "MatMulInteger" for node in iter_nodes(model))
    for flag in (True, False):
        assert lab.sqnr(original, model, [{"x": noise(1, 48), "flag": np.array(flag)}]) > 25


def test_weights_come_to_the_innermost_graph_that_holds_their_readers(lab: Any) -> None:
    def branch(name: str, weight: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(f"y{name}", TensorProto.FLOAT, [1, 32])
        return helper.make_graph([helper.make_node("MatMul", ["x", weight], [f"y{name}"], name)], name, [], [output])

    choose = helper.make_node(
        "If", ["flag"], ["y"], "choose", then_branch=branch("then", "own"), else_branch=branch("else", "shared")
    )
    nodes = [choose, helper.make_node("MatMul", ["x", "shared"], ["z"], "outer")]
    weights = {"own": noise(32, 32), "shared": noise(32, 32, seed=1)}
    original = lab.build(nodes, {"x": [1, 32]}, {"y": [1, 32], "z": [1, 32]}, weights)
    original.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    model, _ = quantized(original, "MatMul")
    held = {graph.name: [each.data_type for each in graph.initializer] for graph in iter_graphs(model)}
    assert TensorProto.INT8 in held["then"]
    assert TensorProto.INT8 not in held["else"]
    assert len([each for each in iter_tensors(model) if each.data_type == TensorProto.INT8]) == 2
    assert lab.sqnr(original, model, [{"x": noise(1, 32, seed=2), "flag": np.array(True)}]) > 30


def test_an_activation_that_several_nodes_read_is_quantized_once(lab: Any) -> None:
    nodes = [helper.make_node("MatMul", ["x", f"w{each}"], [f"y{each}"], f"m{each}") for each in range(3)]
    weights = {f"w{each}": noise(32, 32, seed=each) for each in range(3)}
    original = lab.build(nodes, {"x": [1, 32]}, {f"y{each}": [1, 32] for each in range(3)}, weights)
    model, _ = quantized(original, "MatMul", keep=["m1"])
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("DynamicQuantizeLinear") == 1
    assert kinds.count("MatMul") == 1
    assert lab.sqnr(original, model, [{"x": noise(1, 32, seed=9)}]) > 30


def test_a_shared_weight_stays_shared_and_its_float_reader_keeps_it(lab: Any) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("MatMul", ["a", "w"], ["b"], "second"),
        helper.make_node("MatMul", ["b", "w"], ["y"], "third"),
    ]
    original = lab.build(nodes, {"x": [1, 32]}, {"y": [1, 32]}, {"w": noise(32, 32) / 6})
    model, _ = quantized(original, "MatMul", keep=["third"])
    kinds = sorted(each.data_type for each in model.graph.initializer if len(each.dims) == 2)
    assert kinds == [TensorProto.FLOAT, TensorProto.INT8]


@pytest.mark.parametrize(
    ("node", "weights", "opset", "why"),
    [
        (recurrent("GRU"), {"w": (1, 24, 16), "r": (1, 24, 8)}, 17, "kernel"),
        (recurrent("LSTM", layout=1), {"w": (1, 32, 16), "r": (1, 32, 8)}, 17, "batch"),
        (helper.make_node("MatMul", ["x", "x"], ["y"]), {}, 17, "computed"),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), {"w": (16, 8)}, 10, "opset"),
        (helper.make_node("Gemm", ["x", "w"], ["y"], transA=1), {"w": (16, 8)}, 17, "transposed"),
    ],
)
def test_what_cannot_be_quantized_says_why(lab: Any, node: Any, weights: Any, opset: int, why: str) -> None:
    arrays = {name: noise(*shape) for name, shape in weights.items()}
    model = lab.build([node], {"x": [16, 16]}, {"y": ["a", "b"]}, arrays, opset)
    before = model.SerializeToString()
    (layer,) = quantize_dynamic(model, [node.op_type])
    assert layer.form == "fp32"
    assert why in layer.why
    assert model.SerializeToString() == before


def gathering(lab: Any, *extra: onnx.NodeProto, axis: int = 0, rows: int = 200) -> onnx.ModelProto:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["y"], "embed", axis=axis), *extra]
    spread = np.logspace(-2, 1, rows, dtype=np.float32)[:, None]
    model = lab.build(nodes, {}, {"y": ["n", "t", 16]}, {"table": noise(rows, 16) * spread})
    model.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "t"]))
    return model


def test_rows_are_gathered_as_int8(lab: Any) -> None:
    original = gathering(lab)
    model, (layer,) = quantized(original, "Gather")
    assert (layer.form, layer.weight_bytes) == ("int8 dynamic", 200 * 16)
    assert lab.sqnr(original, model, [{"ids": np.array([[0, -1, 7], [199, 50, -200]])}]) > 38
    kept = lab.optimized(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL).graph.initializer
    assert [each.data_type for each in kept if len(each.dims) == 2 and each.dims[1] == 16] == [TensorProto.INT8]
    coarse, _ = quantized(original, "Gather", per_channel=False)
    assert lab.sqnr(original, coarse, [{"ids": np.array([[199]])}]) > 30


def test_a_table_that_is_read_elsewhere_stays(lab: Any) -> None:
    tied = helper.make_node("MatMul", ["table", "turned"], ["logits"], "head")
    model = gathering(lab, helper.make_node("Transpose", ["table"], ["turned"], "turn"), tied)
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "t", 200]))
    before = model.SerializeToString()
    (layer,) = quantize_dynamic(model, ["Gather"])
    assert "elsewhere" in layer.why
    assert model.SerializeToString() == before


def test_two_that_gather_from_one_table_share_it(lab: Any) -> None:
    model = gathering(lab, helper.make_node("Gather", ["table", "ids"], ["z"], "again"))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", "t", 16]))
    both, layers = quantized(model, "Gather")
    assert [layer.form for layer in layers] == ["int8 dynamic"] * 2
    assert len(both.graph.initializer) == 2
    _, layers = quantized(model, "Gather", keep=["again"])
    assert [layer.form for layer in layers] == ["fp32"] * 2


@pytest.mark.parametrize(("options", "why"), [({"axis": 1}, "rows"), ({"rows": 20}, "small")])
def test_a_table_that_does_not_pay_says_why(lab: Any, options: Any, why: str) -> None:
    (layer,) = quantize_dynamic(gathering(lab, **options), ["Gather"])
    assert (layer.form, why in layer.why) == ("fp32", True)
