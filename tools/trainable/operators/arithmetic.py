"""Operators of two or more tensors, element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from ..call import Call, Inputs, broadcast
from ..registry import operator

_COMPARED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
}


def _divided(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


_COMPUTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Div": _divided,
    "Mul": torch.mul,
    "Sub": torch.sub,
}


def _fitting(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.shape != y.shape:
        broadcast(x.shape, y.shape)
    return x, y


def _register(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    operator(name)(lambda call, inputs: function(*_fitting(inputs[0], inputs[1])))


for _name, _function in (_COMPARED | _COMPUTED).items():
    _register(_name, _function)


@operator("Pow")
def power(call: Call, inputs: Inputs) -> Tensor:
    """The answer is of the first input's type. A square is multiplied, which is exact and differentiable at zero."""
    x, exponent = _fitting(inputs[0], inputs[1])
    if exponent.numel() == 1 and not exponent.requires_grad and float(exponent) == 2.0:
        return torch.broadcast_to(x * x, broadcast(x.shape, exponent.shape))
    if x.is_floating_point():
        return torch.pow(x, exponent.to(x.dtype))
    return torch.pow(x.double(), exponent.double()).to(x.dtype)


@operator("Mod")
def modulo(call: Call, inputs: Inputs) -> Tensor:
    return (torch.fmod if call.integer("fmod") else torch.remainder)(*_fitting(inputs[0], inputs[1]))


@operator("PRelu")
def prelu(call: Call, inputs: Inputs) -> Tensor:
    x, slope = _fitting(inputs[0], inputs[1])
    return torch.where(x < 0, x * slope, x)


@operator("Where")
def where(call: Call, inputs: Inputs) -> Tensor:
    broadcast(inputs[0].shape, inputs[1].shape, inputs[2].shape)
    return torch.where(inputs[0].bool(), inputs[1], inputs[2])


@operator("Sum")
def total(call: Call, inputs: Inputs) -> Tensor:
    return reduce(lambda x, y: torch.add(*_fitting(x, y)), inputs)


@operator("Mean")
def mean(call: Call, inputs: Inputs) -> Tensor:
    return total(call, inputs) / len(inputs)


@operator("Max")
def maximum(call: Call, inputs: Inputs) -> Tensor:
    return reduce(lambda x, y: torch.maximum(*_fitting(x, y)), inputs)


@operator("Min")
def minimum(call: Call, inputs: Inputs) -> Tensor:
    return reduce(lambda x, y: torch.minimum(*_fitting(x, y)), inputs)
