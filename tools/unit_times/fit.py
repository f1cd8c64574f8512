"""Fit what the profiler does not tell: the scale of its times, and what changes of form cost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...contracts import NodeForm
from .profiles import UnitProfile
from .regions import Edge, Regions, crossings

# Calling a kernel costs as much as converting about this many elements.
KERNEL_ELEMENTS = 2000.0
# How much what the profiler says counts against a measured total.
_PRIOR = 0.05

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A mixture that was timed: its forms, float32 ones not named, and CPU microseconds of a call."""

    forms: Mapping[str, NodeForm]
    us: float


@dataclass(frozen=True)
class Costs:
    """Microseconds by unit and form, and of each element that changes its form on an edge."""

    units: Mapping[NodeForm, Mapping[str, float]]
    quantize: float
    dequantize: float


class Widths:
    """What each edge weighs: elements of what is converted, shared by all that convert the same tensor."""

    def __init__(self, edges: Sequence[Edge], elements: Mapping[str, int]) -> None:
        readers, targets = dict[str, int](), dict[str, int]()
        for edge in edges:
            readers[edge.read] = readers.get(edge.read, 0) + 1
            targets[edge.given] = targets.get(edge.given, 0) + 1
        self._read = {name: (elements.get(name, 0) + KERNEL_ELEMENTS) / count for name, count in readers.items()}
        self._given = {name: (elements.get(name, 0) + KERNEL_ELEMENTS) / count for name, count in targets.items()}

    def quantized(self, edge: Edge) -> float:
        """Elements that are quantized where only the target is static."""
        return self._read[edge.read]

    def dequantized(self, edge: Edge) -> float:
        """Elements that are dequantized where only the source is static."""
        return self._given[edge.given]


def fit(
    regions: Regions,
    widths: Widths,
    profiles: Mapping[NodeForm, UnitProfile],
    totals: Mapping[NodeForm, Measured],
    mixtures: Sequence[Measured],
) -> Costs:
    """Return the costs that explain the measured CPU times best, none negative.

    Times of float32 and of dynamic units are their profiles, scaled so that the sum is the measured total. For static
    ones the scale is fitted together with the costs of quantizing and dequantizing an element, over the model in which
    all units are static and the mixtures (least squares of relative errors, with the profiler's own figures as a weak
    prior), because a change of form costs more than its kernels: fusions and blocked layouts are lost around it.

    Args:
        regions: of the model.
        widths: of its edges.
        profiles: of the models in which all units that can have one form.
        totals: the same models, timed.
        mixtures: of static and float32 units, timed.
    """
    first = totals["fp32"].us / profiles["fp32"].total
    plain = _scaled(profiles["fp32"].units, first)
    units: dict[NodeForm, Mapping[str, float]] = {"fp32": plain}
    if "dynamic" in totals:
        units["dynamic"] = _dynamic(plain, profiles["dynamic"], totals["dynamic"], first)
    if "static" not in totals:
        return Costs(units, 0.0, 0.0)
    raw = {unit: profiles["static"].units.get(unit, 0.0) for unit in totals["static"].forms}
    rows = [_row(each, raw, units, regions, widths) for each in (totals["static"], *mixtures)]
    into, out = rows[0][0][1:3]
    per_element = first * profiles["static"].boundary / max(into + out, 1.0)
    scale, quantize, dequantize = _solve(rows, np.array([first, per_element, per_element]))
    units["static"] = _scaled(raw, scale)
    return Costs(units, quantize, dequantize)


def _scaled(times: Mapping[str, float], factor: float) -> dict[str, float]:
    return {unit: factor * value for unit, value in times.items()}


def _dynamic(plain: Mapping[str, float], profile: UnitProfile, total: Measured, usual: float) -> dict[str, float]:
    rest = sum(value for unit, value in plain.items() if unit not in total.forms)
    raw = {unit: profile.units.get(unit, 0.0) for unit in total.forms}
    known = sum(raw.values())
    # Where little is dynamic, the difference of two totals is mostly noise.
    scale = min(2 * usual, max(usual / 2, (total.us - rest) / known)) if known else usual
    return _scaled(raw, scale)


def _row(
    each: Measured,
    raw: Mapping[str, float],
    units: Mapping[NodeForm, Mapping[str, float]],
    regions: Regions,
    widths: Widths,
) -> tuple[Vector, float, float]:
    """Return (static time, elements quantized, elements dequantized), the time left for them, and the whole time."""
    rest = sum(units[each.forms.get(unit, "fp32")].get(unit, 0.0) for unit in regions.rank if not _static(each, unit))
    static = sum(raw.get(unit, 0.0) for unit in regions.rank if _static(each, unit))
    into, out = crossings(regions.edges, each.forms)
    quantized, dequantized = sum(map(widths.quantized, into)), sum(map(widths.dequantized, out))
    return np.array([static, quantized, dequantized]), each.us - rest, each.us


def _static(each: Measured, unit: str) -> bool:
    return each.forms.get(unit) == "static"


def _solve(rows: Sequence[tuple[Vector, float, float]], prior: Vector) -> tuple[float, float, float]:
    """Return the scale and the two costs; each row counts by its relative error."""
    matrix = np.array([row / whole for row, _, whole in rows])
    wanted = np.array([left / whole for _, left, whole in rows])
    weights = _PRIOR * np.linalg.norm(matrix, axis=0)
    matrix, wanted = np.vstack([matrix, np.diag(weights)]), np.concatenate([wanted, weights * prior])
    scale, quantize, dequantize = (float(value) for value in nonnegative_least_squares(matrix, wanted))
    return scale, quantize, dequantize


def nonnegative_least_squares(matrix: Matrix, wanted: Vector) -> Vector:
    """Return x ≥ 0 with the least |matrix · x − wanted|, for a few unknowns: every set of those above 0 is tried."""
    unknowns = matrix.shape[1]
    best, least = np.zeros(unknowns), float(np.linalg.norm(wanted))
    for size in range(1, unknowns + 1):
        for chosen in map(list, itertools.combinations(range(unknowns), size)):
            found = np.linalg.lstsq(matrix[:, chosen], wanted, rcond=None)[0]
            error = float(np.linalg.norm(matrix[:, chosen] @ found - wanted))
            if (found >= 0).all() and error < least:
                best, least = np.zeros(unknowns), error
                best[chosen] = found
    return best


def predicted(forms: Mapping[str, NodeForm], costs: Costs, regions: Regions, widths: Widths) -> float:
    """Return CPU microseconds of a call of the model with `forms`."""
    total = sum(costs.units[forms.get(unit, "fp32")].get(unit, 0.0) for unit in regions.rank)
    into, out = crossings(regions.edges, forms)
    return (
        total + costs.quantize * sum(map(widths.quantized, into)) + costs.dequantize * sum(map(widths.dequantized, out))
    )
