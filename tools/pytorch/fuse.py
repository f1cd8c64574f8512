"""Fold a BatchNorm into the convolution or the linear layer that feeds it.

y = (W x + b − μ) · γ / √(σ² + ε) + β becomes W' x + b' with W' = W · γ / √(σ² + ε) along the output channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch.fx import Node

from .editor import Call, ProgramEditor

aten = torch.ops.aten

CONVOLUTIONS = frozenset(
    {
        aten.conv1d.default,
        aten.conv1d.padding,
        aten.conv2d.default,
        aten.conv2d.padding,
        aten.conv3d.default,
        aten.conv3d.padding,
        aten.convolution.default,
    }
)
TRANSPOSED = frozenset({aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input})
LINEAR = aten.linear.default
_NORMS = (aten.batch_norm.default, aten._native_batch_norm_legit_no_training.default)


@dataclass(frozen=True)
class _Norm:
    """A BatchNorm in evaluation mode: its node, the node that readers read, and what it holds."""

    node: Call
    answer: Call
    scale: torch.Tensor
    shift: torch.Tensor


def fuse_norms(editor: ProgramEditor) -> int:
    """Fold every BatchNorm that can be, and return how many that were."""
    return sum(_fuse(editor, node) for node in editor.calls(*_NORMS))


def _fuse(editor: ProgramEditor, node: Call) -> bool:
    layer: Any = node.args[0]
    norm = _norm(editor, node)
    if norm is None or not isinstance(layer, Node) or len(layer.users) != 1:
        return False
    axis = _channel_axis(layer)
    weight = layer.args[1] if axis is not None else None
    bias = layer.args[2] if len(layer.args) > 2 else None
    if axis is None or not editor.holds(weight) or not (bias is None or editor.holds(bias)):
        return False
    assert isinstance(weight, Node)
    old, offset = editor.tensor(weight), editor.optional(bias)
    if old.shape[axis] != norm.scale.numel() or old.dtype != torch.float32:
        return False
    shape = [-1 if index == axis else 1 for index in range(old.ndim)]
    new = (old.double() * norm.scale.reshape(shape)).float()
    shifted = norm.shift + (offset.double() * norm.scale if offset is not None else 0.0)
    names = (editor.add_tensor(f"{layer.name}.weight", new), editor.add_tensor(f"{layer.name}.bias", shifted.float()))
    layer.args = (*layer.args[:1], *names, *layer.args[3:])
    editor.replace(norm.answer, layer)
    return True


def _channel_axis(layer: Call) -> int | None:
    """Return the axis of the weight that runs over output channels; None where the layer is none to fold into."""
    if layer.target in CONVOLUTIONS:
        transposed = layer.target is aten.convolution.default and layer.args[6]
        return None if transposed else 0
    if layer.target in TRANSPOSED:
        groups = layer.args[6] if len(layer.args) > 6 else 1
        return 1 if groups == 1 else None
    fake = layer.meta.get("val")
    # BatchNorm normalises axis 1, which is a linear layer's features in a matrix only.
    return 0 if layer.target is LINEAR and isinstance(fake, torch.Tensor) and fake.ndim == 2 else None


def _norm(editor: ProgramEditor, node: Call) -> _Norm | None:
    """Return what `node` computes, in double precision; None where it is trained on, or not held."""
    if node.target is aten.batch_norm.default:
        _, gamma, beta, mean, variance, training, _, epsilon, *_ = node.args
        answer: Call | None = node
    else:
        _, gamma, beta, mean, variance, _, epsilon = node.args
        training = False
        answer = next((user for user in node.users if user.target is getitem and user.args[1] == 0), None)
        answer = answer if len(node.users) == 1 else None
    held: tuple[Any, ...] = (mean, variance, *(each for each in (gamma, beta) if each is not None))
    if training or answer is None or not all(editor.holds(each) for each in held):
        return None
    assert isinstance(epsilon, float)
    scale = 1.0 / torch.sqrt(editor.tensor(variance).double() + epsilon)
    if gamma is not None:
        scale = scale * editor.tensor(gamma).double()
    shift = -editor.tensor(mean).double() * scale
    if beta is not None:
        shift = shift + editor.tensor(beta).double()
    return _Norm(node, answer, scale, shift)
