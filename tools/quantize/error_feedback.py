"""Round a weight so that its outputs, not its elements, stay close.

For inputs with second moments `H` a row's error `e` costs `e H eᵀ`. With `H = M Mᵀ`, `M` upper triangular, that is
`|e M|²`: taken column by column, each rounding can make good what those before it did to the sum. That is GPTQ
(Frantar et al., 2023; the order by activation as in its reference), written as the successive rounding that it is
equal to (Chen et al., "The geometry of LLM quantization: GPTQ as Babai's nearest plane algorithm", 2025): it needs
one triangular factor and no inverse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .capture import Moment, Moments
from .grids import INT4_MIN, Grid, as_held, four_bit_scales
from .rounding import FloatArray, Int8Array

_AT_ONCE = 64  # columns whose errors are passed on together

# Shares of the range that 4 bits are tried on.
_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)


def error_energy(errors: FloatArray, moments: Moments) -> npt.NDArray[np.float64]:
    """Return for each row of `errors` (rows, length) the energy `e H eᵀ` of what it does to the output."""
    energy = np.zeros(len(errors), np.float64)
    for moment in moments:
        part = errors[moment.rows, moment.columns]
        energy[moment.rows] += np.einsum("rc,rc->r", part @ moment.matrix, part, dtype=np.float64)
    return energy


def usable(moments: Moments) -> bool:
    """Tell whether the moments are finite and see anything at all."""
    return all(np.isfinite(each.matrix).all() for each in moments) and any(each.matrix.any() for each in moments)


def round_with_feedback(matrix: FloatArray, grid: Grid, moments: Moments) -> tuple[Grid, Int8Array]:
    """Return a grid for the rows `matrix`, and integers on it that cost no more than the nearest ones of `grid`.

    Args:
        matrix: `(rows, length)`.
        grid: as the largest magnitudes make it; 4-bit scales are chosen anew.
        moments: of what the rows are multiplied with.
    """
    plain = grid.nearest(matrix)
    chosen = chosen_scales(matrix, grid, moments) if grid.low == INT4_MIN else grid
    integers = chosen.nearest(matrix)
    for moment in moments:
        part = matrix[moment.rows, moment.columns]
        scales = chosen.spread()[moment.rows, moment.columns]
        integers[moment.rows, moment.columns] = _passed_on(part, scales, chosen, moment)
    return better(matrix, moments, (grid, plain), (chosen, integers))


def better(
    matrix: FloatArray, moments: Moments, first: tuple[Grid, Int8Array], second: tuple[Grid, Int8Array]
) -> tuple[Grid, Int8Array]:
    """Return row by row which of two roundings costs less at the output; the first where they are equal."""
    energies = [error_energy(matrix - grid.values(integers), moments) for grid, integers in (first, second)]
    take = (energies[1] < energies[0])[:, None]
    scales = np.where(take, second[0].scales, first[0].scales)
    return first[0].with_scales(scales), np.where(take, second[1], first[1])


def _passed_on(part: FloatArray, scales: FloatArray, grid: Grid, moment: Moment) -> Int8Array:
    """Round columns in the order of their moments, each with what the errors before it did to the sum."""
    order, factor = moment.factored()
    wanted, steps = np.ascontiguousarray(part.T[order]), np.ascontiguousarray(scales.T[order])
    errors = np.zeros_like(wanted)
    integers = np.empty(wanted.shape, np.int8)
    for start in range(0, len(order), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(order))
        owed = factor[:start, start:stop].T @ errors[:start]
        for at in range(start, stop):
            target = wanted[at] + owed[at - start] + factor[start:at, at] @ errors[start:at]
            integers[at] = np.clip(np.rint(target / steps[at]), grid.low, grid.high)
            errors[at] = wanted[at] - integers[at] * steps[at]
    back = np.empty_like(integers)
    back[order] = integers
    return back.T


def chosen_scales(matrix: FloatArray, grid: Grid, moments: Moments) -> Grid:
    """Return the 4-bit grid whose scales cost each block least after rounding to the nearest."""
    cut = grid.blocks.cut(matrix)
    candidates = [as_held(reach * clip, grid.narrow) for reach in four_bit_scales(cut) for clip in _CLIPS]
    best, least = grid.scales, np.full(grid.scales.shape, np.inf)
    for scales in candidates:
        tried = grid.with_scales(scales)
        cost = _block_energy(matrix - tried.values(tried.nearest(matrix)), grid, moments)
        best, least = np.where(cost < least, scales, best), np.minimum(cost, least)
    return grid.with_scales(best)


def _block_energy(errors: FloatArray, grid: Grid, moments: Moments) -> npt.NDArray[np.float64]:
    """Return `(rows, blocks)` energies, what blocks do to each other left out."""
    energy = np.zeros(grid.scales.shape, np.float64)
    for moment in moments:
        for block in range(grid.blocks.count):
            first = max(block * grid.blocks.size, moment.columns.start)
            last = min((block + 1) * grid.blocks.size, moment.columns.stop, grid.blocks.length)
            if first < last:
                own = slice(first - moment.columns.start, last - moment.columns.start)
                part = errors[moment.rows, first:last]
                energy[moment.rows, block] += np.einsum("rc,rc->r", part @ moment.matrix[own, own], part)
    return energy
