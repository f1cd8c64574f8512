"""Operators that pick elements out, and that put a border around."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ....contracts import ToolError
from ..call import Call, Inputs, axis_of, bounded
from ..registry import operator

_BORDERS: dict[str, Literal["edge", "reflect", "wrap"]] = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}


@operator("Slice")
def slice_of(call: Call, inputs: Inputs) -> Tensor:
    """Bounds are attributes up to opset 9."""
    x = inputs[0]
    if call.version < 10:
        starts, ends, axes = (call.integers(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        starts, ends, axes, steps = (inputs.integers(index) for index in range(1, 5))
    if starts is None or ends is None:
        raise ToolError("there is nothing to slice from or to")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = _cut(x, axis_of(axis, x.dim()), start, end, step)
    return x


def _cut(x: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    """As Python slices; torch has no negative steps."""
    if step == 0:
        raise ToolError("a step of a slice is 0")
    size = x.shape[axis]
    start, end = (each + size if each < 0 else each for each in (start, end))
    if step > 0:
        start, end = min(max(start, 0), size), min(max(end, 0), size)
        return x[(slice(None),) * axis + (slice(start, max(start, end), step),)]
    places = range(min(max(start, 0), size - 1), min(max(end, -1), size), step)
    return x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))


def counted(places: Tensor, size: int) -> Tensor:
    """Return indices counted from the front."""
    return torch.where(places < 0, places + size, places).long()


@operator("Gather")
def gather(call: Call, inputs: Inputs) -> Tensor:
    x, places = inputs[0], inputs[1]
    axis = axis_of(call.integer("axis"), x.dim())
    shape = bounded([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])
    return x.index_select(axis, counted(places, x.shape[axis]).reshape(-1)).reshape(shape)


@operator("GatherElements")
def gather_elements(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], axis_of(call.integer("axis"), inputs[0].dim())
    return torch.gather(x, axis, counted(inputs[1], x.shape[axis]))


@operator("GatherND")
def gather_nd(call: Call, inputs: Inputs) -> Tensor:
    x, places, shared = inputs[0], inputs[1], call.integer("batch_dims")
    depth = places.shape[-1]
    batch = list(x.shape[:shared])
    rows = x.reshape(-1, *x.shape[shared:])
    chosen = places.reshape(len(rows), -1, depth)
    bounded([len(rows), chosen.shape[1], *x.shape[shared + depth :]])
    first = torch.arange(len(rows))[:, None].expand(chosen.shape[:2])
    picked = rows[(first, *(counted(chosen[..., each], rows.shape[1 + each]) for each in range(depth)))]
    return picked.reshape([*batch, *places.shape[shared:-1], *x.shape[shared + depth :]])


@operator("NonZero")
def non_zero(call: Call, inputs: Inputs) -> Tensor:
    return torch.nonzero(torch.atleast_1d(inputs[0])).T


@operator("Compress")
def compress(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], call.attributes.get("axis")
    if axis is None:
        x, axis = x.reshape(-1), 0
    places = torch.nonzero(inputs[1].reshape(-1))[:, 0]
    return x.index_select(axis_of(int(axis), x.dim()), places)


@operator("ReverseSequence")
def reverse_sequence(call: Call, inputs: Inputs) -> Tensor:
    x, time, batch = inputs[0], call.integer("time_axis", 0), call.integer("batch_axis", 1)
    moved = x.movedim((batch, time), (0, 1))
    return turned(moved, inputs[1]).movedim((0, 1), (batch, time))


def turned(x: Tensor, lengths: Tensor) -> Tensor:
    """Return x (batch, time, …) with the first `lengths[b]` of each row's times in reverse order."""
    times = torch.arange(x.shape[1])[None].expand(len(x), -1)
    ends = lengths.long()[:, None]
    places = torch.where(times < ends, ends - 1 - times, times)
    return x[torch.arange(len(x))[:, None], places]


@operator("Pad")
def pad(call: Call, inputs: Inputs) -> Tensor:
    """Pads and value are attributes up to opset 10; negative pads cut off."""
    x, mode = inputs[0], call.text("mode", "constant")
    pads = call.integers("pads") if call.version < 11 else inputs.integers(1)
    if pads is None:
        raise ToolError("there are no pads")
    before, after = _sides(pads, inputs.integers(3), x.dim())
    bounded([max(0, size + b + a) for size, b, a in zip(x.shape, before, after, strict=True)])
    if mode == "constant":
        value = call.number("value") if call.version < 11 else _value(inputs.get(2))
        pairs = [each for both in zip(reversed(before), reversed(after), strict=True) for each in both]
        return (
            functional.pad(x, pairs, value=value)
            if x.dtype != torch.bool
            else functional.pad(x.byte(), pairs, value=value).bool()
        )
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        x = _bordered(x, axis, b, a, mode)
    return x


def _sides(pads: list[int], axes: list[int] | None, rank: int) -> tuple[list[int], list[int]]:
    chosen = list(range(rank)) if axes is None else [axis_of(axis, rank) for axis in axes]
    half = len(pads) // 2
    before, after = [0] * rank, [0] * rank
    for axis, b, a in zip(chosen, pads[:half], pads[half:], strict=True):
        before[axis], after[axis] = b, a
    return before, after


def _value(held: Tensor | None) -> float:
    return 0.0 if held is None or not held.numel() else float(held.detach().reshape(-1)[0])


def _bordered(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    if mode not in _BORDERS:
        raise ToolError(f"there is no padding mode {mode[:40]!r}")
    if before == after == 0:
        return x
    places = np.arange(x.shape[axis])[max(0, -before) : x.shape[axis] - max(0, -after)]
    return x.index_select(axis, torch.from_numpy(np.pad(places, (max(0, before), max(0, after)), _BORDERS[mode])))
