"""Named options of `ONNXOptimizer`: each does what it says and shows it; products are validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from shipfit import ONNXOptimizer
from shipfit.contracts import ModelFileError, NoOpError, RequestError
from shipfit.tools.onnx_optimizer import OnnxProduct

from .. import models

OPTIMIZER = ONNXOptimizer()
SWITCHES: tuple[str, ...] = (
    "eliminate_deadend", "eliminate_unused_initializer", "fuse_matmul_add_bias_into_gemm", "fuse_pad_into_conv",
    "layer_normalization", "memory_patterns",
)  # fmt: skip


def weight(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(len(shape)).standard_normal(shape), np.float32)


def untidy() -> onnx.ModelProto:
    """Something to do for each option: Pad → Conv → layer normalization in parts → MatMul → Add, and leftovers."""
    nodes = [
        helper.make_node("Exp", ["x"], ["nowhere"]),
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("ReduceMean", ["f"], ["mean"], axes=[-1]),
        helper.make_node("Sub", ["f", "mean"], ["d"]),
        helper.make_node("Pow", ["d", "two"], ["sq"]),
        helper.make_node("ReduceMean", ["sq"], ["var"], axes=[-1]),
        helper.make_node("Add", ["var", "eps"], ["ve"]),
        helper.make_node("Sqrt", ["ve"], ["sd"]),
        helper.make_node("Div", ["d", "sd"], ["n"]),
        helper.make_node("Mul", ["n", "gain"], ["g"]),
        helper.make_node("Add", ["g", "shift"], ["ln"]),
        helper.make_node("MatMul", ["ln", "w2"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    weights = {"w": weight(4, 3, 3, 3), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "unused": weight(9, 9)}
    weights |= {"two": np.array(2, np.float32), "eps": np.array(1e-5, np.float32)}
    weights |= {"gain": weight(64), "shift": weight(64) + 1, "w2": weight(64, 5), "b": weight(5)}
    return models.build(nodes, [models.spec("x", [2, 3, 4, 4])], [models.spec("y", [2, 5])], weights)


def optimized(**options: Any) -> OnnxProduct:
    return OPTIMIZER.optimize_for_deployment(untidy(), options)


@pytest.fixture(scope="module")
def tidied() -> OnnxProduct:
    return optimized()


def test_every_option_has_its_effect_and_the_product_answers_as_before(tidied: OnnxProduct) -> None:
    assert set(tidied.effects) == set(SWITCHES)
    assert not {effect for effect in tidied.effects.values() if effect in ("off", "nothing to do")}
    assert [node.op_type for node in tidied.model.graph.node] == ["Conv", "Flatten", "LayerNormalization", "Gemm"]
    assert "unused" not in {each.name for each in tidied.model.graph.initializer}
    assert tidied.validation.evaluation.fidelity.value > 100
    assert tidied.validation.size_ratio < 1
    assert tidied.validation.benchmark is None


@pytest.mark.parametrize("option", SWITCHES)
def test_switching_an_option_off_changes_the_product(option: str, tidied: OnnxProduct) -> None:
    other = optimized(**{option: False})
    assert other.effects[option].startswith("off")
    if option == "memory_patterns":
        assert (tidied.settings.enable_mem_pattern, other.settings.enable_mem_pattern) == (True, False)
    else:
        assert other.model.SerializeToString() != tidied.model.SerializeToString()


def test_further_passes_are_named_and_nothing_to_do_is_said(tmp_path: Path) -> None:
    product = optimized(passes=["extract_constant_to_initializer", "FuseReluClip"])
    assert product.effects["extract_constant_to_initializer"] == "nothing to do"
    off: dict[str, Any] = dict.fromkeys(SWITCHES, False)
    same = OPTIMIZER.optimize_for_deployment(untidy().SerializeToString(), off)
    assert same.report is None
    assert same.model.graph == untidy().graph
    same.save(tmp_path / "m.onnx")
    assert onnx.load(tmp_path / "m.onnx").graph == untidy().graph


@pytest.mark.slow
def test_speed_is_measured_where_it_is_asked_for(mlp_model: Path) -> None:
    product = OPTIMIZER.optimize_for_deployment(mlp_model, {"memory_patterns": False}, seconds=0.3)
    assert product.validation.benchmark is not None
    assert product.validation.benchmark.speedup.value > 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("weight_type", "uint8"),
        ("activation_type", "int8"),
        ("per_channel", False),
        ("calibration_method", "mse"),
        ("calibration_method", "percentile"),
        ("samples", 2),
        ("compute", {"Conv": "static"}),
        ("keep", ["conv2"]),
    ],
)
def test_every_quantization_option_changes_the_product(
    option: str, value: Any, digits_model: Path, digits_data: Path, plain_product: OnnxProduct
) -> None:
    other = OPTIMIZER.quantize_for_deployment(digits_model, {option: value}, str(digits_data))
    assert other.model.SerializeToString() != plain_product.model.SerializeToString()
    accuracy = other.validation.evaluation.candidate_accuracy
    assert accuracy is not None
    assert accuracy.value > 0.9


@pytest.fixture(scope="module")
def plain_product(digits_model: Path, digits_data: Path) -> OnnxProduct:
    arrays = dict(np.load(digits_data))
    return OPTIMIZER.quantize_for_deployment(
        onnx.load(digits_model), {"compute": {"Conv": "static", "Gemm": "static"}}, arrays
    )


def test_storage_is_of_what_no_integer_operator_takes(digits_model: Path) -> None:
    only = {"compute": {"Gemm": "dynamic"}}
    sizes = [
        OPTIMIZER.quantize_for_deployment(digits_model, {**only, "storage": storage}).validation.size_ratio
        for storage in ("int4", "int8", "int8_block", "fp16", "none")
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 5


@pytest.mark.parametrize(
    ("option", "value"), [("block", 128), ("rounding", "error_feedback"), ("stored", {"conv3.weight": "fp32"})]
)
def test_every_option_of_storage_changes_the_product(
    option: str, value: Any, digits_model: Path, digits_data: Path, stored_product: OnnxProduct
) -> None:
    options = {"compute": {}, "storage": "int4", option: value}
    other = OPTIMIZER.quantize_for_deployment(digits_model, options, str(digits_data))
    assert other.model.SerializeToString() != stored_product.model.SerializeToString()
    assert other.effects != stored_product.effects
    accuracy = other.validation.evaluation.candidate_accuracy
    assert accuracy is not None
    assert accuracy.value > 0.9


@pytest.fixture(scope="module")
def stored_product(digits_model: Path, digits_data: Path) -> OnnxProduct:
    options: dict[str, Any] = {"compute": {}, "storage": "int4"}
    return OPTIMIZER.quantize_for_deployment(digits_model, options, str(digits_data))


def test_types_are_in_the_file_and_slower_ones_are_said(digits_model: Path, digits_data: Path) -> None:
    options = {"activation_type": "uint8", "weight_type": "uint8"}
    product = OPTIMIZER.quantize_for_deployment(digits_model, options, str(digits_data))
    kinds = {each.data_type for each in product.model.graph.initializer if len(each.dims) > 1}
    assert TensorProto.UINT8 in kinds
    assert TensorProto.INT8 not in kinds
    assert product.report is not None
    assert any("slower" in note for note in product.report.notes)
    assert product.effects["types"] == "uint8 activations, uint8 weights"


@pytest.mark.parametrize(
    ("model", "options", "kind", "words"),
    [
        (3, {}, RequestError, "int"),
        (b"junk", {}, ModelFileError, "parse"),
        ("none.onnx", {}, ModelFileError, "none.onnx"),
        (models.mlp(), {"samples": 0}, RequestError, "samples"),
        (models.mlp(), {"weight_typ": "int8"}, RequestError, "weight_typ"),
        (models.mlp(), {"activation_type": "int8", "compute": {"Gemm": "dynamic"}}, RequestError, "dynamic compute"),
        (models.mlp(), {"compute": {}, "storage": "none"}, NoOpError, "nothing was quantized"),
    ],
)
def test_mistakes_are_typed(model: Any, options: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        OPTIMIZER.quantize_for_deployment(model, options)


def test_failures_of_quantization_can_be_told_apart() -> None:
    with pytest.raises(NoOpError) as caught:
        OPTIMIZER.quantize_for_deployment(models.mlp(), {"compute": {}, "storage": "none"})
    assert caught.value.type == "quantization"
