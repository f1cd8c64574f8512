"""Activation smoothing: move range from activations into the weights that read them, the function unchanged.

Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models" (2023): y = XW
is (X/s)(sW) with s = max|X|^a / max|W|^(1 − a), channel by channel. An activation has one scale, so a few channels
that are larger than the rest leave these few levels; a weight has a scale for each of its outputs. With weights that
are only stored, the same factors give the channels that are read loudest the finer rounding (Lin et al., "AWQ", 2024).
The share a is searched for each activation by the error of its products on captured rows, as the step rounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from ....contracts import QuantizeStep
from ..calibrate import Feeds
from ..rounding import FloatArray, rounded_int8
from ..storage import stored_values
from ..storage_units import StorageUnit, storage_units
from ..trial import copy_model
from .channels import Tap, peaks
from .editor import Editor
from .factors import balanced
from .groups import Group, divide, find_groups
from .matrix import Matrix
from .samples import take_rows

MIGRATIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CAPTURED_SAMPLES = 6
CAPTURED_ROWS = 32
LEAST_ROWS = 8
# A few seconds of one core for all activations together.
MULTIPLICATIONS = 3.0e10
# What a factor has to gain at the products where it costs nothing, and where a `Mul` has to be put in; the latter only
# where at least so many products follow each of its own.
LEAST_GAIN_DB = 0.2
LEAST_GAIN_OF_MUL_DB = 2.0
LEAST_PRODUCTS = 128

_LEVELS = 255

Rounded = Callable[[FloatArray], FloatArray]


def smoothed(model: ModelProto, step: QuantizeStep, feeds: Feeds) -> Iterator[tuple[str, ModelProto]]:
    """Yield the model with its activations smoothed, and in words what was done; nothing where nothing gains.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    changed = copy_model(model)
    rounding = _Rounding(step, changed)
    groups = [group for group in find_groups(changed) if rounding.concerns(group)]
    if not groups:
        return
    taps = [Tap(group.tensor, -1, 0, group.channels) for group in groups]
    ranges = peaks(model, taps, feeds)
    rows = take_rows(model, taps, feeds[:CAPTURED_SAMPLES], _affordable(groups))
    editor = Editor(changed)
    folded = put_in = 0
    for group in groups:
        if group.tensor not in ranges or group.tensor not in rows:
            continue
        factors = _best(group, ranges[group.tensor], rows[group.tensor], rounding, editor)
        if factors is not None:
            divide(changed, editor, group, factors)
            folded += group.absorber is not None
            put_in += group.absorber is None
    if folded + put_in:
        yield f"{folded} activations folded into normalizations, {put_in} by a Mul", changed


def _affordable(groups: Sequence[Group]) -> int:
    once = sum(group.channels * group.outputs for group in groups) * (len(MIGRATIONS) + 2) * CAPTURED_SAMPLES
    return max(LEAST_ROWS, min(CAPTURED_ROWS, int(MULTIPLICATIONS / once)))


@dataclass(frozen=True)
class _Weighed:
    """One operator of a group: its weight with input channels on axis 0, and how its operands are rounded."""

    weight: FloatArray
    round_weight: Rounded
    round_rows: Rounded


def _best(
    group: Group, ranges: FloatArray, rows: Sequence[FloatArray], rounding: _Rounding, editor: Editor
) -> FloatArray | None:
    """The factors with the least error, where that gains enough."""
    operators = [rounding.operator(matrix, editor.values(matrix.weight)) for matrix in group.matrices]
    reads = np.max([np.abs(operator.weight).max(axis=1) for operator in operators], axis=0)
    plain = _noise(operators, rows, np.ones(group.channels, np.float32))
    tried = [balanced(ranges, reads, migration) for migration in MIGRATIONS]
    noises = [_noise(operators, rows, factors) for factors in tried]
    least = int(np.argmin(noises))
    if not np.isfinite(plain) or not plain > 0 or not noises[least] > 0:
        return None
    gain = 10 * np.log10(plain / noises[least])
    if group.absorber is not None:
        return tried[least] if gain >= LEAST_GAIN_DB else None
    worth = gain >= LEAST_GAIN_OF_MUL_DB and group.outputs >= LEAST_PRODUCTS and rounding.computes(group)
    return tried[least] if worth else None


def _noise(operators: Sequence[_Weighed], rows: Sequence[FloatArray], factors: FloatArray) -> float:
    """The error of the products, as a share of their energy, over all operators and samples."""
    total = 0.0
    for operator in operators:
        weight = operator.round_weight(operator.weight * factors[:, None])
        signal = noise = 0.0
        for sample in rows:
            wanted = sample @ operator.weight
            error = operator.round_rows(sample / factors) @ weight - wanted
            signal += float(np.vdot(wanted, wanted))
            noise += float(np.vdot(error, error))
        total += noise / signal if signal > 0 else 0.0
    return total


def rounded_uint8(values: FloatArray) -> FloatArray:
    """Return the float32 values that uint8 with one scale and zero point for all stands for."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if high <= low:
        return values
    scale = (high - low) / _LEVELS
    zero = np.rint(-low / scale)
    return ((np.clip(np.rint(values / scale) + zero, 0, _LEVELS) - zero) * scale).astype(np.float32)


def _unrounded(values: FloatArray) -> FloatArray:
    return values


class _Rounding:
    """How a step rounds the operands of the linear operators of a model."""

    def __init__(self, step: QuantizeStep, model: ModelProto) -> None:
        self._step = step
        self._units = {unit.name: unit for unit in storage_units(model) if not unit.in_subgraph}

    def _form(self, matrix: Matrix) -> str:
        node = matrix.node
        form = self._step.nodes.get(node.name) or self._step.compute.get(node.op_type, "fp32")
        if form in ("static", "dynamic"):
            return form
        storage = self._step.stored.get(matrix.weight, self._step.storage)
        return "stored" if storage in ("int8", "int8_block", "int4") and matrix.weight in self._units else "fp32"

    def concerns(self, group: Group) -> bool:
        """Whether anything of the group is rounded."""
        return any(self._form(matrix) != "fp32" for matrix in group.matrices)

    def computes(self, group: Group) -> bool:
        """Whether the activation itself is rounded."""
        return any(self._form(matrix) in ("static", "dynamic") for matrix in group.matrices)

    def operator(self, matrix: Matrix, weight: FloatArray) -> _Weighed:
        """Return `matrix` with its rounding."""
        lies = matrix.input_axis == 1
        rows = weight if lies else np.ascontiguousarray(weight.T)
        form = self._form(matrix)
        if form == "fp32":
            return _Weighed(rows, _unrounded, _unrounded)
        if form == "stored":
            unit = self._units[matrix.weight]
            return _Weighed(rows, lambda values: self._stored(values, unit, lies), _unrounded)
        axes = (1,) if self._step.per_channel else ()
        return _Weighed(rows, lambda values: rounded_int8(values, axes), rounded_uint8)

    def _stored(self, rows: FloatArray, unit: StorageUnit, lies: bool) -> FloatArray:
        storage = self._step.stored.get(unit.name) or self._step.storage
        weight = rows if lies else np.ascontiguousarray(rows.T)
        if storage == "none" or storage == "fp32":
            return rows
        values = stored_values(weight, unit, storage, self._step.block)
        return rows if values is None else values if lies else values.T
