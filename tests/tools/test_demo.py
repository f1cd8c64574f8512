import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from shipfit.contracts import DemoReport, Job, MissingExtraError
from shipfit.tools import demo
from shipfit.tools.context import MODEL_FILE, ToolContext
from shipfit.tools.measure.session import open_session


def run(work: Path, seed: int = 0) -> DemoReport:
    work.mkdir()
    answer = demo.demo_tool(ToolContext(Job(tool="demo", seed=seed), {}, work))
    assert answer.outputs == {"model": work / "model", "data": work / "data"}
    assert isinstance(answer.report, DemoReport)
    return answer.report


def accuracy(work: Path) -> float:
    session = open_session(work / "model" / MODEL_FILE)
    with np.load(work / "data" / demo.DATA_FILE) as data:
        images, labels = data["image"], data["labels"]
    answers = [session.run({"image": images[i : i + 1]})[0].argmax() for i in range(len(labels))]
    return float(np.mean(np.array(answers) == labels))


def test_small_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "_LAYERS", ((8, 1), (16, 2)))
    report = run(tmp_path / "one")
    assert report.samples == 897
    assert accuracy(tmp_path / "one") == pytest.approx(report.accuracy, abs=2 / 897)
    run(tmp_path / "two")
    first, again = ((tmp_path / name / "model" / MODEL_FILE).read_bytes() for name in ("one", "two"))
    assert first == again, "the same seed trains the same model"
    model = onnx.load_from_string(first)
    assert model.opset_import[0].version == 17
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


@pytest.mark.slow
def test_real_network(tmp_path: Path):
    report = run(tmp_path / "work")
    assert report.accuracy >= 0.97
    assert 1_500_000 < report.parameters < 2_500_000
    assert accuracy(tmp_path / "work") >= 0.97


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r'pip install "shipfit\[demo\]"'):
        run(tmp_path / "work")
