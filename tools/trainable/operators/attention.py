"""Attention of several heads, as onnxruntime's own operators give it."""

from __future__ import annotations

import torch
from torch import Tensor

from ....contracts import ToolError
from ..call import Call, Inputs
from ..registry import MICROSOFT, operator


def _heads(x: Tensor, count: int) -> Tensor:
    """(batch, length, hidden) → (batch, heads, length, each)."""
    return x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def _attended(call: Call, q: Tensor, k: Tensor, v: Tensor, kept: Tensor | None, added: Tensor | None) -> Tensor:
    """Return (batch, queries, hidden); `kept` tells which keys are seen, `added` is added to the scores."""
    count = call.integer("num_heads", 1)
    q, k, v = (_heads(each, count) for each in (q, k, v))
    scale = call.number("scale") or q.shape[-1] ** -0.5
    scores = scale * torch.matmul(q, k.transpose(-1, -2))
    filled = call.number("mask_filter_value", -10000.0)
    if added is not None:
        scores = scores + added
    if kept is not None:
        scores = scores + torch.where(kept.bool(), 0.0, filled).to(scores.dtype)
    if call.integer("unidirectional"):
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1 + scores.shape[-1] - scores.shape[-2])
        scores = scores.masked_fill(ahead, filled)
    return torch.matmul(torch.softmax(scores, -1), v).transpose(1, 2).reshape(q.shape[0], q.shape[2], -1)


def _padding(mask: Tensor | None) -> Tensor | None:
    """Return a mask of (batch, keys) or (batch, queries, keys) as it broadcasts to the scores."""
    if mask is None:
        return None
    if mask.dim() not in (2, 3):
        raise ToolError(f"a mask of {mask.dim()} dimensions is not computed with in torch")
    return mask[:, None, None] if mask.dim() == 2 else mask[:, None]


def _of_the_past(first: int) -> str:
    return f"it is given input {first}, keys or values of earlier calls"


def _keeps_past(call: Call) -> str | None:
    return _of_the_past(6) if call.has(6) or call.has(7) or call.outputs > 1 else None


@operator("MultiHeadAttention", domain=MICROSOFT, limit=_keeps_past)
def multi_head_attention(call: Call, inputs: Inputs) -> Tensor:
    q, k, v = inputs[0], inputs[1], inputs[2]
    if any(each.dim() != 3 for each in (q, k, v)):
        raise ToolError("packed queries, keys and values are not computed with in torch")
    bias = inputs.get(3)
    if bias is not None:
        parts = torch.split(bias, [q.shape[-1], k.shape[-1], v.shape[-1]])
        q, k, v = (each + part for each, part in zip((q, k, v), parts, strict=True))
    return _attended(call, q, k, v, _padding(inputs.get(4)), inputs.get(5))


def _turns(call: Call) -> str | None:
    if call.integer("do_rotary"):
        return "it turns positions"
    return _of_the_past(4) if call.has(4) or call.outputs > 1 else None


@operator("Attention", domain=MICROSOFT, limit=_turns)
def attention(call: Call, inputs: Inputs) -> Tensor:
    """Queries, keys and values come out of one product."""
    x, weight, bias = inputs[0], inputs[1], inputs.get(2)
    product = torch.matmul(x, weight)
    product = product if bias is None else product + bias
    sizes = call.integers("qkv_hidden_sizes") or [product.shape[-1] // 3] * 3
    q, k, v = torch.split(product, sizes, -1)
    return _attended(call, q, k, v, _padding(inputs.get(3)), inputs.get(5))
