from pathlib import Path

import pytest

from shipfit.contracts import Interval, Limits, RuntimeSettings, TuneRuntimeStep
from shipfit.tools.measure import tune
from shipfit.tools.measure.session import check_settings
from shipfit.tools.measure.tune import tune_runtime


@pytest.mark.parametrize("goal", ["latency", "memory"])
def test_model_stays_and_settings_are_allowed(goal, external_model: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tune, "_SECONDS", 0.2)
    target = tmp_path / "model.onnx"
    report = tune_runtime(TuneRuntimeStep(goal=goal), external_model, target, None, Limits())
    assert target.read_bytes() == external_model.read_bytes()
    assert target.with_name("weights.bin").read_bytes() == external_model.with_name("weights.bin").read_bytes()
    assert not report.changed
    assert report.size_bytes == target.stat().st_size + target.with_name("weights.bin").stat().st_size
    check_settings(RuntimeSettings.model_validate(report.details["settings"]))
    assert "kept" in report.notes[-1]


def test_threads_bring_their_own_settings(mlp_model: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tune, "_SECONDS", 0.2)
    report = tune_runtime(TuneRuntimeStep(threads=2), mlp_model, tmp_path / "model.onnx", None, Limits())
    assert any("allow_spinning" in note for note in report.notes)
    assert report.details["settings"]["intra_op_num_threads"] == 2


def test_only_what_helps_beyond_doubt_is_kept(mlp_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    speeds = [  # of no denormals, no spinning, and a stop of spinning
        (1.0, Interval(low=0.9, high=1.1)),
        (1.2, Interval(low=0.9, high=1.5)),
        (1.5, Interval(low=1.4, high=1.6)),
    ]
    monkeypatch.setattr(tune, "compare_speed", lambda *_, **__: speeds)
    report = tune_runtime(TuneRuntimeStep(threads=2), mlp_model, tmp_path / "model.onnx", None, Limits())
    assert report.details["settings"]["config_entries"] == {"session.force_spinning_stop": "1"}
