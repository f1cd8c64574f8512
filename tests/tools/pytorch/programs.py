"""Small torch modules with normalizations that do something, and how to export and compare them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from shipfit.contracts import Limits, Step, StepReport
from shipfit.tools.pytorch.editor import load_program, save_program
from shipfit.tools.pytorch.quiet import quiet
from shipfit.tools.registry import transformation


def settle(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every normalization statistics and weights that are not the ones it starts from."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            width = layer.num_features
            layer.running_mean = torch.randn(width, generator=generator) * 0.3
            layer.running_var = torch.rand(width, generator=generator) + 0.5
            if not layer.affine:
                continue
            layer.weight.data = torch.rand(width, generator=generator) + 0.5
            layer.bias.data = torch.randn(width, generator=generator) * 0.2
    return module.eval()


def exported(module: nn.Module, *inputs: torch.Tensor) -> ExportedProgram:
    """Export with a free batch axis."""
    with quiet():
        return torch.export.export(module.eval(), inputs, dynamic_shapes=tuple({0: Dim.AUTO} for _ in inputs))


class Block(nn.Module):
    """Convolution, normalization and activation, with a residual branch, pooling and a dense layer."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(8, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.2)
        self.dense = nn.Linear(width * 4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.stem(image)
        value = torch.relu(value + self.branch(value))
        value = self.drop(self.pool(value))
        return self.dense(value.view(value.shape[0], -1))


def decibels(reference: torch.Tensor, answer: torch.Tensor) -> float:
    reference, answer = reference.detach(), answer.detach()
    noise = float((reference - answer).square().sum())
    return float("inf") if noise == 0 else float(10 * torch.log10(reference.square().sum() / noise))


def written(module: nn.Module, folder: Path, *inputs: torch.Tensor) -> Path:
    """Export a module to a file."""
    path = folder / "source" / "model.pt2"
    with quiet():
        save_program(exported(module, *inputs), path)
    return path


def performed(step: Step, source: Path, folder: Path) -> tuple[ExportedProgram, StepReport]:
    """Perform a step without data, and open what it wrote."""
    target = folder / "target" / "model.pt2"
    report = transformation(step.kind, ".pt2")(step, source, target, None, Limits())
    return load_program(target), report


def calls(program: ExportedProgram) -> list[str]:
    """Return the operators that a program calls, in order."""
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
