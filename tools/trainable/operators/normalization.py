"""Normalisations, and softmax with its kin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call, Inputs, axis_of
from ..registry import operator


def _trains(call: Call) -> str | None:
    if call.integer("training_mode") or (call.version < 14 and call.outputs > 1):
        return "it asks for the statistics of the batch"
    return "it is of an opset before 7" if call.version < 7 else None


def _by_channel(values: Tensor, rank: int) -> Tensor:
    return values.reshape(1, -1, *[1] * (rank - 2))


@operator("BatchNormalization", limit=_trains)
def batch_normalization(call: Call, inputs: Inputs) -> Tensor:
    """By the statistics in the file, in training too: they are what the product will run with."""
    x, scale, bias, mean, variance = (inputs[index] for index in range(5))
    factor = scale * torch.rsqrt(variance + call.number("epsilon", 1e-5))
    return x * _by_channel(factor, x.dim()) + _by_channel(bias - mean * factor, x.dim())


@operator("InstanceNormalization")
def instance_normalization(call: Call, inputs: Inputs) -> Tensor:
    x, scale, bias = inputs[0], inputs[1], inputs[2]
    normal = _standard(x, list(range(2, x.dim())), call.number("epsilon", 1e-5))[0]
    return normal * _by_channel(scale, x.dim()) + _by_channel(bias, x.dim())


def _standard(x: Tensor, axes: list[int], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    mean = torch.mean(x, axes, keepdim=True)
    centred = x - mean
    inverse = torch.rsqrt(torch.mean(centred * centred, axes, keepdim=True) + epsilon)
    return centred * inverse, mean, inverse


@operator("LayerNormalization")
def layer_normalization(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    x, scale, bias = inputs[0], inputs[1], inputs.get(2)
    axis, epsilon = axis_of(call.integer("axis", -1), x.dim()), call.number("epsilon", 1e-5)
    if call.outputs == 1 and scale.shape == x.shape[axis:]:
        return (functional.layer_norm(x, list(x.shape[axis:]), scale, bias, epsilon),)
    normal, mean, inverse = _standard(x, list(range(axis, x.dim())), epsilon)
    return normal * scale if bias is None else normal * scale + bias, mean, inverse


def root_mean_square(x: Tensor, scale: Tensor, axis: int, epsilon: float) -> Tensor:
    """Divide by the root of the mean square over the axes from `axis` on."""
    axes = list(range(axis_of(axis, x.dim()), x.dim()))
    return x * torch.rsqrt(torch.mean(x * x, axes, keepdim=True) + epsilon) * scale


@operator("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalization(call: Call, inputs: Inputs) -> Tensor:
    return root_mean_square(inputs[0], inputs[1], call.integer("axis", -1), call.number("epsilon", 1e-5))


@operator("GroupNormalization")
def group_normalization(call: Call, inputs: Inputs) -> Tensor:
    """Scale and bias are of each group up to opset 20, of each channel from 21."""
    x, groups = inputs[0], call.integer("num_groups", 1)
    apart = x.reshape(len(x), groups, -1)
    normal = _standard(apart, [2], call.number("epsilon", 1e-5))[0].reshape(x.shape)
    each = x.shape[1] // groups if call.version < 21 else 1
    scale, bias = (_by_channel(inputs[index].repeat_interleave(each), x.dim()) for index in (1, 2))
    return normal * scale + bias


@operator("MeanVarianceNormalization")
def mean_variance_normalization(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    axes = call.integers("axes") or [0, 2, 3]
    centred = x - torch.mean(x, axes, keepdim=True)
    return centred / (torch.mean(centred * centred, axes, keepdim=True).sqrt() + 1e-9)


@operator("LRN")
def local_response(call: Call, inputs: Inputs) -> Tensor:
    x, size = inputs[0], call.integer("size", 1)
    squares = (x * x).movedim(1, -1)
    before = (size - 1) // 2
    sums = functional.pad(squares, (before, size - 1 - before)).unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    spread = call.number("bias", 1.0) + call.number("alpha", 1e-4) / size * sums
    return x / spread ** call.number("beta", 0.75)


@operator("LpNormalization")
def lp_normalization(call: Call, inputs: Inputs) -> Tensor:
    x, power = inputs[0], call.integer("p", 2)
    axis = axis_of(call.integer("axis", -1), x.dim())
    size = torch.linalg.vector_norm(x, power, axis, keepdim=True)
    return torch.where(size == 0, torch.zeros_like(x), x / torch.where(size == 0, torch.ones_like(size), size))


def _along(call: Call, x: Tensor, function: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Up to opset 12 all from the axis on is one; later the axis is alone."""
    if call.version >= 13:
        return function(x, axis_of(call.integer("axis", -1), x.dim()))
    axis = axis_of(call.integer("axis", 1), x.dim())
    return function(x.reshape(int(x.shape[:axis].numel()), -1), 1).reshape(x.shape)


@operator("Softmax")
def softmax(call: Call, inputs: Inputs) -> Tensor:
    return _along(call, inputs[0], torch.softmax)


@operator("LogSoftmax")
def log_softmax(call: Call, inputs: Inputs) -> Tensor:
    return _along(call, inputs[0], torch.log_softmax)


@operator("Hardmax")
def hardmax(call: Call, inputs: Inputs) -> Tensor:
    def hard(x: Tensor, axis: int) -> Tensor:
        first = torch.argmax((x == x.amax(axis, keepdim=True)).to(torch.uint8), axis, keepdim=True)
        return torch.zeros_like(x).scatter(axis, first, 1.0)

    return _along(call, inputs[0].detach(), hard)
