"""`TorchOptimizer` on live modules: validated results, modules left as they were, every switch real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import shipfit
from shipfit.contracts import (
    CalibrationConfig,
    DataError,
    DeploymentConfig,
    GraphConfig,
    ModelFileError,
    OptimizationConfig,
    PruningConfig,
    QuantizationConfig,
    RequestError,
)
from shipfit.tools.pytorch.optimizer import TorchOptimizer

from .programs import calls, decibels

OPTIMIZER = TorchOptimizer()


@pytest.fixture
def data(block: nn.Module, images: torch.Tensor) -> dict[str, object]:
    return {"image": images, "labels": block(images).argmax(1)}


def test_is_public():
    assert shipfit.TorchOptimizer is TorchOptimizer
    assert OPTIMIZER.name
    assert OPTIMIZER.description
    assert OPTIMIZER.category


@pytest.mark.slow
def test_runtime(block: nn.Module, images: torch.Tensor, data: dict[str, object], tmp_path: Path):
    block.train()
    block.stem.eval()  # type: ignore[union-attr]
    before = {name: value.clone() for name, value in block.state_dict().items()}
    result = OPTIMIZER.optimize_for_runtime(block, validation_data=data)
    assert block.training
    assert not block.stem.training  # type: ignore[union-attr]
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())
    assert result.validation.fidelity_db > 80
    assert result.validation.drop == 0
    assert result.validation.samples == 12
    assert "3 normalizations" in " ".join(result.notes)
    result.save(tmp_path / "model.pt2")
    opened = torch.export.load(tmp_path / "model.pt2").module()
    assert decibels(block.eval()(images), opened(images)) > 80
    with pytest.raises(RequestError, match="exists"):
        result.save(tmp_path / "model.pt2")


def test_switches(block: nn.Module, images: torch.Tensor):
    graph = GraphConfig(fusion=False, layer_optimization=False)
    config = DeploymentConfig(optimization=OptimizationConfig(graph=graph))
    result = OPTIMIZER.optimize_for_runtime(block, config, example_inputs=(images,))
    assert sum("batch_norm" in name for name in calls(result.program)) == 3
    assert result.validation.synthetic
    with pytest.raises(RequestError, match="level"):
        OPTIMIZER.optimize_for_runtime(block, OptimizationConfig(level="none"), example_inputs=(images,))


@pytest.mark.slow
def test_quantize(block: nn.Module, data: dict[str, object], tmp_path: Path):
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in data.items()}
    np.savez(tmp_path / "data.npz", **arrays)
    calibration = CalibrationConfig(method="mse", samples=3)
    config = OptimizationConfig(quantization=QuantizationConfig(calibration=calibration))
    result = OPTIMIZER.quantize(block, config, validation_data=tmp_path / "data.npz")
    assert result.step.kind == "quantize"
    assert (result.step.calibration, result.step.samples) == ("mse", 3)
    assert result.validation.fidelity_db > 20
    assert result.validation.accuracy is not None
    without = OPTIMIZER.quantize(block, example_inputs=(data["image"],))
    assert [layer.form for layer in without.layers] == ["int8 dynamic"]
    off = OptimizationConfig(quantization=QuantizationConfig(enabled=False))
    with pytest.raises(RequestError, match="rules quantization out"):
        OPTIMIZER.quantize(block, off, example_inputs=(data["image"],))


def test_prune(block: nn.Module, data: dict[str, object]):
    result = OPTIMIZER.prune(block, ratio=0.5, validation_data=data)
    assert result.layers
    assert result.validation.fidelity_db < 60
    with pytest.raises(RequestError, match="rules pruning out"):
        OPTIMIZER.prune(block, OptimizationConfig(pruning=PruningConfig(enabled=False)), validation_data=data)
    with pytest.raises(RequestError, match="between 0 and 1"):
        OPTIMIZER.prune(block, ratio=1.5, validation_data=data)


class Raising(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        raise OSError("no such thing")


def test_what_cannot_be_is_said(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    with pytest.raises(RequestError, match="example_inputs"):
        OPTIMIZER.optimize_for_runtime(block)
    with pytest.raises(ModelFileError, match="cannot be exported"):
        OPTIMIZER.optimize_for_runtime(Raising(), example_inputs=(images,))
    with pytest.raises(DataError, match="lack 'image'"):
        OPTIMIZER.optimize_for_runtime(block, validation_data={"picture": images})
    with pytest.raises(DataError, match="one length"):
        OPTIMIZER.optimize_for_runtime(block, validation_data={"image": images, "labels": torch.zeros(3)})
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        OPTIMIZER.optimize_for_runtime(block, validation_data=tmp_path / "bad.npz")
