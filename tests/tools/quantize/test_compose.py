from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import DataError, Limits, NoOpError, QuantizeStep, RequestError
from shipfit.tools.model_files import load
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.compose import MAX_LAYERS, _most_weighty
from shipfit.tools.quantize.storage import LayerForm

CNN = {"Conv": "static", "Gemm": "static", "MatMul": "static"}


def perform(lab: Any, source: Path, data: Any = None, **step: Any) -> tuple[Path, Any]:
    target = lab.folder / f"out{len(list(lab.folder.glob('out*')))}.onnx"
    return target, quantize(QuantizeStep(**step), source, target, data, Limits())


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_static_and_storage_in_one_file(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    target, report = perform(
        lab, digits_model, lab.view(digit_feeds), compute=CNN, nodes={"conv3": "fp32"}, storage="int8", samples=5
    )
    assert {layer.name: layer.form for layer in report.layers} == {
        "conv1": "fp32",
        "conv2": "int8 static",
        "conv3": "fp32",
        "fc": "int8 static",
        "conv3.weight": "int8 stored",
    }
    assert report.details["calibration_samples"] == 5
    assert report.size_bytes == target.stat().st_size < 0.45 * digits_model.stat().st_size
    assert lab.sqnr(digits_model, target, digit_feeds) > 20


def test_dynamic_and_static_in_one_file(lab: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], "conv"),
        helper.make_node("Transpose", ["c"], ["t"], "turn", perm=[2, 0, 1]),
        helper.make_node("LSTM", ["t", "w", "r"], ["y"], "lstm", hidden_size=16),
    ]
    weights = {"k": noise(16, 4, 3) / 3, "w": noise(1, 64, 16) / 4, "r": noise(1, 64, 16) / 4}
    source = lab.save(lab.build(nodes, {"x": [1, 4, 12]}, {"y": [10, 1, 1, 16]}, weights))
    feeds = [{"x": noise(1, 4, 12, seed=each)} for each in range(6)]
    target, report = perform(lab, source, lab.view(feeds), compute={"Conv": "static", "LSTM": "dynamic"}, min_terms=0)
    assert [layer.form for layer in report.layers] == ["int8 static", "int8 dynamic"]
    assert lab.sqnr(source, target, feeds) > 20
    assert target.stat().st_size < source.stat().st_size


def test_scales_that_integer_operators_bring_are_not_stored_away(lab: Any) -> None:
    weights = {"w": noise(1, 1024, 16) / 4, "r": noise(1, 1024, 256) / 16}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=256)
    source = lab.save(lab.build([node], {"x": [3, 1, 16]}, {"y": [3, 1, 1, 256]}, weights))
    target, report = perform(lab, source, compute={"LSTM": "dynamic"}, storage="int8")
    assert [layer.form for layer in report.layers] == ["int8 dynamic"]
    scales = [each for each in load(target).graph.initializer if each.data_type == TensorProto.FLOAT]
    assert [list(each.dims) for each in scales] == [[1, 1024], [1, 1024]]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"compute": {"GRU": "dynamic"}}, "no GRU"),
        ({"compute": {"MatMul": "dynamic"}, "nodes": {"dense1": "fp32", "dense2": "fp32"}}, "kept"),
        ({}, "neither compute nor storage"),
        ({"compute": {"Softmax": "static"}}, "no Softmax"),
    ],
)
def test_a_step_that_changes_nothing_says_why(lab: Any, mlp_model: Path, step: Any, why: str) -> None:
    with pytest.raises(NoOpError, match=why) as caught:
        perform(lab, mlp_model, **step)
    assert "\n" not in caught.value.message
    assert caught.value.type == "quantization"
    assert not list(lab.folder.glob("out*"))


def test_static_inside_a_branch_never_taken_says_so(lab: Any, if_model: Path) -> None:
    feeds = [{"x": noise(1, 48), "flag": np.array(True)}]
    _, report = perform(lab, if_model, lab.view(feeds), compute={"MatMul": "static"})
    assert any("no calibration sample comes to the body" in note for note in report.notes)


