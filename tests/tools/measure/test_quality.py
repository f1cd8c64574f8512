from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import numpy_helper
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, top_k_accuracy_score

from shipfit.contracts import DataError, Evaluation, Scoring
from shipfit.tools.measure.decode import greedy_ctc
from shipfit.tools.measure.evaluate import compare_models
from shipfit.tools.measure.metrics import scorer
from shipfit.tools.measure.quality import PerClass
from shipfit.tools.measure.score import among_top

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
LABELS = np.argmax(X[:, :3] + RNG.normal(0, 0.7, (60, 3)), axis=1)
WEIGHT = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.float32)


def worse(model: Path, target: Path, scale=(1, 1, 0.2)) -> Path:
    proto = onnx.load(model)
    weight = proto.graph.initializer[0]
    array = numpy_helper.to_array(weight) * np.asarray(scale, np.float32)
    weight.CopyFrom(numpy_helper.from_array(array.astype(np.float32), weight.name))
    onnx.save(proto, target)
    return target


def judged(model: Path, tmp_path: Path, make_data, metric: str, part: str = "final", **arrays) -> tuple:
    np.savez(tmp_path / "given.npz", x=X, **arrays)
    report, data = make_data(model, source=str(tmp_path / "given.npz"), metric=metric, needs_accuracy=True)
    result = compare_models(model, worse(model, tmp_path / "worse.onnx"), data, part)
    assert Evaluation.model_validate_json(result.model_dump_json()) == result
    assert result.original_accuracy is not None
    assert result.candidate_accuracy is not None
    assert result.drop is not None
    assert result.drop.interval is not None
    assert result.metric == metric == report.ref.scoring.metric
    assert report.ref.labelled
    feeds = np.concatenate([feed["x"] for feed in data.feeds(part)])
    return result, data, feeds


def outputs(feeds: np.ndarray, scale=(1, 1, 1)) -> np.ndarray:
    return feeds @ (WEIGHT * np.asarray(scale, np.float32))


def test_top_k_agrees_with_scikit_learn(scorer: Path, tmp_path: Path, make_data):
    result, data, feeds = judged(scorer, tmp_path, make_data, "top2", labels=LABELS)
    expected = [top_k_accuracy_score(data.labels("final"), outputs(feeds, s), k=2) for s in ((1, 1, 1), (1, 1, 0.2))]
    assert [result.original_accuracy.value, result.candidate_accuracy.value] == pytest.approx(expected)
    assert result.net_loss is not None


def test_f1_is_the_mean_over_classes(scorer: Path, tmp_path: Path, make_data):
    result, data, feeds = judged(scorer, tmp_path, make_data, "f1", labels=LABELS)
    truth = data.labels("final")
    expected = [f1_score(truth, outputs(feeds, scale).argmax(1), average="macro") for scale in ((1, 1, 1), (1, 1, 0.2))]
    assert [result.original_accuracy.value, result.candidate_accuracy.value] == pytest.approx(expected)
    assert result.drop.value == pytest.approx(expected[0] - expected[1])
    assert result.drop.interval.low <= result.drop.value <= result.drop.interval.high
    assert result.net_loss is None
    assert result.samples == 30


def test_the_same_seed_draws_the_same_interval(scorer: Path, tmp_path: Path, make_data):
    first, *_ = judged(scorer, tmp_path, make_data, "f1", labels=LABELS)
    again, *_ = judged(scorer, tmp_path, make_data, "f1", labels=LABELS)
    assert first.drop == again.drop


def test_mean_absolute_error_is_bounded_by_its_increase(scorer: Path, tmp_path: Path, make_data):
    targets = X @ WEIGHT + RNG.normal(0, 0.3, (60, 3)).astype(np.float32)
    result, data, feeds = judged_by_error(scorer, tmp_path, make_data, targets)
    truth = np.stack([row for rows in data.targets("final") for row in rows])
    old, new = (mean_absolute_error(truth, outputs(feeds, scale)) for scale in ((1, 1, 1), (1, 1, 0.2)))
    assert result.original_accuracy.value == pytest.approx(old, rel=1e-5)
    assert result.original_accuracy.unit == "value"
    assert result.drop.value == pytest.approx((new - old) / old, rel=1e-4)
    assert result.drop.interval.low < result.drop.value < result.drop.interval.high


