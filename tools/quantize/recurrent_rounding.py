"""Round the weights of dynamic int8 LSTMs by what they are multiplied with, and choose the recurrent one's scales.

`DynamicQuantizeLSTM` multiplies its recurrent weight once per step. With a scale for each gate and unit the steps take
a tenth longer than with one for all (measured: 192 and 256 units, batch 1), which rounded to the nearest costs 2 dB.
Rounded with error feedback (`error_feedback`) it costs .3 dB, so one scale is taken where the answers on calibration
samples hardly get worse for it. The product with the input is made once for all steps: there a scale each is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto

from ...contracts import DataError, DataView, QuantizeStep, Rounding
from ..onnx_model import to_array
from .capture import SAMPLES, Feeds, Moments, capture
from .error_feedback import error_energy, usable
from .graphs import fixed_initializers
from .grids import Grid, make_grid
from .recurrent_fronts import is_lstm
from .recurrent_judge import Judge
from .recurrent_weights import RecurrentWeight
from .rounding import INT8_MAX, FloatArray
from .storage_units import DEFAULT_BLOCK, StorageUnit
from .stored_points import rounded_point

# What one scale may cost a node's answers.
LOST_DB = 1.0
# Shares of the largest magnitude that the one scale is tried on.
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6)
_WEIGHTS = (1, 2)

Rounded = Mapping[str, RecurrentWeight]


def round_recurrent(step: QuantizeStep, model: ModelProto, data: DataView | None) -> tuple[Rounded, list[str]]:
    """Return the int8 weights, by name, of the LSTMs that `step` makes dynamic where it rounds by inputs; and notes.

    Raises:
        DataError: rounding is to look at inputs and there are no samples.
        ToolError: the model does not run on them.
    """

    def takes(node: NodeProto) -> bool:
        return step.nodes.get(node.name, step.compute.get(node.op_type)) == "dynamic"

    nodes = [node for node in model.graph.node if is_lstm(node) and takes(node)]
    if step.rounding == "nearest" or not step.per_channel or not nodes:
        return {}, []
    feeds = data.feeds("calibration", min(step.samples, SAMPLES)) if data else []
    if not len(feeds):
        raise DataError(f"rounding {step.rounding} needs calibration samples; give --data or --calibration-data")
    rounded = rounded_weights(model, nodes, feeds, step.rounding)
    one = sum(not weight.is_fine for weight in rounded.values())
    return rounded, [f"LSTM: {len(rounded)} weights rounded by their inputs, {one} recurrent with one scale"]


def rounded_weights(model: ModelProto, nodes: Sequence[NodeProto], feeds: Feeds, rounding: Rounding) -> Rounded:
    """Return the int8 weights of LSTMs of the main graph, as far as their inputs can be looked at.

    Args:
        model: with all its weights, still in float32.
        nodes: the LSTMs.
        feeds: calibration samples.
        rounding: `error_feedback` or `learned`.
    """
    fine: dict[str, RecurrentWeight] = {}
    one: dict[str, RecurrentWeight] = {}
    tensors = fixed_initializers(model.graph)
    recurrent = {node.input[2] for node in nodes}
    for unit, moments in capture(model, list(_units(model, nodes)), feeds):
        weight = to_array(tensors[unit.name])
        if not np.isfinite(weight).all() or not usable(moments):
            continue
        grid = make_grid(weight, "int8", unit.axes, DEFAULT_BLOCK)
        matrix = grid.rows.matrix(weight)
        fine[unit.name] = _rounded(matrix, grid, rounding, moments, unit)
        if unit.name in recurrent:
            one[unit.name] = _rounded(matrix, _one_scale(matrix, grid, moments, unit), rounding, moments, unit)
    return {**fine, **_bearable(model, nodes, fine, one, feeds)}


def _units(model: ModelProto, nodes: Sequence[NodeProto]) -> Iterator[StorageUnit]:
    tensors = fixed_initializers(model.graph)
    for name in dict.fromkeys(node.input[index] for index in _WEIGHTS for node in nodes):
        if name in tensors:
            yield StorageUnit(name, "LSTM", tuple(tensors[name].dims), (0, 1), in_subgraph=False)


def _rounded(
    matrix: FloatArray, grid: Grid, rounding: Rounding, moments: Moments, unit: StorageUnit
) -> RecurrentWeight:
    point = rounded_point(matrix, grid, rounding, moments)
    return RecurrentWeight.of(point.integers, point.grid.scales, unit.shape[0])


def _one_scale(matrix: FloatArray, grid: Grid, moments: Moments, unit: StorageUnit) -> Grid:
    """Return the grid with one scale per direction, its range cut where that costs the outputs less."""
    directions = unit.shape[0]
    peaks = np.abs(matrix).reshape(directions, -1).max(axis=1) / np.float32(INT8_MAX)
    rows = len(matrix) // directions
    tried = [grid.with_scales(np.repeat(peaks * np.float32(clip), rows)[:, None]) for clip in _CLIPS]
    costs = [error_energy(matrix - each.values(each.nearest(matrix)), moments) for each in tried]
    best = np.argmin(np.stack([cost.reshape(directions, -1).sum(axis=1) for cost in costs]), axis=0)
    chosen = peaks * np.asarray(_CLIPS, np.float32)[best]
    return grid.with_scales(np.repeat(chosen, rows)[:, None])


def _bearable(
    model: ModelProto, nodes: Sequence[NodeProto], fine: Rounded, one: Rounded, feeds: Feeds
) -> dict[str, RecurrentWeight]:
    """Return those of one scale that hardly cost the answers of any node that reads them."""
    judge = Judge(model, feeds) if one else None
    counts = Counter(node.name for node in model.graph.node)

    def costs(node: NodeProto, name: str) -> float:
        if judge is None or counts[node.name] > 1:
            return np.inf
        return judge.decibels(model, node.name, fine) - judge.decibels(model, node.name, {**fine, name: one[name]})

    return {name: weight for name, weight in one.items() if _most(nodes, name, costs) <= LOST_DB}


def _most(nodes: Sequence[NodeProto], name: str, costs: Callable[[NodeProto, str], float]) -> float:
    return max((costs(node, name) for node in nodes if node.input[2] == name), default=np.inf)
