"""The point of its grid that each stored weight becomes: by the nearest value, or by what its inputs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from ...contracts import Rounding
from ..onnx_model import to_array
from .capture import Captures, Feeds, Moments, capture
from .error_feedback import error_energy, round_with_feedback, usable
from .graphs import fixed_initializers
from .grids import Grid, GridForm, make_grid
from .learned_rounding import learn_rounding
from .rounding import FloatArray, Int8Array
from .storage_units import DEFAULT_BLOCK, StorageUnit


@dataclass(frozen=True)
class Point:
    """A weight as it is stored.

    Attributes:
        grid, integers: what the file holds.
        sweeps: of the search that found it.
        energies: error at the output after rounding to the nearest, and as it is; 0 where nothing was looked at.
    """

    grid: Grid
    integers: Int8Array
    sweeps: int = 0
    energies: tuple[float, float] = (0.0, 0.0)

    def values(self, shape: tuple[int, ...]) -> FloatArray:
        """Return the float32 values that it stands for."""
        return self.grid.rows.weight(self.grid.values(self.integers), shape)


def stored_point(
    weight: FloatArray,
    unit: StorageUnit,
    form: GridForm,
    block: int = DEFAULT_BLOCK,
    rounding: Rounding = "nearest",
    moments: Moments | None = None,
) -> Point:
    """Return finite `weight` on the grid of `form`.

    Args:
        weight: values of the initializer.
        unit: what it is.
        form: its grid.
        block: neighbouring elements of a row that share a scale, at most.
        rounding: which of the points around it is taken.
        moments: of what it is multiplied with; without them the nearest point is taken.
    """
    grid = make_grid(weight, form, unit.axes, block)
    return rounded_point(grid.rows.matrix(weight), grid, rounding, moments)


def rounded_point(matrix: FloatArray, grid: Grid, rounding: Rounding, moments: Moments | None) -> Point:
    """Return the point of `grid` for rows `(rows, length)`; see `stored_point`."""
    plain = grid.nearest(matrix)
    if rounding == "nearest" or moments is None or not usable(moments):
        return Point(grid, plain)
    before = error_energy(matrix - grid.values(plain), moments)
    grid, integers = round_with_feedback(matrix, grid, moments)
    sweeps = 0
    if rounding == "learned":
        grid, integers, sweeps = learn_rounding(matrix, grid, integers, moments)
    after = error_energy(matrix - grid.values(integers), moments)
    return Point(grid, integers, sweeps, (float(np.sum(before)), float(np.sum(after))))


def captured_points(
    model: ModelProto,
    forms: Mapping[StorageUnit, GridForm],
    feeds: Feeds,
    rounding: Rounding,
    block: int = DEFAULT_BLOCK,
    captures: Captures | None = None,
) -> dict[str, Point]:
    """Return the points of those weights of the main graph whose inputs could be looked at.

    Args:
        model: with all its weights.
        forms: what each weight becomes.
        feeds: samples to look at.
        rounding: `error_feedback` or `learned`.
        block: neighbouring elements of a row that share a scale, at most.
        captures: what was seen of the same model and samples before.
    """
    tensors = fixed_initializers(model.graph)
    outer = [unit for unit in forms if not unit.in_subgraph]
    return {
        unit.name: stored_point(to_array(tensors[unit.name]), unit, forms[unit], block, rounding, moments)
        for unit, moments in (captures.of if captures else capture)(model, outer, feeds)
        if usable(moments)
    }


def told(points: Sequence[Point], rounding: Rounding) -> str:
    """Say in one line what was gained over rounding to the nearest."""
    shares = [after / before for before, after in (point.energies for point in points) if before > 0]
    gain = -10 * float(np.mean(np.log10(np.maximum(shares, 1e-30)))) if shares else 0.0
    name = "error feedback" if rounding == "error_feedback" else "learned"
    swept = f", {sum(point.sweeps for point in points)} sweeps" if rounding == "learned" else ""
    return (
        f"{name} rounding of {len(points)} weights: {gain:.1f} dB less error at their outputs than the nearest{swept}"
    )
