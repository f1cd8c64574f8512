"""The models that tests share are what they say they are."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from . import models


def test_digits_model_reads_digits(digits_model: Path, digits_data: Path):
    with np.load(digits_data) as data:
        images, labels = data["image"], data["labels"]
    scores = models.run(digits_model, {"image": images})[0]
    assert (scores.argmax(1) == labels).mean() > 0.92


def test_digits_model_has_weights_worth_shrinking(digits_model: Path):
    tensors = onnx.load(digits_model).graph.initializer
    assert 20_000 < sum(int(np.prod(each.dims)) for each in tensors) < 40_000


@pytest.mark.parametrize(
    ("name", "feeds"),
    [
        ("old_opset_model", {"x": np.ones((1, 3, 16, 16), np.float32)}),
        ("mlp_model", {"x": np.ones((1, 16), np.float32)}),
        ("external_model", {"x": np.ones((1, 16), np.float32)}),
        ("lstm_model", {"x": np.ones((5, 1, 12), np.float32)}),
        ("if_model", {"x": np.ones((1, 48), np.float32), "flag": np.array(False)}),
    ],
)
def test_model_runs(name: str, feeds: dict, request: pytest.FixtureRequest):
    outputs = models.run(request.getfixturevalue(name), feeds)
    assert all(np.isfinite(each).all() for each in outputs)
