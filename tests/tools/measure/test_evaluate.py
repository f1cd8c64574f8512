from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from shipfit.contracts import DataReport, Evaluation, Job, RequestError, ToolError
from shipfit.tools.context import MODEL_FILE, ToolContext
from shipfit.tools.measure import clear
from shipfit.tools.measure.answers import ANSWERS_FILE
from shipfit.tools.measure.clear import Clear
from shipfit.tools.measure.data_tool import data_tool
from shipfit.tools.measure.evaluate import compare_models, evaluate_tool
from shipfit.tools.measure.fidelity import OutputError


def changed(model: Path, target: Path, change) -> Path:
    """Copy a model with its first weight changed."""
    proto = onnx.load(model)
    weight = proto.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight).copy()), weight.name))
    onnx.save(proto, target)
    return target


def test_a_model_against_itself(digits_model: Path, digits_data: Path, make_data):
    _, data = make_data(digits_model, source=str(digits_data))
    result = compare_models(digits_model, digits_model, data, "selection")
    assert result.fidelity.value == np.inf
    assert result.net_loss == 0
    assert result.drop is not None
    assert result.drop.interval is not None
    assert result.drop.value == 0
    assert result.drop.interval.low <= 0 <= result.drop.interval.high
    assert result.original_accuracy == result.candidate_accuracy
    assert result.original_accuracy is not None
    assert 0.85 < result.original_accuracy.value < 1
    assert result.finite
    assert not result.constant
    assert Evaluation.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("inputs", ["float[n, 5] x", "float[n] x", "double[n, 4] x", "float[n, 4] other"])
def test_models_of_other_inputs_are_a_wrong_request(inputs: str, scorer: Path, samples: Path, write_model, make_data):
    _, data = make_data(scorer, source=str(samples))
    other = write_model(
        f'<ir_version: 8, opset_import: ["": 17]> m ({inputs}) => (float[n, 3] y) '
        f"{{ y = Cast<to = 1>({inputs.rpartition(' ')[2]}) }}"
    )
    with pytest.raises(RequestError, match="do not take the same inputs"):
        compare_models(scorer, other, data, "final")


def test_noise_of_a_known_level(scorer: Path, samples: Path, tmp_path: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    louder = changed(scorer, tmp_path / "louder.onnx", lambda w: w * np.float32(1.01))
    result = compare_models(scorer, louder, data, "final")
    assert result.fidelity.value == pytest.approx(40, abs=0.01)
    assert result.output_fidelity_db == {"y": pytest.approx(40, abs=0.01)}
    assert result.net_loss == 0


def test_loss_is_counted_in_pairs(scorer: Path, samples: Path, tmp_path: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    worse = changed(scorer, tmp_path / "worse.onnx", lambda w: w * np.array([1, 1, 0], np.float32))
    result = compare_models(scorer, worse, data, "final")
    assert result.original_accuracy is not None
    assert result.candidate_accuracy is not None
    loss = result.original_accuracy.value - result.candidate_accuracy.value
    assert result.net_loss == round(loss * result.samples)
    assert result.drop is not None
    assert result.drop.value == pytest.approx(loss)


def test_limit(scorer: Path, samples: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    assert compare_models(scorer, scorer, data, "final", limit=5).samples == 5


def test_nan_and_constant_answers(scorer: Path, samples: Path, tmp_path: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    broken = changed(scorer, tmp_path / "nan.onnx", lambda w: w * np.float32(np.nan))
    result = compare_models(scorer, broken, data, "final")
    assert not result.finite
    assert result.fidelity.value == -np.inf
    assert result.candidate_accuracy is not None
    assert result.candidate_accuracy.value == 0
    silent = changed(scorer, tmp_path / "zero.onnx", lambda w: w * np.float32(0))
    assert compare_models(scorer, silent, data, "final").constant


def test_other_outputs(scorer: Path, samples: Path, write_model, make_data):
    _, data = make_data(scorer, source=str(samples))
    other = write_model('<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x) => (float[n, 4] z) { z = Relu(x) }')
    with pytest.raises(ToolError, match=r"outputs .* are not \['y'\]"):
        compare_models(scorer, other, data, "final")


def test_as_a_tool(scorer: Path, samples: Path, tmp_path: Path):
    folders = [tmp_path / name for name in ("model", "work", "again")]
    for folder in folders:
        folder.mkdir()
    model, work, again = folders
    (model / MODEL_FILE).write_bytes(scorer.read_bytes())
    made = data_tool(ToolContext(Job(tool="data", params={"source": str(samples)}), {"model": model}, work))
    assert isinstance(made.report, DataReport)
    inputs = {"original": model, "candidate": model, "data": made.outputs["data"]}
    job = Job(tool="evaluate", data=made.report.ref, params={"part": "final", "limit": 4})
    answer = evaluate_tool(ToolContext(job, inputs, again))
    assert isinstance(answer.report, Evaluation)
    assert answer.report.samples == 4
    again.joinpath("whole").mkdir()
    whole = ToolContext(job.model_copy(update={"params": {"part": "final"}}), inputs, again / "whole")
    answers = evaluate_tool(whole).outputs["table"]
    known = evaluate_tool(ToolContext(job, {**inputs, "answers": answers}, again))
    assert isinstance(known.report, Evaluation)
    assert known.report.sample_runs == 4
    assert not known.outputs


@pytest.mark.parametrize(("bound", "ran"), [(20.0, 4), (60.0, 4), (38.0, None)])
def test_long_samples_end_where_a_candidate_is_clear(
    bound: float,
    ran: int | None,
    scorer: Path,
    samples: Path,
    tmp_path: Path,
    make_data,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(clear, "CLEAR_ELEMENTS", 16)
    _, data = make_data(scorer, source=str(samples))
    louder = changed(scorer, tmp_path / "louder.onnx", lambda w: w * np.float32(1.01))
    keep = tmp_path / "kept" / ANSWERS_FILE
    found = compare_models(scorer, louder, data, "selection", keep=keep, clear=Clear(outputs=bound))
    whole = compare_models(scorer, louder, data, "selection")
    assert found.samples == (ran or whole.samples)
    assert found.fidelity.value == pytest.approx(whole.fidelity.value, abs=0.01)
    again = compare_models(scorer, louder, data, "selection", known=keep)
    assert again.fidelity.value == pytest.approx(whole.fidelity.value, abs=1e-6)
    assert again.sample_runs == 2 * whole.samples - found.samples


def test_short_samples_are_all_run(scorer: Path, samples: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    found = compare_models(scorer, scorer, data, "selection", clear=Clear(outputs=20))
    assert found.samples == data.ref.parts["selection"]


def test_exact_outputs_count_disagreement():
    error = OutputError()
    error.add(np.arange(100), np.where(np.arange(100) == 7, -1, np.arange(100)))
    assert error.decibels == pytest.approx(20)
    words = OutputError()
    words.add(["a"], ["a"])
    assert words.decibels == np.inf


def test_places_where_the_original_is_not_finite_do_not_count():
    error = OutputError()
    error.add(np.array([1.0, np.inf, np.nan]), np.array([1.0, 3.0, np.nan]))
    assert error.finite
    assert error.decibels == np.inf


def test_another_shape_is_all_noise():
    error = OutputError()
    error.add(np.ones(4), np.ones(3))
    assert error.decibels == 0


def test_an_output_that_hardly_moves_may_be_constant():
    error = OutputError()
    for step in range(3):
        error.add(np.array([1 + 1e-3 * step]), np.array([1.0]))
    assert not error.constant
