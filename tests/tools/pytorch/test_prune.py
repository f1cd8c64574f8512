"""Structured pruning: what is left computes what the whole would with those channels at zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from shipfit.contracts import NoOpError, PruneStep, ToolError
from shipfit.tools.pytorch.modules import modular
from shipfit.tools.pytorch.prune import estimate_norms, prune_program, pruner
from shipfit.tools.pytorch.quiet import quiet

from .programs import decibels, exported, performed, settle, written

STEP = PruneStep(method="structured", ratio=0.5)


def chain(width: int = 32) -> nn.Module:
    torch.manual_seed(0)
    return settle(
        nn.Sequential(
            nn.Conv2d(8, width, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 10),
        )
    )


def masked(module: nn.Module, images: torch.Tensor, ratio: float) -> Any:
    """Return the module with every channel at zero that the pruner would take out."""
    program = exported(module, images)
    whole, cut = modular(program), modular(program)
    names = {layer: name for name, layer in cut.named_modules()}
    for group in pruner(cut, program, ratio).step(interactive=True):
        for dependency, channels in group:
            name = names.get(dependency.target.module)
            if name is not None and "out_channels" in dependency.handler.__name__:
                layer: Any = whole.get_submodule(name)
                with torch.no_grad():
                    layer.weight[channels] = 0
                    if layer.bias is not None:
                        layer.bias[channels] = 0
    return whole


@pytest.mark.parametrize("residual", [False, True])
def test_sliced_equals_masked(residual: bool, block: nn.Module, images: torch.Tensor):
    module = block if residual else chain()
    with quiet():
        pruned, layers = prune_program(STEP, exported(module, images), [])
        reference = masked(module, images, 0.5)
    assert layers
    assert all(layer.form == "pruned" for layer in layers)
    assert decibels(reference(images), pruned.module()(images)) > 80


def test_widths_are_multiples_of_eight_and_the_answer_keeps_its_own(images: torch.Tensor):
    with quiet():
        pruned, _ = prune_program(PruneStep(method="structured", ratio=0.3), exported(chain(40), images), [])
    widths = [value.shape[0] for value in pruned.state_dict.values() if value.ndim == 4]
    assert all(width % 8 == 0 and width < 40 for width in widths)
    assert pruned.module()(images[:3]).shape == (3, 10)


def test_statistics_are_those_of_what_is_left(images: torch.Tensor):
    module = modular(exported(chain(), images))
    assert estimate_norms(module, [((images,), {})]) == 2
    given: list[torch.Tensor] = []
    norm: Any = next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    module(images)
    assert torch.allclose(norm.running_mean, given[0].mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, given[0].var((0, 2, 3), unbiased=False), atol=1e-5)


def test_what_cannot_be_is_said(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    source = written(chain(8), tmp_path, images)
    with pytest.raises(NoOpError, match="8 channels"):
        performed(STEP, source, tmp_path)
    with pytest.raises(ToolError, match="structured"):
        performed(PruneStep(threshold=0.1), source, tmp_path)
