from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from shipfit.tools.measure import evaluate
from shipfit.tools.measure.evaluate import compare_models
from shipfit.tools.measure.logits import LogitsError, logits_of, open_exposed, paired_logits, same_answers

HEAD = '<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x) => '
WEIGHTS = (
    "<float[4, 3] w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, int64[2] rows = {-1, 3}, int64[1] one = {1},"
    " float[1] least = {-1e30}> "
)


def logits(body: str, outputs: str = "(float[n, 3] y)") -> dict[str, str]:
    return logits_of(onnx.parser.parse_model(HEAD + outputs + WEIGHTS + body))


@pytest.mark.parametrize(
    ("body", "tensor"),
    [
        ("{ z = MatMul(x, w) y = Softmax<axis = -1>(z) }", "z"),
        ("{ z = MatMul(x, w) y = Sigmoid(z) }", "z"),
        ("{ z = MatMul(x, w) p = LogSoftmax(z) y = Identity(p) }", "z"),
        ("{ z = MatMul(x, w) p = HardSigmoid(z) q = Transpose(p) r = Transpose(q) y = Reshape(r, rows) }", "z"),
        ("{ z = MatMul(x, w) p = Softmax(z) d = Cast<to = 11>(p) y = Cast<to = 1>(d) }", "z"),
        ("{ z = MatMul(x, w) e = Exp(z) t = ReduceSum<keepdims = 1>(e, one) y = Div(e, t) }", "z"),
        (
            "{ z = MatMul(x, w) e = Exp(z) s = ReduceSum(e, one) t = Identity(s) y = Div(e, t) }",
            "z",
        ),
        (
            "{ z = MatMul(x, w) h = ReduceMax<axes = [1]>(z) m = Max(least, h) t = Identity(m) d = Sub(z, t) e = Exp(d)"
            " s = ReduceSum(e, one) y = Div(e, s) }",
            "z",
        ),
        ("{ z = MatMul(x, w) d = Sub(z, z) e = Exp(d) s = ReduceSum(e, one) y = Div(e, s) }", "d"),
        ("{ z = MatMul(x, w) e = Exp(z) t = ReduceSum<keepdims = 1>(z, one) y = Div(e, t) }", None),
        ("{ z = MatMul(x, w) e = Exp(z) t = ReduceMax<keepdims = 1>(e) y = Div(e, t) }", None),
        ("{ z = MatMul(x, w) y = Relu(z) }", None),
        ("{ y = MatMul(x, w) }", None),
        ("{ z = MatMul(x, w) p = Softmax(z) y = Add(p, p) }", None),
    ],
)
def test_where_the_logits_are(body: str, tensor: str | None):
    assert logits(body) == ({} if tensor is None else {"y": tensor})


def test_what_a_caller_gives_or_a_file_holds_is_no_logits():
    assert logits("{ y = Softmax(x) }", "(float[n, 4] y)") == {}
    assert logits("{ s = Softmax(w) y = Identity(s) }", "(float[4, 3] y)") == {}


def test_several_outputs_and_one_before_two_activations():
    found = logits("{ z = MatMul(x, w) y = Softmax(z) s = Sigmoid(z) r = Relu(z) }", "(float[n, 3] y, s, r)")
    assert found == {"y": "z", "s": "z"}


@pytest.fixture
def classifier(write_model) -> Path:
    return write_model(HEAD + "(float[n, 3] y) " + WEIGHTS + "{ z = MatMul(x, w) s = Add(z, z) y = Softmax(s) }")


def louder(model: Path, target: Path, factor: float) -> Path:
    proto = onnx.load(model)
    weight = next(each for each in proto.graph.initializer if each.name == "w")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(factor), "w"))
    onnx.save(proto, target)
    return target


def test_both_fidelities_come_from_the_same_runs(classifier: Path, samples: Path, tmp_path: Path, make_data):
    _, data = make_data(classifier, source=str(samples))
    result = compare_models(classifier, louder(classifier, tmp_path / "l.onnx", 1.01), data, "final")
    assert result.logits_fidelity is not None
    assert result.logits_fidelity.value == pytest.approx(40, abs=0.01)
    assert result.has_logits
    assert result.fidelity.value > 40.5
    assert result.output_fidelity_db.keys() == {"y"}
    assert result.sample_runs == 2 * result.samples + 4


