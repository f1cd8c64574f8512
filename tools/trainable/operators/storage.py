"""Weights stored in few bits, unfolded: the codes stay as they are, scales can be trained."""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call, Inputs, axis_of
from ..registry import MICROSOFT, operator


def _unfolded(codes: Tensor, scale: Tensor, zero: Tensor | None, axis: int, block: int) -> Tensor:
    """Return (codes − zero) · scale; scale and zero point are one, one an index of `axis`, or one a block along it."""
    if scale.dim() == codes.dim() and block:
        count = codes.shape[axis]
        scale = scale.repeat_interleave(block, axis).narrow(axis, 0, count)
        zero = None if zero is None else zero.repeat_interleave(block, axis).narrow(axis, 0, count)
    elif scale.numel() > 1:
        shape = [-1 if index == axis else 1 for index in range(codes.dim())]
        scale = scale.reshape(shape)
        zero = None if zero is None else zero.reshape(shape)
    shifted = codes.to(torch.int32) if zero is None else codes.to(torch.int32) - zero.to(torch.int32)
    return shifted.to(scale.dtype) * scale


@operator("DequantizeLinear")
@operator("DequantizeLinear", domain=MICROSOFT)
def dequantize(call: Call, inputs: Inputs) -> Tensor:
    codes, scale, zero = inputs[0], inputs[1], inputs.get(2)
    axis = axis_of(call.integer("axis", 1), codes.dim()) if codes.dim() and scale.numel() > 1 else 0
    return _unfolded(codes, scale, zero, axis, call.integer("block_size"))


def _halves(packed: Tensor) -> Tensor:
    """Return the four-bit numbers of each byte, the lower half first, along a last axis that is twice as long."""
    return torch.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:-1], -1)


def _of_four_bits(call: Call) -> str | None:
    return None if call.integer("bits", 4) == 4 else "its codes are not of four bits"


@operator("MatMulNBits", domain=MICROSOFT, limit=_of_four_bits)
def matmul_of_few_bits(call: Call, inputs: Inputs) -> Tensor:
    """The weight is (N, blocks, block / 2) bytes, read as (N, K)."""
    x, packed, scale = inputs[0], inputs[1], inputs[2]
    deep, wide, block = call.integer("K"), call.integer("N"), call.integer("block_size", 32)
    blocks = -(-deep // block)
    codes = _halves(packed.reshape(wide, blocks, -1)).to(torch.int32)
    held = inputs.get(3)
    zero = torch.full((wide, blocks), 8, dtype=torch.int32) if held is None else _zeros(held, wide, blocks)
    weight = (codes - zero[..., None]).to(x.dtype) * scale.reshape(wide, blocks, 1).to(x.dtype)
    product = torch.matmul(x, weight.reshape(wide, -1)[:, :deep].T)
    bias = inputs.get(5)
    return product if bias is None else product + bias


def _zeros(held: Tensor, wide: int, blocks: int) -> Tensor:
    return _halves(held.reshape(wide, -1))[:, :blocks].to(torch.int32)
