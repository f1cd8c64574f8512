"""Pruning zeroes what is small and nothing else; advice is measured."""

from __future__ import annotations

from pathlib import Path

import brotli
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import helper, numpy_helper

from shipfit.contracts import AdviceReport, Job, Limits, NoOpError, PruneStep, StepReport, ToolError
from shipfit.tools.advisor import PruningAdvisor
from shipfit.tools.compressed import compressed_bytes
from shipfit.tools.context import ToolContext
from shipfit.tools.onnx_model import iter_tensors, model_bytes, to_array
from shipfit.tools.prune import advise, advise_tool, prune, weight_chunks

from .. import models


def pruned(source: Path, folder: Path, step: PruneStep) -> tuple[onnx.ModelProto, StepReport]:
    report = prune(step, source, folder / "pruned" / "model.onnx", None, Limits())
    assert report.size_bytes == model_bytes(folder / "pruned" / "model.onnx")
    return onnx.load(folder / "pruned" / "model.onnx"), report


def weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {each.name: to_array(each) for each in iter_tensors(model)}


def test_what_is_small_becomes_zero(digits_model: Path, tmp_path: Path):
    before = weights(onnx.load(digits_model))
    model, report = pruned(digits_model, tmp_path, PruneStep(threshold=0.05))
    after = weights(model)
    for name, weight in before.items():
        expected = np.where(np.abs(weight) < 0.05, 0, weight) if weight.ndim > 1 else weight
        assert np.array_equal(after[name], expected)
        assert after[name].dtype == weight.dtype
    matrices = [each for each in before.values() if each.ndim > 1]
    assert report.details["zeroed"] == sum(int(((np.abs(each) < 0.05) & (each != 0)).sum()) for each in matrices)
    assert report.details["compressed_bytes"] < report.details["compressed_bytes_before"]
    assert {(each.name, each.form) for each in report.layers} == {
        (name, "pruned") for name, each in before.items() if each.ndim > 1
    }


def test_weights_in_subgraphs_and_constant_nodes(if_model: Path, tmp_path: Path):
    before = weights(onnx.load(if_model))
    after = weights(pruned(if_model, tmp_path, PruneStep(threshold=0.1))[0])
    for name in ("wt", "we", "head"):
        assert np.array_equal(after[name], np.where(np.abs(before[name]) < 0.1, 0, before[name]))
    assert after["half"] == before["half"]


def test_recurrent_weights(tmp_path: Path):
    rng = np.random.default_rng(0)
    shapes = {"w": (1, 32, 8), "r": (1, 32, 8), "b": (1, 64)}
    stored = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=8)
    model = models.build([node], [models.spec("x", [3, 1, 8])], [models.spec("y", [3, 1, 1, 8])], stored)
    after = weights(pruned(models.save(model, tmp_path / "m.onnx"), tmp_path, PruneStep(threshold=0.5))[0])
    assert (after["w"] == 0).any()
    assert (after["r"] == 0).any()
    assert np.array_equal(after["b"], stored["b"])


def test_only_the_named_initializers(digits_model: Path, tmp_path: Path):
    step = PruneStep(threshold=0.05, initializers=("fc.weight",))
    model, report = pruned(digits_model, tmp_path, step)
    before, after = weights(onnx.load(digits_model)), weights(model)
    assert [name for name in before if not np.array_equal(before[name], after[name])] == ["fc.weight"]
    assert [each.name for each in report.layers] == ["fc.weight"]


def test_name_that_is_not_there(digits_model: Path, tmp_path: Path):
    with pytest.raises(ToolError, match="conv9"):
        pruned(digits_model, tmp_path, PruneStep(threshold=0.05, initializers=("conv9.weight",)))


def test_nothing_below_the_threshold(digits_model: Path, tmp_path: Path):
    with pytest.raises(NoOpError, match="raise it") as caught:
        pruned(digits_model, tmp_path, PruneStep(threshold=1e-12))
    assert caught.value.type == "pruning"
    pruned(digits_model, tmp_path, PruneStep(threshold=0.05))
    with pytest.raises(NoOpError):  # what is zero already is no change
        pruned(tmp_path / "pruned" / "model.onnx", tmp_path / "again", PruneStep(threshold=0.05))


