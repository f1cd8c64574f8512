from pathlib import Path

import numpy as np
import pytest

from shipfit.contracts import Runtime, RuntimeSettings, Session, ToolError
from shipfit.tools.measure.session import OnnxRuntime, OnnxSession, open_briefly, open_onnx, open_session


def test_protocols(digits_model: Path):
    runtime: Runtime = OnnxRuntime()
    session: Session = runtime.open(digits_model, RuntimeSettings())
    assert runtime.name == "onnxruntime"
    assert runtime.version
    assert list(session.input_names) == ["image"]
    assert len(session.run({"image": np.zeros((2, 1, 8, 8), np.float32)})) == len(session.output_names)


def test_settings_reach_the_session(digits_model: Path):
    entry = "session.set_denormal_as_zero"
    settings = RuntimeSettings(intra_op_num_threads=3, inter_op_num_threads=2, config_entries={entry: "1"})
    options = open_onnx(digits_model, settings).inner.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.get_session_config_entry(entry) == "1"


def test_errors_are_the_runtimes_own_words(digits_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    session = open_session(digits_model)
    with pytest.raises(ToolError, match=r"does not run.*image"):
        session.run({"image": np.zeros((1, 1, 9), np.float32)})
    with pytest.raises(ToolError, match=r"does not run.*image"):
        session.run({})
    (tmp_path / "broken.onnx").write_bytes(b"\x08")
    with pytest.raises(ToolError, match="cannot load"):
        open_session(tmp_path / "broken.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_large_model_is_asked_without_laying_out_its_weights(
    digits_model: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    levels = [each.inner.get_session_options().graph_optimization_level for each in _onnx(digits_model)]
    request.getfixturevalue("everything_is_large")
    plain = [each.inner.get_session_options().graph_optimization_level for each in _onnx(digits_model, digits_model)]
    assert [level.name for level in levels] == ["ORT_ENABLE_ALL"]
    assert [level.name for level in plain] == ["ORT_DISABLE_ALL", "ORT_DISABLE_ALL"]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ToolError, match="cannot load"):
        open_briefly(broken)


def _onnx(*models: Path) -> list[OnnxSession]:
    return [session for session in open_briefly(*models) if isinstance(session, OnnxSession)]
