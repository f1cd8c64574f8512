"""Names of metrics, what bounds mean under them, and the fields that say how data are read."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.contracts import (
    Bound,
    Preprocess,
    Request,
    RequestError,
    check_metric,
    check_served,
    is_error,
    label,
    metric_kind,
    metric_words,
    top_k,
    validate,
)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("top1", "classes", "accuracy"),
        ("top5", "classes", "top-5 accuracy"),
        ("f1", "classes", "F1 (macro)"),
        ("mae", "numbers", "mean absolute error"),
        ("r2", "numbers", "R²"),
        ("wer", "texts", "word accuracy (1 − WER)"),
        ("own.module:score", "code", "own.module:score"),
    ],
)
def test_metrics(name: str, kind: str, words: str) -> None:
    assert check_metric(name) == name
    assert metric_kind(name) == kind
    assert metric_words(name) == words
    assert top_k(name) == {"top1": 1, "top5": 5}.get(name)
    assert is_error(name) is (name == "mae")


@pytest.mark.parametrize("name", ["top0", "top", "accuracy", "F1", "", "a:b:c", "../x:y", "top-5", "x y:z"])
def test_names_that_are_no_metric(name: str) -> None:
    with pytest.raises(RequestError, match=r"metric: metric .* is not known; choose from top1"):
        validate(Request, {"model": "m.onnx", "metric": name})


def test_bounds_are_called_by_their_metric() -> None:
    assert label("min_accuracy", "f1") == "F1 (macro)"
    assert label("max_accuracy_drop", "top5") == "top-5 accuracy drop"
    assert label("max_accuracy_drop", "mae") == "mean absolute error increase"
    assert label("guard_accuracy", "r2") == "R² drop (guard)"
    assert label("max_accuracy_drop", "top1") == label("max_accuracy_drop") == "accuracy drop"
    assert label("max_size_ratio", "f1") == "size ratio"
    assert Bound(name="max_accuracy_drop", bound=0.01, unit="fraction", upper=True).text("mae") == (
        "mean absolute error increase ≤ 1 %"
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "accuracy of an error": (
        {"data": "d.csv", "metric": "mae", "constraints": {"min_accuracy": 0.9}},
        "min_accuracy is a fraction, and mae is an error",
    ),
    "alert on an error": (
        {"data": "d.csv", "metric": "mae", "monitoring": {"alerts": {"error_rate": 0.1}}},
        "error_rate is a fraction",
    ),
    "metric of nothing": ({"metric": "f1"}, "metric says how data are used"),
    "preprocessing of nothing": ({"preprocess": {"size": [8, 8]}}, "preprocess says how data are used"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_metric_can_bound(name: str) -> None:
    fields, words = REFUSED[name]
    with pytest.raises(RequestError, match=words):
        check_served(validate(Request, {"model": "m.onnx", **fields}))


def test_code_that_a_request_would_run() -> None:
    fields = {"model": "zoo:make", "data": "d:load", "metric": "m:f", "calibration_data": "/data/x.npz"}
    assert validate(Request, fields).code == ("zoo:make", "d:load", "m:f")
    assert Request(model="/m.onnx", data="/d.npz", metric="f1").code == ()


def test_preprocessing_as_people_write_it() -> None:
    given = validate(Preprocess, {"size": [224, 224], "scale": "1/255", "mean": [0.5], "alphabet": "ab ", "blank": 3})
    assert given.scale == pytest.approx(1 / 255)
    assert given.alphabet == ("a", "b", " ")
    assert Preprocess.model_validate_json(given.model_dump_json()) == given


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": [224]}, "size"),
        ({"size": [0, 1]}, "size"),
        ({"scale": "1/0"}, "write it like 1/255"),
        ({"scale": -1}, "scale"),
        ({"std": [0.0]}, "std"),
        ({"mean": [float("nan")]}, "mean"),
        ({"layout": "CHW"}, "layout"),
        ({"max_length": 9}, "needs a tokenizer"),
        ({"alphabet": "ab", "blank": 3}, "beyond the 2 symbols"),
        ({"colour": "RGB"}, "colour"),
    ],
)
def test_preprocessing_that_is_none(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        validate(Preprocess, fields)
    assert "\n" not in refused.value.message
