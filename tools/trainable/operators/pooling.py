"""Pools over windows, and over all of the space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call, Inputs
from ..registry import operator
from .convolution import of_rank, padded, per_axis, sides

_MAX: tuple[Callable[..., Tensor], ...] = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_SUMS: tuple[Callable[..., Tensor], ...] = (functional.conv1d, functional.conv2d, functional.conv3d)


@dataclass(frozen=True)
class _Windows:
    """`past`: what the last window of `ceil_mode` reaches beyond the pads."""

    kernel: list[int]
    steps: list[int]
    grain: list[int]
    pads: list[tuple[int, int]]
    past: list[int]

    @property
    def reach(self) -> list[tuple[int, int]]:
        return [(before, after + past) for (before, after), past in zip(self.pads, self.past, strict=True)]


def _windows(call: Call, sizes: Sequence[int]) -> _Windows:
    rank = len(sizes)
    kernel, steps, grain = (per_axis(call, name, rank) for name in ("kernel_shape", "strides", "dilations"))
    spans = [(width - 1) * each + 1 for width, each in zip(kernel, grain, strict=True)]
    pads = sides(call, sizes, spans, steps)
    ceiled = bool(call.integer("ceil_mode")) and call.text("auto_pad", "NOTSET") in ("NOTSET", "")
    past = [
        _past(size, pair, span, step) if ceiled else 0
        for size, pair, span, step in zip(sizes, pads, spans, steps, strict=True)
    ]
    return _Windows(kernel, steps, grain, pads, past)


def _past(size: int, pads: tuple[int, int], span: int, step: int) -> int:
    """A window that would start beyond the input and the pad before it is left out."""
    count = -(-(size + sum(pads) - span) // step) + 1
    if (count - 1) * step >= size + pads[0]:
        count -= 1
    return max(0, (count - 1) * step + span - size - sum(pads))


@operator("MaxPool", limit=lambda call: "the places of the maxima are asked for" if call.outputs > 1 else None)
def max_pool(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    windows = _windows(call, x.shape[2:])
    x = padded(x, windows.reach, -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min)
    pool = of_rank(_MAX, x.dim() - 2)
    return pool(x, windows.kernel, windows.steps, 0, dilation=windows.grain)


@operator("AveragePool")
def average_pool(call: Call, inputs: Inputs) -> Tensor:
    """Sums over counts: pads are counted if so asked, what lies beyond them never is."""
    x = inputs[0]
    windows = _windows(call, x.shape[2:])
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if call.integer("count_include_pad"):
        ones = padded(ones, windows.pads, 1.0)
        ones = padded(ones, [(0, past) for past in windows.past])
    else:
        ones = padded(ones, windows.reach)
    return _sums(padded(x, windows.reach), windows) / _sums(ones, windows)


def _sums(x: Tensor, windows: _Windows) -> Tensor:
    rank = x.dim() - 2
    kernel = torch.ones((1, 1, *windows.kernel), dtype=x.dtype)
    flat = x.reshape(-1, 1, *x.shape[2:])
    summed = of_rank(_SUMS, rank)(flat, kernel, None, windows.steps, 0, dilation=windows.grain)
    return summed.reshape(*x.shape[:2], *summed.shape[2:])


@operator("LpPool")
def lp_pool(call: Call, inputs: Inputs) -> Tensor:
    x, power = inputs[0], call.integer("p", 2)
    windows = _windows(call, x.shape[2:])
    return _sums(padded(x.abs() ** power, windows.reach), windows) ** (1.0 / power)


def _space(x: Tensor) -> list[int]:
    return list(range(2, x.dim()))


@operator("GlobalAveragePool")
def global_average_pool(call: Call, inputs: Inputs) -> Tensor:
    return torch.mean(inputs[0], _space(inputs[0]), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(call: Call, inputs: Inputs) -> Tensor:
    return torch.amax(inputs[0], _space(inputs[0]), keepdim=True)


@operator("GlobalLpPool")
def global_lp_pool(call: Call, inputs: Inputs) -> Tensor:
    x, power = inputs[0], call.integer("p", 2)
    return torch.sum(x.abs() ** power, _space(x), keepdim=True) ** (1.0 / power)