def test_original_runs_once_for_all_candidates(classifier: Path, samples: Path, tmp_path: Path, make_data):
    _, data = make_data(classifier, source=str(samples))
    answers, later = tmp_path / "kept" / "answers.npz", louder(classifier, tmp_path / "l.onnx", 1.01)
    compare_models(classifier, classifier, data, "final", keep=answers)
    anew, known = (
        compare_models(classifier, later, data, "final"),
        compare_models(classifier, later, data, "final", known=answers),
    )
    same = {"seconds": 0.0, "sample_runs": 0}
    assert known.model_copy(update=same) == anew.model_copy(update=same)
    assert known.sample_runs == known.samples + 2


def test_answers_that_lack_what_is_asked_are_not_used(
    classifier: Path, samples: Path, write_model, tmp_path: Path, make_data
):
    _, data = make_data(classifier, source=str(samples))
    other = write_model(HEAD + "(float[n, 3] y) " + WEIGHTS + "{ z = MatMul(x, w) s = Add(z, z) y = Identity(s) }")
    compare_models(classifier, other, data, "final", keep=tmp_path / "answers.npz")
    result = compare_models(classifier, classifier, data, "final", known=tmp_path / "answers.npz")
    assert result.logits_fidelity is not None
    assert result.sample_runs == 2 * result.samples + 4


def test_too_many_answers_are_not_kept(
    classifier: Path, samples: Path, tmp_path: Path, make_data, monkeypatch: pytest.MonkeyPatch
):
    _, data = make_data(classifier, source=str(samples))
    monkeypatch.setattr("shipfit.tools.measure.answers.LARGEST_BYTES", 40)
    compare_models(classifier, classifier, data, "final", keep=tmp_path / "answers.npz")
    assert not (tmp_path / "answers.npz").exists()


def test_models_without_logits_have_no_such_figure(scorer: Path, samples: Path, make_data):
    _, data = make_data(scorer, source=str(samples))
    result = compare_models(scorer, scorer, data, "final")
    assert (result.logits_fidelity, result.has_logits) == (None, False)
    assert result.sample_runs == 2 * result.samples


def test_logits_that_do_not_correspond(classifier: Path, samples: Path, write_model, make_data):
    _, data = make_data(classifier, source=str(samples))
    rest = "{ z = MatMul(x, w) e = Exp(z) t = ReduceMax<keepdims = 1>(e) y = Div(e, t) }"
    other = write_model(HEAD + "(float[n, 3] y) " + WEIGHTS + rest)
    assert paired_logits(classifier, other) == []
    assert compare_models(classifier, other, data, "final").logits_fidelity is None


def test_a_copy_that_answers_otherwise_is_not_what_is_judged(
    classifier: Path, samples: Path, make_data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    _, data = make_data(classifier, source=str(samples))
    other = louder(classifier, tmp_path / "other.onnx", 2)
    monkeypatch.setattr(evaluate, "open_exposed", lambda path, *rest: open_exposed(other, *rest))
    result = compare_models(classifier, classifier, data, "final")
    assert result.logits_fidelity is None
    assert result.fidelity.value == np.inf


def test_another_shape_and_masks():
    error = LogitsError([("a", "b")])
    error.add({"a": np.array([[1.0, -1e9]])}, {"b": np.array([[1.1, -2e9]])})
    assert error.decibels == pytest.approx(20)
    error.add({"a": np.array([[1.0, 1.0]])}, {"b": np.array([[[1.1]], [[0.9]]])})
    assert error.decibels == pytest.approx(20)
    error.add({"a": np.ones((2, 2))}, {"b": np.ones((1, 4))})
    assert error.decibels is None


def test_same_answers():
    assert same_answers([np.zeros(3, np.float32)], [np.zeros(3, np.float32), np.ones(1)])
    assert same_answers([np.full(2, np.nan, np.float32)], [np.full(2, np.nan, np.float32)])
    assert not same_answers([np.ones(3, np.float32)], [np.full(3, 1.01, np.float32)])


def test_weights_in_a_file_beside_the_model(tmp_path: Path):
    model = onnx.parser.parse_model(HEAD + "(float[n, 3] y) " + WEIGHTS + "{ z = MatMul(x, w) y = Softmax(z) }")
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=1)
    session = open_exposed(tmp_path / "m.onnx", ["z"])
    values = dict(zip(session.output_names, session.run({"x": np.ones((1, 4), np.float32)}), strict=True))
    assert np.array_equal(values["z"], np.full((1, 3), 2, np.float32))