@given(data=st.data(), threshold=st.floats(1e-4, 2))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_models(data: st.DataObject, threshold: float, random_cnns, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("random")
    source = models.save(data.draw(random_cnns), folder / "source.onnx")
    try:
        model, report = pruned(source, folder, PruneStep(threshold=threshold))
    except NoOpError:
        return
    before, after = weights(onnx.load(source)), weights(model)
    assert list(before) == list(after)
    changed = 0
    for name, weight in before.items():
        different = weight != after[name]
        assert (after[name][different] == 0).all()
        assert (np.abs(weight[different]) < threshold).all()
        changed += int(different.sum())
    assert changed == report.details["zeroed"]
    feeds = {"x": np.ones((1, 3, 8, 8), np.float32)}
    assert models.run(model, feeds)[0].shape == (1, 5)


def test_advice_is_what_pruning_then_does(digits_model: Path, tmp_path: Path):
    report = advise(digits_model, [0.2, 0.05, 0.05])
    assert [each.threshold for each in report.options] == [0.05, 0.2]
    for option in report.options:
        _, done = pruned(digits_model, tmp_path / str(option.threshold), PruneStep(threshold=option.threshold))
        assert option.zeroed_share == done.details["zeroed_share"]
        assert option.compressed_bytes == done.details["compressed_bytes"]
        assert report.baseline_compressed_bytes == done.details["compressed_bytes_before"]
    assert report.options[0].compressed_bytes > report.options[1].compressed_bytes


def test_ladder_of_thresholds(digits_model: Path):
    report = advise(digits_model)
    shares = [each.zeroed_share for each in report.options]
    assert shares == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9], abs=0.02)
    assert "threshold" in report.recommendation
    assert "latency stay as they are" in report.recommendation


def test_nothing_bearable_is_said(digits_model: Path):
    assert "try others" in advise(digits_model, [100.0]).recommendation
    assert "not worth it" in advise(digits_model, [1e-3]).recommendation


def test_model_without_prunable_weights(tmp_path: Path):
    model = models.build([helper.make_node("Relu", ["x"], ["y"])], [models.spec("x", [2])], [models.spec("y", [2])], {})
    with pytest.raises(ToolError, match="no weight"):
        advise(models.save(model, tmp_path / "m.onnx"))


def test_weights_that_are_all_zero(tmp_path: Path):
    model = models.mlp()
    for each in model.graph.initializer:
        each.CopyFrom(numpy_helper.from_array(np.zeros(each.dims, np.float32), each.name))
    with pytest.raises(ToolError, match="zero already"):
        advise(models.save(model, tmp_path / "m.onnx"))


def test_tool(digits_model: Path, tmp_path: Path):
    job = Job(tool="advise", params={"thresholds": [0.1]})
    report = advise_tool(ToolContext(job, {"model": digits_model.parent}, tmp_path)).report
    assert isinstance(report, AdviceReport)
    assert [each.threshold for each in report.options] == [0.1]


def test_compressed_size_is_brotlis(digits_model: Path):
    whole = b"".join(weight_chunks(onnx.load(digits_model)))
    assert compressed_bytes([whole[:1000], whole[1000:]]) == pytest.approx(
        len(brotli.compress(whole, quality=5)), rel=0.01
    )
    assert compressed_bytes([]) < 8


def test_advisor_returns_its_phases(digits_model: Path, digits_data: Path):
    advisor = PruningAdvisor()
    assert advisor.name
    assert advisor.description
    assert advisor.category
    result = advisor.run(digits_model, str(digits_data), [1e-9, 0.02, 0.4])
    assert result.analysis.parameters > 20_000
    assert len(result.strategy.options) == 3
    light, heavy = result.impact  # nothing is below the first threshold
    assert light.evaluation.samples == 64
    assert light.evaluation.fidelity.value > heavy.evaluation.fidelity.value
    assert light.evaluation.candidate_accuracy is not None


def test_only_the_largest_bearable_threshold_is_looked_at(digits_model: Path):
    every = advise(digits_model, [0.01, 0.05, 0.2, 0.5]).options
    (best,) = advise(digits_model, [0.01, 0.05, 0.2, 0.5], zeroed_at_most=every[2].zeroed_share).options
    assert best == every[2]
    (least,) = advise(digits_model, [0.2, 0.5], zeroed_at_most=0.0).options
    assert least == every[2]
