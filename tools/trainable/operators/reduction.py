"""Operators that take axes away, or order along one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..call import Call, Inputs, axis_of
from ..registry import operator

Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keep)
    count = max(1, x.numel() // max(1, _sum(x, axes, True).numel()))
    return torch.div(_sum(x, axes, keep), count, rounding_mode="trunc")


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceL1": lambda x, axes, keep: _sum(x.abs(), axes, keep),
    "ReduceL2": lambda x, axes, keep: _sum(x * x, axes, keep).sqrt(),
    "ReduceLogSum": lambda x, axes, keep: _sum(x, axes, keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: torch.amax(x, axes, keepdim=keep),
    "ReduceMean": _mean,
    "ReduceMin": lambda x, axes, keep: torch.amin(x, axes, keepdim=keep),
    "ReduceProd": _product,
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes, keep: _sum(x * x, axes, keep),
}


def _reduced(reduction: Reduction, call: Call, inputs: Inputs) -> Tensor:
    """Axes are an attribute up to opset 17, of ReduceSum up to 12; none given means all, or none at all if so asked."""
    x = inputs[0]
    axes = call.integers("axes") or inputs.integers(1) or []
    if not axes and call.integer("noop_with_empty_axes"):
        return x
    counted = sorted({axis_of(axis, x.dim()) for axis in axes}) or list(range(x.dim()))
    return reduction(x, counted, bool(call.integer("keepdims", 1))) if x.dim() else reduction(x[None], [0], False)


def _register(name: str, reduction: Reduction) -> None:
    operator(name)(lambda call, inputs: _reduced(reduction, call, inputs))


for _name, _reduction in _REDUCTIONS.items():
    _register(_name, _reduction)


def _extreme(call: Call, x: Tensor, *, least: bool) -> Tensor:
    axis, keep = axis_of(call.integer("axis"), x.dim()), bool(call.integer("keepdims", 1))
    best = (torch.amin if least else torch.amax)(x, axis, keepdim=True)
    hits = (x == best).to(torch.uint8)
    if call.integer("select_last_index"):
        found = x.shape[axis] - 1 - torch.argmax(hits.flip(axis), axis, keepdim=keep)
        return found
    return torch.argmax(hits, axis, keepdim=keep)


@operator("ArgMax")
def arg_max(call: Call, inputs: Inputs) -> Tensor:
    return _extreme(call, inputs[0].detach(), least=False)


@operator("ArgMin")
def arg_min(call: Call, inputs: Inputs) -> Tensor:
    return _extreme(call, inputs[0].detach(), least=True)


@operator("TopK")
def top_k(call: Call, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Of equal values the first comes first, which a stable sort keeps to."""
    x = inputs[0]
    count = (inputs.integers(1) or [call.integer("k")])[0]
    axis = axis_of(call.integer("axis", -1), x.dim())
    order = torch.sort(x.detach(), dim=axis, descending=bool(call.integer("largest", 1)), stable=True).indices
    places = order.narrow(axis, 0, count)
    return torch.gather(x, axis, places), places


@operator("CumSum")
def running_sum(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], axis_of((inputs.integers(1) or [0])[0], inputs[0].dim())
    back = bool(call.integer("reverse"))
    summed = torch.cumsum(x.flip(axis) if back else x, axis, dtype=x.dtype)
    if call.integer("exclusive"):
        summed = summed - (x.flip(axis) if back else x)
    return summed.flip(axis) if back else summed
