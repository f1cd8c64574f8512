"""Whole runs over data as people have it: a folder of images, a table of a regression, streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes

import shipfit
from shipfit import DeploymentOptimizationAgent
from shipfit.agents.standalone import apply_recipe, benchmark_models
from shipfit.contracts import Settings

from .. import models


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def digit_images(data: Path, folder: Path) -> Path:
    """Write the digits as pictures, a folder per class."""
    with np.load(data) as arrays:
        images, labels = arrays["image"], arrays["labels"]
    scale = 255 / float(images.max())
    for number, (image, label) in enumerate(zip(images[:300], labels[:300], strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image[0] * scale).astype(np.uint8)).save(folder / str(label) / f"{number}.png")
    return folder


@pytest.mark.slow
def test_a_folder_of_images(settings: Settings, digits_model: Path, digits_data: Path, tmp_path: Path) -> None:
    folder = digit_images(digits_data, tmp_path / "pictures")
    response = DeploymentOptimizationAgent(settings=settings).optimize_for_deployment(
        model=str(digits_model),
        validation_data=str(folder),
        metric="top2",
        preprocess={"channels": "L", "scale": "1/255"},
        constraints={"max_size_ratio": 0.4, "max_accuracy_drop": 0.05},
        allow_regression=("latency", "memory"),
        budget={"max_attempts": 3},
    )
    assert response.status == "met", response.reason
    assert response.comparison is not None
    assert response.comparison.metric == "top2"
    assert {item.label for item in response.comparison.class_drops} == set(range(10))
    assert any("8×8 L NCHW" in note for note in response.provenance.data_notes)
    assert next(item for item in response.constraints if item.name == "max_accuracy_drop").metric == "top2"


@pytest.mark.slow
def test_a_table_of_a_regression_and_its_replay(settings: Settings, tmp_path: Path) -> None:
    data: Any = load_diabetes()
    features: np.ndarray = (data.data / data.data.std(0)).astype(np.float32)
    model = models.save(regression(features, data.target), tmp_path / "regression.onnx")
    table = tmp_path / "diabetes.csv"
    rows = [",".join(map(repr, map(float, row))) for row in features]
    lines = [f"{row},{float(target)!r}" for row, target in zip(rows, data.target, strict=True)]
    table.write_text("\n".join([",".join([*data.feature_names, "target"]), *lines]))
    response = DeploymentOptimizationAgent(settings=settings).optimize_for_deployment(
        model=str(model),
        validation_data=str(table),
        metric="mae",
        constraints={"max_size_ratio": 0.5, "max_accuracy_drop": 0.02},
        allow_regression=("latency", "memory"),
        budget={"max_attempts": 3},
    )
    assert response.status == "met", response.reason
    assert response.baseline is not None
    assert response.baseline.accuracy is not None
    assert response.baseline.accuracy.unit == "value"
    out = shipfit.deliver(response, tmp_path / "out", settings=settings)
    assert response.recipe is not None
    again = tmp_path / "again"
    again.mkdir()
    apply_recipe(settings, str(model), response.recipe, again, data=str(table), handling={"metric": "mae"})
    assert (again / "model.onnx").read_bytes() == (out / "model.onnx").read_bytes()
    side_by_side = benchmark_models(
        settings, str(model), str(out / "model.onnx"), data=str(table), seconds=1.0, handling={"metric": "r2"}
    )
    assert side_by_side.evaluation.metric == "r2"
    assert side_by_side.evaluation.drop is not None


def regression(features: np.ndarray, target: np.ndarray):
    """A linear fit behind random features, wide enough that its weights are most of the file."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((features.shape[1], 512)).astype(np.float32) * 0.2
    hidden = np.maximum(features @ first, 0)
    penalty = 30 * np.eye(hidden.shape[1])
    last = np.linalg.solve(hidden.T @ hidden + penalty, hidden.T @ (target - target.mean()))
    nodes = [
        models.helper.make_node("MatMul", ["x", "first"], ["a"]),
        models.helper.make_node("Relu", ["a"], ["b"]),
        models.helper.make_node("MatMul", ["b", "last"], ["c"]),
        models.helper.make_node("Add", ["c", "mean"], ["y"]),
    ]
    weights = {
        "first": first,
        "last": last.astype(np.float32)[:, np.newaxis],
        "mean": np.array([target.mean()], np.float32),
    }
    inputs, outputs = [models.spec("x", ["n", features.shape[1]])], [models.spec("y", ["n", 1])]
    return models.build(nodes, inputs, outputs, weights)
