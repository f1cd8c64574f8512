"""Operators of one tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call, Inputs
from ..registry import MICROSOFT, operator

_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": functional.hardswish,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}


def _register(name: str, function: Callable[[Tensor], Tensor]) -> None:
    operator(name)(lambda call, inputs: function(inputs[0]))


for _name, _function in _PLAIN.items():
    _register(_name, _function)


@operator("Identity")
def identity(call: Call, inputs: Inputs) -> Tensor:
    return inputs[0]


@operator("Dropout")
def dropout(call: Call, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """As in inference: recovery trains towards what the model answers, not towards noise."""
    return inputs[0], torch.ones_like(inputs[0], dtype=torch.bool)


@operator("Softplus")
def softplus(call: Call, inputs: Inputs) -> Tensor:
    return torch.logaddexp(inputs[0], torch.zeros_like(inputs[0]))


@operator("LeakyRelu")
def leaky_relu(call: Call, inputs: Inputs) -> Tensor:
    return functional.leaky_relu(inputs[0], call.number("alpha", 0.01))


@operator("ThresholdedRelu")
def thresholded_relu(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    return torch.where(x > call.number("alpha", 1.0), x, torch.zeros_like(x))


@operator("Elu")
def elu(call: Call, inputs: Inputs) -> Tensor:
    return functional.elu(inputs[0], call.number("alpha", 1.0))


@operator("Celu")
def celu(call: Call, inputs: Inputs) -> Tensor:
    return functional.celu(inputs[0], call.number("alpha", 1.0))


@operator("Selu")
def selu(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    alpha, gamma = call.number("alpha", 1.6732632423543772), call.number("gamma", 1.0507009873554805)
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))


@operator("HardSigmoid")
def hard_sigmoid(call: Call, inputs: Inputs) -> Tensor:
    return (call.number("alpha", 0.2) * inputs[0] + call.number("beta", 0.5)).clamp(0, 1)


@operator("Shrink")
def shrink(call: Call, inputs: Inputs) -> Tensor:
    x, bias, edge = inputs[0], call.number("bias"), call.number("lambd", 0.5)
    zero = torch.zeros_like(x)
    return torch.where(x < -edge, x + bias, torch.where(x > edge, x - bias, zero))


def gelu_of(x: Tensor, approximate: str = "none") -> Tensor:
    return functional.gelu(x, approximate=approximate)


@operator("Gelu")
def gelu(call: Call, inputs: Inputs) -> Tensor:
    return gelu_of(inputs[0], call.text("approximate", "none"))


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(call: Call, inputs: Inputs) -> Tensor:
    return inputs[0] * torch.sigmoid(call.number("alpha", 1.702) * inputs[0])


@operator("Swish")
def swish(call: Call, inputs: Inputs) -> Tensor:
    return inputs[0] * torch.sigmoid(call.number("alpha", 1.0) * inputs[0])


@operator("IsInf")
def is_inf(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    up = torch.isposinf(x) if call.integer("detect_positive", 1) else torch.zeros_like(x, dtype=torch.bool)
    return up | torch.isneginf(x) if call.integer("detect_negative", 1) else up


@operator("Clip")
def clip(call: Call, inputs: Inputs) -> Tensor:
    """Bounds are attributes up to opset 10."""
    x = inputs[0]
    if call.version < 11:
        low, high = call.attributes.get("min"), call.attributes.get("max")
        return x if low is None and high is None else x.clamp(low, high)
    low, high = inputs.get(1), inputs.get(2)
    x = x if low is None else torch.maximum(x, low.to(x.dtype))
    return x if high is None else torch.minimum(x, high.to(x.dtype))


@operator("Cast")
def cast(call: Call, inputs: Inputs) -> Tensor:
    return inputs[0].to(call.dtype(call.integer("to")))


@operator("CastLike")
def cast_like(call: Call, inputs: Inputs) -> Tensor:
    return inputs[0].to(inputs[1].dtype)
