"""Search the rounding of a weight further than error feedback: cyclic coordinate descent on the layer's error.

The error `tr(E H Eᵀ)` is a quadratic in each integer, and in each scale, while all others stand: the best value of one
is in closed form (QuantEase, Behdin et al., 2023; CDQuant, Nair and Suggala, 2024). Blocks of columns take turns: first
their integers one after the other, then their scales. No move raises the error, so there is nothing to tune, and no
clock decides when to stop: sweeps are counted, as many as the work allowed for one weight pays for, so that the same
step gives the same bytes on any machine. (AdaRound, Nagel et al., 2020, relaxes the same quadratic and descends by
gradient; the two were not compared here.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .capture import Moment, Moments, damping
from .error_feedback import better
from .grids import Grid, as_held
from .rounding import FloatArray, Int8Array

SWEEPS = 12
WORK = 4e11  # multiply-adds for one weight: about ten seconds of one core
_ENOUGH = 1e-3  # share of the error that a sweep has to take away for another one to follow


def learn_rounding(
    matrix: FloatArray, grid: Grid, integers: Int8Array, moments: Moments
) -> tuple[Grid, Int8Array, int]:
    """Return grid and integers that cost no more than those given, and how many sweeps it took.

    Args:
        matrix: `(rows, length)`.
        grid: where the search starts, and
        integers: on it.
        moments: of what the rows are multiplied with.
    """
    parts = [_Part.of(moment, matrix, grid, integers) for moment in moments]
    work = sum(part.work for part in parts)
    allowed = max(1, min(SWEEPS, int(WORK / max(work, 1))))
    scales, sweeps = grid.scales.copy(), 0
    gain = cost = sum(part.cost() for part in parts)
    while sweeps < allowed and gain > _ENOUGH * cost:
        for part in parts:
            part.sweep(grid, scales)
        now = sum(part.cost() for part in parts)
        sweeps, cost, gain = sweeps + 1, now, cost - now
    found = integers.copy()
    for part in parts:
        found[part.moment.rows, part.moment.columns] = part.integers.T
    return (*better(matrix, moments, (grid, integers), (grid.with_scales(scales), found)), sweeps)


@dataclass
class _Part:
    """Some columns of some rows on their way down; all arrays are `(columns, rows)`."""

    moment: Moment
    damped: FloatArray
    wanted: FloatArray
    integers: FloatArray
    steps: FloatArray

    @classmethod
    def of(cls, moment: Moment, matrix: FloatArray, grid: Grid, integers: Int8Array) -> _Part:
        where = moment.rows, moment.columns
        damped = moment.matrix.copy()
        damped[np.diag_indices_from(damped)] += damping(moment.matrix)
        columns = [np.ascontiguousarray(each[where].T, np.float32) for each in (matrix, integers, grid.spread())]
        return cls(moment, damped, *columns)

    @property
    def work(self) -> float:
        """Multiply-adds of a sweep."""
        return float(self.wanted.shape[0]) * self.wanted.size

    @property
    def errors(self) -> FloatArray:
        return np.subtract(self.wanted, self.integers * self.steps, dtype=np.float32)

    def cost(self) -> float:
        """The error that the sweeps bring down."""
        errors = self.errors
        return float(np.sum(errors * (self.damped @ errors), dtype=np.float64))

    def sweep(self, grid: Grid, scales: FloatArray) -> None:
        """Give every integer, then every scale, its best value once; `scales` (rows, blocks) is brought up to date."""
        size, columns = grid.blocks.size, self.moment.columns
        errors = self.errors
        for block in range(columns.start // size, -(-columns.stop // size)):
            first = max(block * size, columns.start) - columns.start
            last = min((block + 1) * size, columns.stop) - columns.start
            own = slice(first, last)
            slopes = self.damped[own] @ errors
            self._move(own, errors, slopes, grid)
            whole = first + columns.start == block * size and last + columns.start == min(
                (block + 1) * size, grid.blocks.length
            )
            if whole and grid.refits:
                scales[self.moment.rows, block] = self._rescale(own, errors, slopes, grid)

    def _move(self, own: slice, errors: FloatArray, slopes: FloatArray, grid: Grid) -> None:
        within = self.damped[own, own]
        for at in range(own.stop - own.start):
            column = own.start + at
            best = self.wanted[column] - errors[column] + slopes[at] / within[at, at]
            self.integers[column] = np.clip(np.rint(best / self.steps[column]), grid.low, grid.high)
            moved = self.wanted[column] - self.integers[column] * self.steps[column] - errors[column]
            errors[column] += moved
            slopes += within[:, at, None] * moved

    def _rescale(self, own: slice, errors: FloatArray, slopes: FloatArray, grid: Grid) -> FloatArray:
        """Return the scale of each row's block that suits its integers best, as the file will hold it."""
        integers, scales = self.integers[own], self.steps[own.start]
        bend = np.sum(integers * (self.damped[own, own] @ integers), axis=0)
        best = scales + np.sum(slopes * integers, axis=0) / np.where(bend > 0, bend, 1)
        held = as_held(best, grid.narrow)
        taken = np.where((bend > 0) & (np.abs(held - best) < np.abs(scales - best)), held, scales)
        self.steps[own] = taken
        errors[own] = self.wanted[own] - integers * taken
        return taken
