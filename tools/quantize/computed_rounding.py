"""Round the weights of int8 compute by what their inputs say, on the scales that they have anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from onnx import ModelProto

from ...contracts import DataView, QuantizeStep
from ..onnx_model import to_array
from .capture import SAMPLES
from .graphs import fixed_initializers
from .grids import GridForm
from .recurrent_fronts import is_lstm
from .rounding import FloatArray, Int8Array, round_int8
from .rows import rows_of
from .static_plan import StaticChoice
from .storage_units import StorageUnit, storage_units
from .stored_points import Point, captured_points, told

# Elements that may round otherwise than foreseen: a factor in the weight moves halves to either side.
_TIES = 1e-3


class Roundings:
    """The integers of weights by name; a weight that is not among them is rounded to the nearest.

    Foreseen is one scale for each output channel by its largest magnitude. Where a kernel takes another one, as for a
    large bias or with the scales of levelled channels in the weight, nearest integers differ from those foreseen, and
    are kept.
    """

    def __init__(
        self, nearest: Mapping[str, Int8Array] | None = None, points: Mapping[str, Point] | None = None
    ) -> None:
        self._nearest, self._points = nearest or {}, points or {}

    def __bool__(self) -> bool:
        return bool(self._points)

    @property
    def told(self) -> str:
        """What was gained over rounding to the nearest, in one line."""
        return told(list(self._points.values()), "error_feedback")

    def integers(self, name: str, weight: FloatArray, scales: FloatArray, axes: tuple[int, ...]) -> Int8Array:
        """Return `weight / scales` as integers within ±127.

        Args:
            name: of the initializer that the weight was made from.
            weight: its finite values, turned as the kernel wants them.
            scales: broadcast over it.
            axes: those whose indices are independent outputs.
        """
        plain = round_int8(weight, scales)
        if name not in self._points:
            return plain
        rows, _ = rows_of(weight.shape, axes)
        matrix = rows.matrix(plain)
        foreseen = self._nearest[name]
        if matrix.shape != foreseen.shape or np.mean(matrix != foreseen) > _TIES:
            return plain
        return rows.weight(self._points[name].integers, weight.shape)


NEAREST = Roundings()


def captured_roundings(step: QuantizeStep, model: ModelProto, data: DataView) -> Roundings:
    """Return how the weights of `step`'s integer operators round with error feedback.

    Weights too small to be stored in 8 bits, those in bodies of `If` and `Loop`, and those whose inputs cannot be
    looked at are left out.

    Args:
        step: its `static` and `dynamic` compute.
        model: before it is quantized.
        data: of which the calibration part is read.

    Raises:
        ToolError: the model does not run on the samples.
    """
    wanted = set(_weights(step, model))
    units: dict[StorageUnit, GridForm] = {unit: "int8" for unit in storage_units(model) if unit.name in wanted}
    points = captured_points(model, units, data.feeds("calibration", min(step.samples, SAMPLES)), "error_feedback")
    tensors = fixed_initializers(model.graph)
    matrices = {name: point.grid.rows.matrix(to_array(tensors[name])) for name, point in points.items()}
    return Roundings({name: points[name].grid.nearest(matrix) for name, matrix in matrices.items()}, points)


def _weights(step: QuantizeStep, model: ModelProto) -> Iterator[str]:
    static = StaticChoice.of(step)
    dynamic, named, others = step.computed("dynamic"), step.named("dynamic"), step.others("dynamic")
    for node in model.graph.node:
        if is_lstm(node) and step.rounding != "nearest":
            continue  # is rounded by its inputs already
        is_dynamic = node.name in named or (node.op_type in dynamic and node.name not in others)
        if is_dynamic or (static.asks(node) and node.name not in static.keep):
            yield from node.input[1:]
