from pathlib import Path

import numpy as np
import onnx
import pytest

from shipfit.contracts import ModelFileError, RequestError, SampleReport
from shipfit.contracts.jobs import Job
from shipfit.interfaces.scenarios.case import MADE_DATA, MADE_MODELS
from shipfit.tools.admit import admit
from shipfit.tools.context import ToolContext
from shipfit.tools.samples.tool import MODELS, sample_tool

from ... import models


def make(folder: Path, model: str, data: str, seed: int = 0) -> SampleReport:
    job = Job(tool="sample", params={"model": model, "data": data}, seed=seed)
    report = sample_tool(ToolContext(job=job, inputs={}, work=folder)).report
    assert isinstance(report, SampleReport)
    return report


def arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / "data" / name) as archive:
        return dict(archive)


def test_scenarios_name_what_is_made(tmp_path: Path):
    assert set(MODELS) == MADE_MODELS
    with pytest.raises(RequestError, match="digits, digits_rows, digits_shuffled") as refused:
        make(tmp_path, "hostile_path", "faces")
    assert all(name in refused.value.message for name in MADE_DATA)


@pytest.mark.parametrize(
    ("model", "data", "right"),
    [("digits_small", "digits", 0.93), ("digits_quantized", "digits", 0.90), ("digits_lstm", "digits_rows", 0.80)],
)
def test_a_model_reads_what_was_held_out(model: str, data: str, right: float, tmp_path: Path):
    report = make(tmp_path, model, data)
    held_out, given = arrays(tmp_path, "held_out.npz"), arrays(tmp_path, "data.npz")
    assert (len(given["labels"]), len(held_out["labels"])) == (report.samples, report.held_out)
    labels = held_out.pop("labels")
    ((name, rows),) = held_out.items()
    path = tmp_path / "model" / "model.onnx"
    free = len(onnx.load(path).graph.input[0].type.tensor_type.shape.dim) > rows[0].ndim
    feeds = [{name: row[None] if free else row} for row in rows]
    answers = np.array([models.run(path, feed)[0].argmax() for feed in feeds])
    assert (answers == labels).mean() > right


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make(tmp_path / name, "digits_small", "digits")
    first, second = ((tmp_path / name / "model" / "model.onnx").read_bytes() for name in ("one", "two"))
    assert first == second


def test_only_what_is_given_is_shuffled(tmp_path: Path):
    for name, data in (("plain", "digits"), ("shuffled", "digits_shuffled")):
        (tmp_path / name).mkdir()
        make(tmp_path / name, "hostile_pickle", data)
    plain, shuffled = tmp_path / "plain", tmp_path / "shuffled"
    assert (arrays(plain, "data.npz")["labels"] != arrays(shuffled, "data.npz")["labels"]).mean() > 0.5
    assert (arrays(plain, "held_out.npz")["labels"] == arrays(shuffled, "held_out.npz")["labels"]).all()


@pytest.mark.parametrize("model", ["hostile_path", "hostile_pickle"])
def test_hostile_models_are_refused(model: str, tmp_path: Path):
    make(tmp_path, model, "digits")
    admitted = tmp_path / "admitted"
    admitted.mkdir()
    with pytest.raises(ModelFileError):
        admit(tmp_path / "model", admitted, 2**20)
