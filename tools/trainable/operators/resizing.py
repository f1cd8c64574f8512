"""Resize and Upsample: along each axis a few taps of the input, weighted."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....contracts import ToolError
from ..call import Call, Inputs, axis_of, bounded
from ..registry import operator

_CUBIC_TAPS = (-1, 0, 1, 2)


@dataclass(frozen=True)
class _Axis:
    """One axis that changes: its size before and after, the scale as the file has it, and the region that is read."""

    axis: int
    before: int
    after: int
    scale: float
    start: float = 0.0
    end: float = 1.0


def _antialiased(call: Call) -> str | None:
    return "it asks for antialiasing" if call.integer("antialias") else None


@operator("Resize", limit=_antialiased)
def resize(call: Call, inputs: Inputs) -> Tensor:
    """Opset 10 knows scales alone, and no way but asymmetric."""
    x = inputs[0]
    if call.version < 11:
        return _resized(call, x, _scales(inputs.get(1)), None, None)
    sizes = inputs.integers(3)
    return _resized(call, x, _scales(inputs.get(2)), sizes or None, inputs.get(1))


@operator("Upsample")
def upsample(call: Call, inputs: Inputs) -> Tensor:
    scales = call.numbers("scales") or _scales(inputs.get(1))
    return _resized(call, inputs[0], scales, None, None)


def _scales(held: Tensor | None) -> list[float] | None:
    return None if held is None or not held.numel() else [float(each) for each in held.detach().reshape(-1)]


def _resized(
    call: Call, x: Tensor, scales: list[float] | None, sizes: list[int] | None, region: Tensor | None
) -> Tensor:
    axes = _axes(call, x, scales, sizes, region)
    after = list(x.shape)
    for each in axes:
        after[each.axis] = each.after
    bounded(after)
    crops = _way(call) == "tf_crop_and_resize"
    outside: list[tuple[int, Tensor]] = []
    for each in axes:
        if each.before == each.after and each.scale == 1.0 and not crops:
            continue
        places = _coordinates(call, each)
        x = _sampled(x, each, *_taps(call, places, each))
        if crops:
            outside.append((each.axis, torch.from_numpy((places < 0) | (places > each.before - 1))))
    for axis, beyond in outside:
        shape = [-1 if index == axis else 1 for index in range(x.dim())]
        x = torch.where(beyond.reshape(shape), call.number("extrapolation_value"), x)
    return x


def _axes(
    call: Call, x: Tensor, scales: list[float] | None, sizes: list[int] | None, region: Tensor | None
) -> list[_Axis]:
    chosen = [axis_of(axis, x.dim()) for axis in call.integers("axes") or range(x.dim())]
    if sizes is not None:
        pairs = _by_size(call, [x.shape[axis] for axis in chosen], sizes)
    elif scales is not None:
        if any(not 0 < scale < 1e6 for scale in scales):
            raise ToolError("a scale is not a positive number")
        pairs = [(floor(x.shape[axis] * scale), scale) for axis, scale in zip(chosen, scales, strict=True)]
    else:
        raise ToolError("there is neither a scale nor a size to resize to")
    bounds = _scales(region) if _way(call) == "tf_crop_and_resize" else None
    bounds = bounds or [0.0] * len(chosen) + [1.0] * len(chosen)
    return [
        _Axis(axis, x.shape[axis], after, scale, start, end)
        for axis, (after, scale), start, end in zip(
            chosen, pairs, bounds[: len(chosen)], bounds[len(chosen) :], strict=True
        )
    ]


def _by_size(call: Call, before: list[int], sizes: list[int]) -> list[tuple[int, float]]:
    """Return the size after and the scale of each axis, under the policy on the aspect's ratio."""
    scales = [after / max(size, 1) for size, after in zip(before, sizes, strict=True)]
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return list(zip(sizes, scales, strict=True))
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [(floor(size * scale + 0.5), scale) for size in before]


def _way(call: Call) -> str:
    default = "half_pixel" if call.version > 10 and call.op == "Resize" else "asymmetric"
    return call.text("coordinate_transformation_mode", default)


