"""8-bit compute in exported programs: real integer operators, bounded damage, in a file that stock torch opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from shipfit.contracts import Compute, DataError, NoOpError, QuantizeStep, RequestError, Storage
from shipfit.tools.pytorch.editor import copy_program, save_program
from shipfit.tools.pytorch.feeds import Calls
from shipfit.tools.pytorch.quantize import Quantized, quantize_program
from shipfit.tools.pytorch.quiet import quiet

from .programs import calls, decibels, exported, performed, written

BOTH = QuantizeStep(compute={"conv2d": "static", "linear": "dynamic"})


def singles(inputs: torch.Tensor) -> Calls:
    return [((inputs[index : index + 1],), {}) for index in range(len(inputs))]


def quantized(module: nn.Module, inputs: torch.Tensor, step: QuantizeStep) -> Quantized:
    with quiet():
        return quantize_program(step, exported(module, inputs), singles(inputs) if inputs.is_floating_point() else [])


def test_a_residual_block_computes_in_integers_throughout(block: nn.Module, images: torch.Tensor):
    done = quantized(block, images, BOTH)
    names = calls(done.program)
    assert sum("quantized.conv2d" in name for name in names) == 3
    assert sum("quantize_per_tensor" in name for name in names) == 1  # at the door only
    assert "quantized.add_relu.default" in names
    assert not [name for name in names if name.startswith("aten.conv2d") or "batch_norm" in name]
    assert decibels(block(images), done.program.module()(images)) > 25
    assert {layer.form for layer in done.layers} == {"int8 static", "int8 dynamic"}


@pytest.mark.slow
def test_a_stock_torch_opens_the_product(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    done = quantized(block, images, BOTH)
    path = tmp_path / "model.pt2"
    save_program(done.program, path)
    torch.save(images[:3], tmp_path / "in.pt")
    script = (
        "import sys, torch; x = torch.load('in.pt'); y = torch.export.load('model.pt2').module()(x); "
        "torch.save(y.detach(), 'out.pt'); assert not any('torchao' in name for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=100)
    assert decibels(block(images[:3]), torch.load(tmp_path / "out.pt")) > 25
    first = path.read_bytes()
    save_program(copy_program(done.program), path)
    assert path.read_bytes() == first


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["minmax", "percentile", "entropy", "mse"])
def test_calibration_methods(calibration, block: nn.Module, images: torch.Tensor):
    step = BOTH.model_copy(update={"calibration": calibration, "percentile": 99.0})
    assert decibels(block(images), quantized(block, images, step).program.module()(images)) > 15


@pytest.mark.slow
def test_options_change_the_product(block: nn.Module, images: torch.Tensor):
    def forms(**options: object) -> list[str]:
        done = quantized(block, images, BOTH.model_copy(update=options))
        return [layer.form for layer in done.layers]

    assert forms() == ["int8 static"] * 3 + ["int8 dynamic"]
    assert forms(nodes={"conv2d": "fp32"}) == ["fp32", "int8 static", "int8 static", "int8 dynamic"]
    assert forms(min_terms=100)[0] == "fp32"
    assert forms(compute={"linear": "static"}) == ["int8 static"]
    by_tensor = quantized(block, images, BOTH.model_copy(update={"per_channel": False})).program.module()(images)
    by_channel = quantized(block, images, BOTH).program.module()(images)
    assert not torch.equal(by_tensor, by_channel)


def test_embedding_tables_are_stored_small():
    module = nn.Sequential(nn.Embedding(400, 32), nn.Linear(32, 4))
    tokens = torch.randint(0, 400, (3, 7))
    sizes: dict[str, int] = {}
    cases: list[tuple[Storage, float]] = [("none", 25), ("fp16", 60), ("int8", 35)]
    for storage, least in cases:
        compute: dict[str, Compute] = {"linear": "dynamic"} if storage == "none" else {}
        done = quantized(module, tokens, QuantizeStep(compute=compute, storage=storage))
        assert decibels(module(tokens), done.program.module()(tokens)) > least
        sizes[storage] = sum(value.nbytes for value in done.program.state_dict.values())
    assert sizes["int8"] < sizes["fp16"] < sizes["none"]


def test_what_cannot_be_is_said(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    source = written(block, tmp_path, images)
    with pytest.raises(DataError, match="calibration"):
        performed(BOTH, source, tmp_path)
    with pytest.raises(NoOpError, match="lstm"):
        performed(QuantizeStep(compute={"lstm": "dynamic"}), source, tmp_path)
    with pytest.raises(NoOpError, match="no dynamic conv2d"):
        performed(QuantizeStep(compute={"conv2d": "dynamic"}), source, tmp_path)
    with pytest.raises(RequestError, match="no call named"):
        performed(BOTH.model_copy(update={"nodes": {"absent": "fp32"}}), source, tmp_path)
    with pytest.raises(RequestError, match="uint8 activations"):
        performed(QuantizeStep(compute={"linear": "static"}, activations="int8"), source, tmp_path)
