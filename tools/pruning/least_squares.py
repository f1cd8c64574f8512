"""Fit a weight to what its outputs should be: by least squares, or by matching each output's mean and deviation.

Least squares has a ridge towards the weight as it is (He, Zhang and Sun, "Channel pruning for accelerating very deep
neural networks", ICCV 2017), so on the rows that it is fitted to its error is never above that of the weight as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..quantize.rounding import FloatArray

RIDGE = 1e-4  # of the mean second moment of a column
LARGEST_STRETCH = 3.0
_LEAST_POWER = 1e-12
_Wide = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weight:
    """A weight, for each of some groups that share nothing.

    Attributes:
        rows: `(groups, outputs, columns)`.
        bias: `(groups, outputs)`; None where there is no place for one.
    """

    rows: FloatArray
    bias: FloatArray | None


@dataclass(frozen=True)
class Rows:
    """What a weight is multiplied with, and what should come of it: `(groups, positions, columns | outputs)`."""

    given: FloatArray
    wanted: FloatArray


@dataclass(frozen=True)
class Fitted:
    """A fitted weight, and the power of the wanted outputs around their means, and of what each weight misses."""

    weight: Weight
    signal: float
    before: float
    after: float


Fit = Callable[[Rows, Weight], Fitted]


def least_squares(rows: Rows, start: Weight) -> Fitted:
    """Return the weight whose outputs are nearest to the wanted ones."""
    given, missed = _centred(rows, start)
    change = _ridge(given, missed)
    found = _fitted(rows, start, Weight((start.rows + change).astype(np.float32), start.bias))
    if found.after <= found.before:
        return found
    return Fitted(start, found.signal, found.before, found.before)


def matched(rows: Rows, start: Weight) -> Fitted:
    """Return the weight with each output's scale and bias changed to give the wanted mean and deviation."""
    outputs = _outputs(rows, start)
    found, wanted = outputs.std(axis=1), rows.wanted.std(axis=1)
    usable = found**2 > _LEAST_POWER
    factors = np.divide(wanted, found, out=np.ones_like(found), where=usable)
    factors = np.clip(factors, 1 / LARGEST_STRETCH, LARGEST_STRETCH)
    return _fitted(rows, start, Weight(start.rows * factors[..., None], start.bias))


def _fitted(rows: Rows, start: Weight, found: Weight) -> Fitted:
    """Return `found` with the bias that suits it."""
    if start.bias is not None:
        bias = rows.wanted.mean(axis=1, dtype=np.float64) - _means(rows, found)
        found = Weight(found.rows, bias.astype(np.float32))
    signal = float(np.square(_around(rows.wanted, start.bias is not None), dtype=np.float64).sum())
    return Fitted(found, signal, squared_error(rows, start), squared_error(rows, found))


def squared_error(rows: Rows, weight: Weight) -> float:
    """Return the sum of squares by which the outputs miss what is wanted."""
    outputs = _outputs(rows, weight)
    if weight.bias is not None:
        outputs = outputs + weight.bias[:, None]
    return float(np.square(rows.wanted - outputs, dtype=np.float64).sum())


def _outputs(rows: Rows, weight: Weight) -> FloatArray:
    """Return what comes without the bias, `(groups, positions, outputs)`."""
    return np.asarray(rows.given @ weight.rows.swapaxes(1, 2), np.float32)


def _means(rows: Rows, weight: Weight) -> _Wide:
    columns: _Wide = rows.given.mean(axis=1, dtype=np.float64)
    return np.asarray(np.einsum("goc,gc->go", weight.rows.astype(np.float64), columns))


def _centred(rows: Rows, start: Weight) -> tuple[FloatArray, FloatArray]:
    """Return the given values, and what `start` misses, around their means where a bias takes these."""
    missed = rows.wanted - _outputs(rows, start)
    return _around(rows.given, start.bias is not None), _around(missed, start.bias is not None)


def _around(values: FloatArray, centre: bool) -> FloatArray:
    return np.asarray(values - values.mean(axis=1, keepdims=True), np.float32) if centre else values


def _ridge(given: FloatArray, missed: FloatArray) -> _Wide:
    """Return `(groups, outputs, columns)`: the change that adds nearest to `missed`, kept small.

    With fewer positions than columns the equations are as many as positions.
    """
    _, positions, columns = given.shape
    power = np.square(given, dtype=np.float64).sum(axis=(1, 2)) / columns
    ridge = np.maximum(RIDGE * power, _LEAST_POWER)[:, None, None]
    turned = given.swapaxes(1, 2)
    if positions < columns:
        inner = (given @ turned).astype(np.float64) + ridge * np.eye(positions)
        return np.asarray((turned @ np.linalg.solve(inner, missed.astype(np.float64))).swapaxes(1, 2))
    inner = (turned @ given).astype(np.float64) + ridge * np.eye(columns)
    return np.asarray(np.linalg.solve(inner, (turned @ missed).astype(np.float64)).swapaxes(1, 2))
