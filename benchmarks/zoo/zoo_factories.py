"""Torch models by name, as `module:factory` entries of the zoo's manifest name them (this folder is on PYTHONPATH)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

MODELS = Path(__file__).resolve().parent.parent.parent / "scenarios" / "zoo" / "cache" / "models"


def raises() -> nn.Module:
    """Fail as a factory does whose weights are not there."""
    raise FileNotFoundError("weights/never_there.safetensors")


def dies() -> nn.Module:
    """Take its process with it."""
    os.abort()


def nothing() -> None:
    """Return what is no module."""


class NoOnnx(nn.Module):
    """Multiply by singular values, for which ONNX has no operator."""

    def forward(self, x: Any) -> Any:
        return x * torch.linalg.svdvals(x.reshape(-1, 2, 2)).sum()


def no_onnx() -> nn.Module:
    """Return a module that cannot be exported."""
    return NoOnnx().eval()
