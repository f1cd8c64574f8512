"""Live modules become exported programs, and programs become ONNX."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from shipfit.contracts import ExportStep, Limits, MissingExtraError, ModelFileError, ToolError
from shipfit.tools.inspect import inspect
from shipfit.tools.measure.ensure import ensure_sound
from shipfit.tools.measure.session import open_session
from shipfit.tools.pytorch.caller import export_here
from shipfit.tools.pytorch.export_step import export
from shipfit.tools.pytorch.live import live_model
from shipfit.tools.pytorch.trace import trace_module

from ... import torch_modules


def test_programs_are_equal_to_the_byte_and_say_nothing_of_their_origin(tmp_path: Path):
    for name in ("a", "b"):
        trace_module(live_model("m", *torch_modules.cnn()), tmp_path / name / "model.pt2")
    first, second = ((tmp_path / name / "model.pt2").read_bytes() for name in ("a", "b"))
    assert first == second
    assert str(Path(__file__).parent).encode() not in first


def test_a_program_becomes_onnx(tmp_path: Path):
    program, target = tmp_path / "model.pt2", tmp_path / "out" / "model.onnx"
    trace_module(live_model("m", *torch_modules.cnn()), program)
    target.parent.mkdir()
    report = export(ExportStep(), program, target, None, Limits())
    ensure_sound(program, target, report)
    assert "dB from the program" in report.notes[0]


@pytest.mark.parametrize("make", [torch_modules.lstm, torch_modules.transformer])
@pytest.mark.slow
def test_sequences_become_onnx(make: object, tmp_path: Path):
    program, target = tmp_path / "model.pt2", tmp_path / "out" / "model.onnx"
    trace_module(live_model("m", *make()), program)  # type: ignore[operator]
    target.parent.mkdir()
    report = export(ExportStep(), program, target, None, Limits())
    ensure_sound(program, target, report)
    assert "dB from the program" in report.notes[0]


def test_the_operator_in_the_way_is_named(tmp_path: Path):
    program = tmp_path / "model.pt2"
    trace_module(live_model("m", torch_modules.Unexportable(), torch.randn(1, 3, 3)), program)
    with pytest.raises(ToolError, match=r"export failed at aten::\w*svd"):
        export(ExportStep(), program, tmp_path / "model.onnx", None, Limits())


def test_a_missing_exporter_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "model.pt2"
    trace_module(live_model("m", *torch_modules.cnn()), program)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"shipfit\[torch\]"):
        export(ExportStep(), program, tmp_path / "model.onnx", None, Limits())


def test_what_torch_export_refuses_says_why(tmp_path: Path):
    with pytest.raises(ModelFileError, match="control flow does not depend on values"):
        trace_module(live_model("m", *torch_modules.branching()), tmp_path / "model.pt2")


def test_the_callers_module_stays_as_it_is(tmp_path: Path):
    module, example = torch_modules.cnn()
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    path = export_here(module, example, None, tmp_path)
    assert path.name == "model.pt2"
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_data_serve_as_example_and_tracing_steps_in(tmp_path: Path):
    module, _ = torch_modules.branching()
    np.savez(tmp_path / "data.npz", x=np.zeros((3, 4), np.float32))
    path = export_here(module, None, str(tmp_path / "data.npz"), tmp_path)
    assert path.name == "model.onnx"
    assert open_session(path).input_specs[0].shape == ("batch", 4)
    with pytest.raises(ModelFileError, match="control flow"):
        export_here(module, None, str(tmp_path / "data.npz"), tmp_path, "torch")


def test_the_profile_of_a_program(tmp_path: Path):
    program = tmp_path / "model.pt2"
    trace_module(live_model("m", *torch_modules.cnn()), program)
    profile = inspect(program, timing=True)
    assert profile.format == "torch"
    assert profile.inputs[0].shape == ("batch", 1, 8, 8)
    assert profile.dynamic_shapes
    assert {each.op_type for each in profile.operators} >= {"conv2d", "batch_norm", "relu", "linear"}
    assert sum(each.time_share or 0 for each in profile.operators) == pytest.approx(1)
    assert profile.parameters == sum(each.numel() for each in _floats(torch_modules.cnn()[0]))
    assert profile.quantizable_share > 0.9
    assert profile.quantized == "no"
    assert profile.weight_bytes + profile.graph_bytes == profile.size_bytes == program.stat().st_size


def _floats(module: torch.nn.Module) -> list[torch.Tensor]:
    return [each for each in module.state_dict().values() if each.is_floating_point()]