def judged_by_error(scorer: Path, tmp_path: Path, make_data, targets: np.ndarray) -> tuple:
    np.savez(tmp_path / "given.npz", x=X, targets=targets)
    _, data = make_data(scorer, source=str(tmp_path / "given.npz"), metric="mae", needs_accuracy=True)
    result = compare_models(scorer, worse(scorer, tmp_path / "worse.onnx"), data, "final")
    return result, data, np.concatenate([feed["x"] for feed in data.feeds("final")])


def test_an_exact_original_leaves_errors_finite(scorer: Path, tmp_path: Path, make_data):
    result, *_ = judged_by_error(scorer, tmp_path, make_data, X @ WEIGHT)
    assert result.drop is not None
    assert 1 < result.drop.value < np.inf


def test_r2(scorer: Path, tmp_path: Path, make_data):
    targets = X @ WEIGHT + RNG.normal(0, 0.3, (60, 3)).astype(np.float32)
    result, data, feeds = judged(scorer, tmp_path, make_data, "r2", targets=targets)
    truth = np.stack([row for rows in data.targets("final") for row in rows])
    expected = [r2_score(truth, outputs(feeds, scale)) for scale in ((1, 1, 1), (1, 1, 0.2))]
    assert [result.original_accuracy.value, result.candidate_accuracy.value] == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def speller(write_model) -> Path:
    """Scores four symbols (blank, a, b, space) at eight steps: the input is the scores."""
    return write_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[1, 8, 4] x) => (float[1, 8, 4] y) '
        "<float[4] w = {1, 1, 1, 1}> { y = Mul(x, w) }"
    )


@pytest.mark.parametrize("metric", ["wer", "cer"])
def test_error_rates_of_decoded_texts(metric: str, speller: Path, tmp_path: Path, make_data):
    steps = RNG.integers(0, 4, (40, 8))
    texts = [greedy_ctc(np.eye(4)[row], ("a", "b", " "), 0) for row in steps]
    keep = [index for index, text in enumerate(texts) if text.strip()]
    noise = np.eye(4, dtype=np.float32)[steps[keep]] + RNG.normal(0, 0.4, (len(keep), 8, 4)).astype(np.float32)
    truth = np.array([texts[index] for index in keep])
    np.savez(tmp_path / "given.npz", x=noise, targets=truth)
    preprocess = {"alphabet": ["a", "b", " "], "blank": 0}
    report, data = make_data(
        speller, source=str(tmp_path / "given.npz"), metric=metric, preprocess=preprocess, needs_accuracy=True
    )
    result = compare_models(speller, worse(speller, tmp_path / "worse.onnx", (1, 0.3, 1, 1)), data, "final")
    said = [greedy_ctc(feed["x"][0], ("a", "b", " "), 0) for feed in data.feeds("final")]
    goals = [text for row in data.targets("final") for text in row]
    rate = (jiwer.wer if metric == "wer" else jiwer.cer)(goals, said)
    assert result.original_accuracy is not None
    assert result.drop is not None
    assert result.original_accuracy.value == pytest.approx(1 - rate)
    assert result.drop.value > 0
    assert report.ref.output == "y"