def _coordinates(call: Call, each: _Axis) -> NDArray[np.float32]:
    """Return where each place of the answer lies in the input, in 32 bits as the runtime computes it."""
    way, scale = _way(call), np.float32(each.scale)
    at = np.arange(each.after, dtype=np.float32)
    half = np.float32(0.5)
    if way == "asymmetric":
        return at / scale
    if way == "pytorch_half_pixel" and each.after == 1:
        return np.zeros(1, np.float32)
    if way in ("half_pixel", "pytorch_half_pixel"):
        return (at + half) / scale - half
    if way == "half_pixel_symmetric":
        ratio = np.float32(each.after) / (scale * np.float32(each.before))
        return np.float32(each.before) / 2 * (1 - ratio) + (at + half) / scale - half
    if way == "align_corners":
        return at * np.float32((each.before - 1) / (each.after - 1)) if each.after > 1 else np.zeros(1, np.float32)
    if way == "tf_crop_and_resize":
        last = np.float32(each.before - 1)
        if each.after == 1:
            return np.asarray([(each.start + each.end) * last / 2], np.float32)
        step = (each.end - each.start) * last / (each.after - 1)
        return (np.float32(each.start) * last + at * step).astype(np.float32)
    raise ToolError(f"there is no coordinate transformation {way[:40]!r}")


Taps = tuple[NDArray[np.int64], NDArray[np.float64]]


def _taps(call: Call, places: NDArray[np.float32], each: _Axis) -> Taps:
    """Return which elements each place reads and by how much, both (places, taps)."""
    mode = call.text("mode", "nearest")
    if mode == "nearest":
        return _nearest(call, places)[:, None], np.ones((len(places), 1))
    low = np.floor(places).astype(np.int64)
    if mode == "linear":
        held = np.clip(places, 0, each.before - 1)
        low = np.floor(held).astype(np.int64)
        share = (held - low).astype(np.float64)
        return np.stack([low, low + 1], 1), np.stack([1 - share, share], 1)
    if mode == "cubic":
        return _cubic(call, places, low, each)
    raise ToolError(f"there is no way of resizing {mode[:40]!r}")


def _nearest(call: Call, places: NDArray[np.float32]) -> NDArray[np.int64]:
    default = "round_prefer_floor" if call.version > 10 and call.op == "Resize" else "floor"
    way = call.text("nearest_mode", default)
    ways = {
        "floor": np.floor(places),
        "ceil": np.ceil(places),
        "round_prefer_floor": np.ceil(places - np.float32(0.5)),
        "round_prefer_ceil": np.floor(places + np.float32(0.5)),
    }
    if way not in ways:
        raise ToolError(f"there is no rounding to the nearest {way[:40]!r}")
    return ways[way].astype(np.int64)


def _cubic(call: Call, places: NDArray[np.float32], low: NDArray[np.int64], each: _Axis) -> Taps:
    """Keys' kernel, with its parameter as the file has it."""
    a, at = call.number("cubic_coeff_a", -0.75), low[:, None] + np.asarray(_CUBIC_TAPS)
    far = np.abs(places[:, None].astype(np.float64) - at)
    near = (a + 2) * far**3 - (a + 3) * far**2 + 1
    weights = np.where(far <= 1, near, a * far**3 - 5 * a * far**2 + 8 * a * far - 4 * a)
    if call.integer("exclude_outside"):
        weights = np.where((at < 0) | (at >= each.before), 0, weights)
        weights = weights / weights.sum(1, keepdims=True)
    return at, weights


def _sampled(x: Tensor, each: _Axis, places: NDArray[np.int64], weights: NDArray[np.float64]) -> Tensor:
    held = torch.from_numpy(np.clip(places, 0, each.before - 1))
    if places.shape[1] == 1:
        return x.index_select(each.axis, held[:, 0])
    shape = [-1 if index == each.axis else 1 for index in range(x.dim())]
    shares = torch.from_numpy(weights).to(x.dtype)
    parts = [x.index_select(each.axis, held[:, tap]) * shares[:, tap].reshape(shape) for tap in range(held.shape[1])]
    return torch.stack(parts).sum(0)