def test_an_unfolded_batch_normalization_is_remarked(lab: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("BatchNormalization", ["a", "one", "zero", "zero", "one"], ["y"], "norm"),
    ]
    weights = {"w": noise(8, 4, 3, 3) / 6, "one": np.ones(8, np.float32), "zero": np.zeros(8, np.float32)}
    source = lab.save(lab.build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights))
    _, report = perform(lab, source, lab.view([{"x": noise(1, 4, 8, 8)}]), compute={"Conv": "static"})
    assert any("optimize the graph first" in note for note in report.notes)


def test_quantizing_a_quantized_model_is_a_no_op(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    once, _ = perform(lab, digits_model, lab.view(digit_feeds), compute=CNN, min_terms=0)
    with pytest.raises(NoOpError, match="quantized already"):
        perform(lab, once, lab.view(digit_feeds), compute=CNN)


@pytest.mark.parametrize("field", ["nodes", "stored"])
def test_unknown_names_are_refused(lab: Any, mlp_model: Path, field: str) -> None:
    with pytest.raises(RequestError, match=r"no 'nobody\\n'"):
        perform(lab, mlp_model, **{field: {"nobody\n": "fp32"}}, storage="int8")


def test_static_needs_samples(lab: Any, digits_model: Path) -> None:
    with pytest.raises(DataError, match="calibration"):
        perform(lab, digits_model, compute=CNN)
    with pytest.raises(DataError, match="at least one sample"):
        perform(lab, digits_model, lab.view([]), compute=CNN)


def test_external_weights_end_in_one_file(lab: Any, external_model: Path) -> None:
    target, _ = perform(lab, external_model, storage="int8")
    assert lab.sqnr(external_model, target, [{"x": noise(1, 16)}]) > 30


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "entropy", "mse"])
def test_the_same_step_gives_the_same_bytes(lab: Any, digits_model: Path, digit_feeds: Any, calibration: str) -> None:
    step = {"compute": {"Conv": "static", "Gemm": "dynamic"}, "storage": "int8", "calibration": calibration}
    first, _ = perform(lab, digits_model, lab.view(digit_feeds), **step)
    second, _ = perform(lab, digits_model, lab.view(digit_feeds), **step)
    assert first.read_bytes() == second.read_bytes()


def test_the_report_keeps_the_heaviest_layers_in_the_order_of_the_file() -> None:
    layers = [LayerForm(name=str(at), op_type="Conv", form="fp32", weight_bytes=at) for at in range(600)]
    kept = _most_weighty(layers)
    assert [layer.weight_bytes for layer in kept] == list(range(600 - MAX_LAYERS, 600))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_networks_take_any_step(lab: Any, random_cnns: Any, data: st.DataObject) -> None:
    original = data.draw(random_cnns)
    forms = st.sampled_from(["static", "dynamic"])
    compute = {op: data.draw(forms) for op in data.draw(st.sets(st.sampled_from(["Conv", "Gemm", "MatMul"])))}
    step = {
        "compute": compute,
        "min_terms": data.draw(st.sampled_from([0, 32])),
        "storage": data.draw(st.sampled_from(["none", "int8", "fp16"])),
        "per_channel": data.draw(st.booleans()),
        "calibration": data.draw(st.sampled_from(["minmax", "percentile", "entropy", "mse"])),
    }
    feeds = [{"x": noise(1, 3, 8, 8, seed=each)} for each in range(3)]
    source = lab.save(original)
    try:
        target, report = perform(lab, source, lab.view(feeds), **step)
    except NoOpError:
        return
    onnx.checker.check_model(str(target))
    assert report.changed
    wanted, got = lab.run(source, feeds[0])[0], lab.run(target, feeds[0])[0]
    assert got.shape == wanted.shape
    assert np.isfinite(got).all()
