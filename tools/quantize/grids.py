"""The grid of values that a stored form can hold, and the weight as a point of that grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .rounding import FP16_MAX, INT8_MAX, FloatArray, Int8Array, channel_scales
from .rows import Blocks, Rows, blocks_of, rows_of

GridForm = Literal["int8", "int8_block", "int4"]

INT4_MIN, INT4_MAX = -8, 7

# Scales are rounded to fp16 for the file. What is smaller than its smallest step would become 0, and then NaN.
SMALLEST_SCALE = float(np.finfo(np.float16).smallest_subnormal)

# A weight whose largest scale has fewer than 6 bits in fp16, or none, keeps its scales in float32.
LEAST_FP16_PEAK = 2.0**-18

# What scales of 4-bit blocks are divided by: -8 is reached by the largest magnitude, whatever its sign, or 7 by both.
_REACHES = (-8.0, 8.0, 7.0)


@dataclass(frozen=True)
class Grid:
    """Values that are integers in `[low, high]` times the scale of their block.

    Attributes:
        rows, blocks: how the weight is read.
        scales: `(rows, blocks)`, as the file will hold them; 4-bit ones may be negative.
        narrow: whether the file holds them as fp16.
    """

    rows: Rows
    blocks: Blocks
    scales: FloatArray
    low: int
    high: int
    narrow: bool

    @property
    def refits(self) -> bool:
        """Whether scales belong to one block each, so that they may be chosen by its error."""
        return self.narrow

    def spread(self) -> FloatArray:
        """Return the scale of each element, `(rows, length)`."""
        return self.blocks.spread(self.scales)

    def nearest(self, matrix: FloatArray) -> Int8Array:
        """Return for each element of `(rows, length)` the nearest integer, half to even."""
        return np.clip(np.rint(matrix / self.spread()), self.low, self.high).astype(np.int8)

    def values(self, integers: Int8Array) -> FloatArray:
        """Return the float32 values that `(rows, length)` integers stand for, as the runtime computes them."""
        return integers.astype(np.float32) * self.spread()

    def with_scales(self, scales: FloatArray) -> Grid:
        """Return the grid with other scales, rounded as the file will hold them."""
        return Grid(self.rows, self.blocks, as_held(scales, self.narrow), self.low, self.high, self.narrow)


def make_grid(
    weight: FloatArray, form: GridForm, axes: tuple[int, ...], block: int, blocks: Blocks | None = None
) -> Grid:
    """Return the grid that suits `weight` by its largest magnitudes alone.

    Args:
        weight: finite values.
        form: `int8` has one scale per index of `axes`, the others one per block of a row.
        axes: those whose indices are independent outputs.
        block: elements that share a scale, at most.
        blocks: how rows are cut, where that is not left to `block`.
    """
    rows, _ = rows_of(weight.shape, axes)
    if form == "int8":
        each = np.broadcast_to(channel_scales(weight, axes), weight.shape)
        scales = rows.matrix(each)[:, :1].astype(np.float32)
        return Grid(rows, Blocks(1, rows.length, rows.length), scales, -INT8_MAX, INT8_MAX, narrow=False)
    blocks = blocks or form_blocks(rows, form, block)
    cut = blocks.cut(rows.matrix(weight).astype(np.float32))
    if form == "int8_block":
        steps = np.max(np.abs(cut), axis=2) / np.float32(INT8_MAX)
        narrow = fits_fp16(steps)
        return Grid(rows, blocks, _at_least(steps, narrow), -INT8_MAX, INT8_MAX, narrow)
    candidates = four_bit_scales(cut)
    narrow = fits_fp16(candidates[0])
    held = [as_held(each, narrow) for each in candidates]
    losses = np.stack([_loss(cut, each) for each in held])
    chosen = np.take_along_axis(np.stack(held), np.argmin(losses, axis=0)[None], axis=0)[0]
    return Grid(rows, blocks, chosen, INT4_MIN, INT4_MAX, narrow)


def form_blocks(rows: Rows, form: GridForm, block: int) -> Blocks:
    """Return how the rows of a weight are cut; 4-bit values come in pairs, so that their number is even."""
    if form == "int8":
        return Blocks(1, rows.length, rows.length)
    blocks = blocks_of(rows.length, block)
    if form == "int4" and rows.count * blocks.padded % 2:
        return Blocks(blocks.count, blocks.size + 1, blocks.length)
    return blocks


def four_bit_scales(cut: FloatArray) -> list[FloatArray]:
    """Return scales `(rows, blocks)` by which 4 bits reach the largest magnitude of each block: three ways to do it."""
    at = np.argmax(np.abs(cut), axis=2)[..., None]
    peak = np.take_along_axis(cut, at, axis=2)[..., 0]
    return [(peak / np.float32(reach)).astype(np.float32) for reach in _REACHES]


def _loss(cut: FloatArray, scales: FloatArray) -> npt.NDArray[np.float64]:
    wide = scales[..., None]
    rounded = np.clip(np.rint(cut / wide), INT4_MIN, INT4_MAX) * wide
    return np.square(cut - rounded).sum(axis=2, dtype=np.float64)


def fits_fp16(scales: FloatArray) -> bool:
    """Tell whether fp16 holds the scales of a weight well enough."""
    peak = float(np.max(np.abs(scales), initial=0.0))
    return peak == 0 or LEAST_FP16_PEAK <= peak <= FP16_MAX


def as_held(scales: FloatArray, narrow: bool) -> FloatArray:
    """Return scales as the file will hold them, none of them 0."""
    floor = np.float32(SMALLEST_SCALE if narrow else np.finfo(np.float32).tiny)
    floored = np.where(np.abs(scales) < floor, np.copysign(floor, scales), scales).astype(np.float32)
    floored = np.clip(floored, -FP16_MAX, FP16_MAX) if narrow else floored
    return floored.astype(np.float16).astype(np.float32) if narrow else floored


def _at_least(scales: FloatArray, narrow: bool) -> FloatArray:
    """Return positive scales as the file will hold them, none smaller than it was, so that no value is cut off."""
    held = as_held(scales, narrow)
    if not narrow:
        return held
    above = np.nextafter(held.astype(np.float16), np.float16(np.inf)).astype(np.float32)
    return np.where((held < scales) & (above <= FP16_MAX), above, held)