def test_a_metric_of_ones_own(scorer: Path, tmp_path: Path, make_data):
    (tmp_path / "own_metric.py").write_text(
        "import numpy as np\n"
        "def good(outputs, targets):\n"
        "    assert outputs.shape == (len(targets), 3) and targets.shape == (len(targets),)\n"
        "    return float(np.mean(outputs.argmax(1) == targets))\n"
        "def bad(outputs, targets):\n    raise KeyError('boom')\n"
        "def large(outputs, targets):\n    return 37.0\n"
    )
    (tmp_path / "torn_metric.py").write_text("def good(:\n")
    np.savez(tmp_path / "given.npz", x=X, labels=LABELS)
    given = {"source": str(tmp_path / "given.npz"), "working_directory": str(tmp_path)}
    report, data = make_data(scorer, metric="own_metric:good", **given)
    assert report.ref.scoring.code is not None
    own = compare_models(scorer, worse(scorer, tmp_path / "worse.onnx"), data, "final")
    _, data = make_data(scorer, **given)
    usual = compare_models(scorer, worse(scorer, tmp_path / "worse.onnx"), data, "final")
    assert own.original_accuracy is not None
    assert usual.original_accuracy is not None
    assert own.original_accuracy.value == pytest.approx(usual.original_accuracy.value)
    for name, words in (("bad", "failed: KeyError"), ("large", "returned 37"), ("none", "has no 'none'")):
        with pytest.raises(DataError, match=words):
            make_data(scorer, metric=f"own_metric:{name}", **given)
    with pytest.raises(DataError, match="importing 'torn_metric' failed: SyntaxError"):
        make_data(scorer, metric="torn_metric:good", **given)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no targets": ("mae", {"labels": LABELS}, "lacks what the metric compares"),
    "no labels": ("f1", {"targets": X}, "needs a metric"),
    "nothing": ("top1", {}, "lacks what the metric compares"),
    "other size": ("mae", {"targets": X[:, :2]}, "targets of 2 numbers per sample need an output of as many"),
    "texts": ("mae", {"targets": np.array(["a"] * 60)}, "its target is a text"),
    "numbers": ("wer", {"targets": X}, "its target is no text"),
    "not finite": ("r2", {"targets": np.where(X > 2, np.nan, X)}, "NaN"),
    "no decoder": ("wer", {"targets": np.array(["a"] * 60)}, "alphabet"),
    "empty text": ("wer", {"targets": np.array([""] * 60)}, "empty text"),
    "all of them": ("top3", {"labels": LABELS}, "top3 is always right"),
}


@pytest.mark.parametrize("name", WRONG)
def test_data_that_a_metric_cannot_score(name: str, scorer: Path, tmp_path: Path, make_data):
    metric, arrays, words = WRONG[name]
    np.savez(tmp_path / "given.npz", x=X, **arrays)
    with pytest.raises(DataError, match=words) as caught:
        make_data(scorer, source=str(tmp_path / "given.npz"), metric=metric)
    assert "\n" not in caught.value.message


def test_what_is_not_scored_needs_no_metric(scorer: Path, tmp_path: Path, make_data):
    np.savez(tmp_path / "given.npz", x=X, targets=X)
    report, data = make_data(scorer, source=str(tmp_path / "given.npz"), scored=False)
    assert not report.ref.labelled
    assert data.targets("final") is None


def test_classes_that_lose_most_come_first(scorer: Path, tmp_path: Path, make_data):
    result, data, feeds = judged(scorer, tmp_path, make_data, "top1", labels=LABELS)
    truth = np.asarray(data.labels("final"))
    right = [outputs(feeds, scale).argmax(1) == truth for scale in ((1, 1, 1), (1, 1, 0.2))]
    for item in result.class_drops:
        of_class = truth == item.label
        assert item.samples == of_class.sum()
        assert (item.original, item.candidate) == pytest.approx((right[0][of_class].mean(), right[1][of_class].mean()))
    drops = [item.drop for item in result.class_drops]
    assert drops == sorted(drops, reverse=True)
    assert drops[0] > 0
    selection = compare_models(scorer, scorer, data, "selection")
    assert selection.class_drops == ()


def test_classes_are_bounded():
    counted = PerClass()
    everything = np.arange(500)
    counted.add(everything, everything % 2 == 0, everything < 0)
    assert len(counted.drops()) == 100
    assert all(item.drop == 1 for item in counted.drops())


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_top_k_is_a_stable_ranking(data: st.DataObject):
    rows = data.draw(st.integers(1, 5))
    classes = data.draw(st.integers(2, 6))
    scores = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=classes, max_size=classes),
                                         min_size=rows, max_size=rows)), float)  # fmt: skip
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)))
    k = data.draw(st.integers(1, classes - 1))
    expected = [label in np.argsort(-row, kind="stable")[:k] for row, label in zip(scores, labels, strict=True)]
    assert among_top(scores, labels, k).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_ctc_merges_repeats_and_leaves_blanks_out(steps: list[int]):
    text = greedy_ctc(np.eye(4)[steps], ("a", "b", "c"), 3)
    merged = [step for index, step in enumerate(steps) if index == 0 or step != steps[index - 1]]
    assert text == "".join("abc"[step] for step in merged if step != 3)


def test_answers_that_are_no_numbers_are_as_wrong_as_can_be():
    targets = [np.array([1.0]), np.array([2.0])]
    score = scorer(Scoring(metric="mae"))([np.array([np.nan]), np.array([2.0])], targets)
    assert score(np.arange(2)) > 1e9
