"""Torch models by name, as the zoo's manifest calls them from the repository's root: `benchmarks.zoo.factories:…`.

The weights are state dicts that `build.py` has put into the zoo's cache.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import networks, published

MODELS = Path(__file__).resolve().parent.parent.parent / "scenarios" / "zoo" / "cache" / "models"


def face_refine() -> nn.Module:
    """Return MTCNN's R-Net."""
    return published.face_net(published.RefineNet(), MODELS / "face_refine" / "weights.pt")


def face_output() -> nn.Module:
    """Return MTCNN's O-Net."""
    return published.face_net(published.OutputNet(), MODELS / "face_output" / "weights.pt")


def mini_lm() -> nn.Module:
    """Return the MiniLM sentence encoder."""
    return published.sentence_encoder(MODELS / "mini_lm" / "weights.safetensors")


def digits() -> nn.Module:
    """Return the plain network for digits."""
    from safetensors.torch import load_file

    network = networks.plain()
    network.load_state_dict(load_file(MODELS / "torch_cnn" / "weights.safetensors"))
    return network.eval()


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
