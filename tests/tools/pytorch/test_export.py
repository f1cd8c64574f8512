"""Torch modules become ONNX models that answer the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from torch import nn

from shipfit.contracts import ModelFileError
from shipfit.tools.measure.session import open_session
from shipfit.tools.pytorch.export import export_module
from shipfit.tools.pytorch.live import live_model

from ... import torch_modules


@pytest.mark.parametrize(
    "make",
    [
        torch_modules.cnn,
        pytest.param(torch_modules.lstm, marks=pytest.mark.slow),
        pytest.param(torch_modules.transformer, marks=pytest.mark.slow),
    ],
)
def test_answers_like_the_module_at_any_batch(make: Any, tmp_path: Path):
    module, example = make()
    live = live_model("m", module, example)
    assert "dB from the module" in export_module(live, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx")
    assert list(session.input_names) == list(live.tensors)
    assert list(session.output_names) == list(live.answer())
    (name, tensor), *_ = live.tensors.items()
    batch = torch.cat([tensor, tensor.flip(1), tensor])
    answers = session.run({name: batch.numpy()})
    with torch.inference_mode():
        expected = module(batch)
    wanted = expected.values() if isinstance(expected, dict) else [expected]
    for answer, reference in zip(answers, wanted, strict=True):
        np.testing.assert_allclose(answer, reference.numpy(), rtol=1e-3, atol=1e-4)


def test_batch_norm_is_kept_and_weights_stand_bare(tmp_path: Path):
    export_module(live_model("m", *torch_modules.cnn()), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("BatchNormalization") == 2
    weights = {each.name for each in model.graph.initializer}
    assert all(node.input[1] in weights for node in model.graph.node if node.op_type in {"Conv", "Gemm"})
    assert next(each.version for each in model.opset_import if each.domain == "") >= 17
    assert str(Path(__file__).parent).encode() not in (tmp_path / "model.onnx").read_bytes()
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_what_torch_export_refuses_is_traced(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    note = export_module(live_model("m", *torch_modules.branching()), tmp_path / "model.onnx")
    assert "TorchScript" in note
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_operator_in_the_way_is_named(tmp_path: Path):
    with pytest.raises(ModelFileError, match=r"export failed at aten::\w*svd"):
        export_module(live_model("m", torch_modules.Unexportable(), torch.randn(1, 3, 3)), tmp_path / "model.onnx")


@pytest.mark.slow
def test_an_export_that_answers_differently_is_refused(tmp_path: Path):
    with pytest.raises(ModelFileError, match="answers differently"):
        export_module(live_model("m", torch_modules.Noisy(), torch.randn(1, 3)), tmp_path / "model.onnx")


@st.composite
def chains(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    """A chain of common layers over images."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    layers: list[nn.Module] = []
    channels = 3
    for _ in range(draw(st.integers(1, 4))):
        wider = draw(st.sampled_from([4, 8]))
        group = draw(st.sampled_from([1, channels]))
        choice = draw(st.sampled_from(["conv", "norm", "act", "up"]))
        if choice == "conv":
            layers.append(nn.Conv2d(channels, channels * wider // group * group, 3, padding=1, groups=group))
            channels = channels * wider // group * group
        elif choice == "norm":
            layers.append(nn.BatchNorm2d(channels))
        elif choice == "act":
            layers.append(draw(st.sampled_from([nn.SiLU(), nn.Hardswish(), nn.GELU(), nn.PReLU()])))
        else:
            layers.append(nn.Upsample(scale_factor=2))
        if channels > 24:
            layers.append(nn.Conv2d(channels, 4, 1))
            channels = 4
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)]
    return nn.Sequential(*layers), torch.randn(draw(st.sampled_from([1, 3])), 3, 8, 8)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chain=chains())
def test_random_chains_are_exported(chain: tuple[nn.Module, torch.Tensor], tmp_path: Path):
    note = export_module(live_model("m", *chain), tmp_path / "model.onnx")
    assert "TorchScript" not in note
