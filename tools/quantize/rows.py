"""How a weight reads as rows of what is summed up in one output, and how rows are cut into blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Array = TypeVar("Array", bound=np.generic)


@dataclass(frozen=True)
class Rows:
    """A weight of any shape as an array of `(outer, length, inner)`: a row runs along the middle axis.

    An output of the operator is a sum over one row: of `in * kh * kw` elements in a convolution, of the reduced axis
    in a product of matrices, of the inputs of one gate and unit in an LSTM, of one entry of an embedding.
    """

    outer: int
    length: int
    inner: int

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.outer * self.inner

    def matrix(self, weight: npt.NDArray[Array]) -> npt.NDArray[Array]:
        """Return the values of `weight` as `(rows, length)`, the rows of the outer axis after one another."""
        turned = weight.reshape(self.outer, self.length, self.inner).swapaxes(1, 2)
        return turned.reshape(self.count, self.length)

    def weight(self, matrix: npt.NDArray[Array], shape: tuple[int, ...]) -> npt.NDArray[Array]:
        """Return the weight of `shape` that has these rows."""
        turned = matrix.reshape(self.outer, self.inner, self.length).swapaxes(1, 2)
        return np.ascontiguousarray(turned).reshape(shape)


def rows_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[Rows, tuple[int, ...]]:
    """Return how a weight reads as rows, and the axes that a row runs over.

    Args:
        shape: of the weight.
        axes: those whose indices are independent outputs; the longest run of neighbouring other axes makes the rows.
    """
    runs: list[list[int]] = [[]]
    for axis in range(len(shape)):
        if axis in axes:
            runs.append([])
        else:
            runs[-1].append(axis)
    run = max(runs, key=lambda each: (math.prod(shape[axis] for axis in each), len(each)))
    if not run:  # every element is an output of its own: the weight is one long row
        return Rows(1, math.prod(shape), 1), tuple(range(len(shape)))
    return Rows(*(math.prod(shape[part]) for part in _parts(run))), tuple(run)


def _parts(run: list[int]) -> tuple[slice, slice, slice]:
    return slice(0, run[0]), slice(run[0], run[-1] + 1), slice(run[-1] + 1, None)


@dataclass(frozen=True)
class Blocks:
    """A row cut into `count` blocks of `size` elements; the last may reach beyond its end."""

    count: int
    size: int
    length: int

    @property
    def padded(self) -> int:
        """Elements of a row with what fills its last block up."""
        return self.count * self.size

    def cut(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return rows `(rows, length)` as `(rows, count, size)`, filled up with zeros."""
        filled = np.pad(matrix, ((0, 0), (0, self.padded - self.length)))
        return filled.reshape(len(matrix), self.count, self.size)

    def spread(self, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the scale of each element `(rows, length)` of scales `(rows, count)`."""
        return np.repeat(scales, self.size, axis=1)[:, : self.length]


def blocks_of(length: int, block: int) -> Blocks:
    """Cut a row into blocks of at most `block` elements.

    The largest size that divides the row is taken, down to half of what was asked for; else the row is cut evenly,
    so that as little as possible has to be filled up.
    """
    if length <= block:
        return Blocks(1, length, length)
    whole = next((size for size in range(block, block // 2 - 1, -1) if length % size == 0), None)
    count = length // whole if whole else -(-length // block)
    return Blocks(count, whole or -(-length // count), length)
