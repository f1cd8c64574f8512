"""Matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

from ....contracts import ToolError
from ..call import Call, Inputs, bounded, broadcast
from ..registry import operator


@operator("MatMul")
def matmul(call: Call, inputs: Inputs) -> Tensor:
    a, b = inputs[0], inputs[1]
    shared = broadcast(a.shape[:-2], b.shape[:-2])
    bounded([*shared, *a.shape[-2:-1], *b.shape[-1:]] if b.dim() > 1 else [*shared, *a.shape[-2:-1]])
    return torch.matmul(a, b)


@operator("Gemm")
def gemm(call: Call, inputs: Inputs) -> Tensor:
    a = inputs[0].T if call.integer("transA") else inputs[0]
    b = inputs[1].T if call.integer("transB") else inputs[1]
    alpha, beta, c = call.number("alpha", 1.0), call.number("beta", 1.0), inputs.get(2)
    product = torch.matmul(a, b)
    product = product if alpha == 1.0 else alpha * product
    if c is None:
        return product
    return product + (c if beta == 1.0 else beta * c)


@operator("Einsum")
def einsum(call: Call, inputs: Inputs) -> Tensor:
    equation = call.text("equation").replace(" ", "")
    if len(equation) > 200:
        raise ToolError("the equation is too long")
    return torch.einsum(equation, *inputs)
