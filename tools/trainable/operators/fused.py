"""Operators of onnxruntime's own domain that stand for several standard ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ....contracts import ToolError
from ..call import Call, Inputs
from ..registry import MICROSOFT, operator
from .convolution import conv
from .linear import gemm
from .normalization import root_mean_square
from .pointwise import gelu_of


@operator("Gelu", domain=MICROSOFT)
def gelu(call: Call, inputs: Inputs) -> Tensor:
    return gelu_of(inputs[0])


@operator("BiasGelu", domain=MICROSOFT)
def bias_gelu(call: Call, inputs: Inputs) -> Tensor:
    return gelu_of(inputs[0] + inputs[1])


@operator("FastGelu", domain=MICROSOFT)
def fast_gelu(call: Call, inputs: Inputs) -> Tensor:
    bias = inputs.get(1)
    return gelu_of(inputs[0] if bias is None else inputs[0] + bias, "tanh")


def _sum(inputs: Inputs, bias: int) -> Tensor:
    added, extra = inputs[0] + inputs[1], inputs.get(bias)
    return added if extra is None else added + extra


@operator("SkipLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(call: Call, inputs: Inputs) -> tuple[Tensor | None, ...]:
    added = _sum(inputs, 4)
    normal = functional.layer_norm(added, [added.shape[-1]], inputs[2], inputs.get(3), call.number("epsilon", 1e-12))
    return normal, None, None, added


@operator("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_rms_normalization(call: Call, inputs: Inputs) -> tuple[Tensor | None, ...]:
    added = _sum(inputs, 3)
    return root_mean_square(added, inputs[2], -1, call.number("epsilon", 1e-12)), None, None, added


def _batched(call: Call) -> str | None:
    return "it transposes batch axes" if call.integer("transBatchA") or call.integer("transBatchB") else None


@operator("FusedMatMul", domain=MICROSOFT, limit=_batched)
def fused_matmul(call: Call, inputs: Inputs) -> Tensor:
    a, b = inputs[0], inputs[1]
    a = a.transpose(-1, -2) if call.integer("transA") and a.dim() > 1 else a
    b = b.transpose(-1, -2) if call.integer("transB") and b.dim() > 1 else b
    return call.number("alpha", 1.0) * torch.matmul(a, b)


def _activated(call: Call, x: Tensor, numbers: list[float]) -> Tensor:
    name = call.text("activation")
    first, second = (*numbers, 0.0, 0.0)[:2]
    ways = {
        "": lambda: x,
        "Clip": lambda: x.clamp(first, second),
        "HardSigmoid": lambda: (first * x + second).clamp(0, 1),
        "LeakyRelu": lambda: functional.leaky_relu(x, first),
        "Relu": lambda: torch.relu(x),
        "Sigmoid": lambda: torch.sigmoid(x),
        "Tanh": lambda: torch.tanh(x),
    }
    if name not in ways:
        raise ToolError(f"there is no fused activation {name[:40]!r}")
    return ways[name]()


@operator("FusedConv", domain=MICROSOFT)
def fused_conv(call: Call, inputs: Inputs) -> Tensor:
    answer, added = conv(call, inputs), inputs.get(3)
    answer = answer if added is None else answer + added
    return _activated(call, answer, call.numbers("activation_params") or [])


@operator("FusedGemm", domain=MICROSOFT)
def fused_gemm(call: Call, inputs: Inputs) -> Tensor:
    return _activated(call, gemm(call, inputs), [call.number("activation_alpha"), call.number("activation_beta")])
