"""Bias correction: give each channel of a quantized operator's output the mean and the deviation that it had.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), the empirical form: the
error is measured on samples, in the order of the graph, so that what was corrected before is in what is measured next.
Measured: corrected all at once, an error counts again in every later unit, which made five of five models worse. A mean
over few samples is uncertain: it is shrunk towards zero by its own variance (James and Stein 1961), so that no noise
is added where there is no bias. The deviation is matched first, where the weight has a scale for each channel: that
does as well as least squares (within .3 dB on eight models) and needs no more than two sums of each output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ....contracts import ToolError
from ...onnx_model import node_graphs, read_names
from ..calibrate import Feeds
from ..rounding import FloatArray
from .biases import QuantizedUnits, Unit
from .channels import Moments, moments, places
from .stages import Stages

SAMPLES = 64
LEAST_SAMPLES = 4
LARGEST_STRETCH = 1.5
LEAST_STRETCH = 1e-4
# Of the power of a channel: what rounding of float32 sums leaves known.
LEAST_SHARE = 1e-3
# About ten seconds of one core.
MULTIPLICATIONS = 1.0e11
# The original runs once, and what is quantized twice: to measure a unit, and to go on from it once it is corrected.
PASSES = 3


def correct_bias(original: ModelProto, quantized: ModelProto, feeds: Feeds, deviations: bool = True) -> int:
    """Correct the biases of `quantized` in place; return in how many units.

    Args:
        original: the same model before it was quantized, prepared as it was.
        quantized: with units found as `biases` says; the others stay as they are.
        feeds: samples to measure on, fewer of which are used in a large model.
        deviations: match deviations too, where the weights' scales allow it.

    Raises:
        ToolError: a model does not load, or does not run on the samples, or is too large to be run so often.
    """
    found = QuantizedUnits(original, quantized)
    levels = _levels(original, found.units)
    if not levels:
        return 0
    used = feeds[: _affordable(original, found.units, feeds)]
    known = moments(original, [unit.tap(unit.known) for unit in found.units], used)
    usable = [[unit for unit in level if unit.known in known] for level in levels]
    stages = Stages(quantized, used, [unit.given for level in usable for unit in level])
    return sum(_correct(found, level, known, stages, deviations) for level in usable if level)


def _correct(
    found: QuantizedUnits, units: Sequence[Unit], known: Mapping[str, Moments], stages: Stages, deviations: bool
) -> int:
    """Correct units none of which reads what another gives."""
    stages.reach(unit.matrix.node.input[0] for unit in units)
    given = stages.moments([unit.tap(unit.given) for unit in units])
    corrected = 0
    for unit in units:
        if unit.given in given:
            before, after = known[unit.known].first(stages.samples), given[unit.given]
            factors = _stretch(unit, before, after) if deviations else None
            mean = after.mean * factors if factors is not None and found.stretch(unit, factors) else after.mean
            by = shrunk_mean(np.float32(unit.slope) * before.mean + np.float32(unit.offset) - mean)
            corrected += int(np.any(by != 0))
            found.shift(unit, by)
    return corrected


def _stretch(unit: Unit, before: Moments, after: Moments) -> FloatArray | None:
    """What each channel is to be multiplied by to deviate as before; None where that changes next to nothing."""
    wanted, found = _variance(before) * unit.slope**2, _variance(after)
    known = (wanted > 0) & (found > 0)
    factors = np.sqrt(np.divide(wanted, found, where=known, out=np.ones_like(wanted)))
    factors = np.clip(factors, 1 / LARGEST_STRETCH, LARGEST_STRETCH)
    return factors.astype(np.float32) if np.max(np.abs(factors - 1)) > LEAST_STRETCH else None


def _variance(figures: Moments) -> npt.NDArray[np.float64]:
    """The variance of each channel over all samples and places; 0 where float32 sums cannot tell it."""
    power = figures.power.mean(axis=0, dtype=np.float64)
    variance = power - np.square(figures.mean.mean(axis=0, dtype=np.float64))
    return np.where(variance > LEAST_SHARE * power, variance, 0.0)


def _levels(original: ModelProto, units: Sequence[Unit]) -> list[list[Unit]]:
    """Group the units by how many others stand before them at most, the first first."""
    own = {id(unit.matrix.node): unit for unit in units}
    depth: dict[str, int] = {}
    levels: dict[int, list[Unit]] = {}
    for node in original.graph.node:
        read = [*node.input, *(name for graph in node_graphs(node) for name in read_names(graph))]
        reached = max((depth.get(name, 0) for name in read), default=0)
        if id(node) in own:
            levels.setdefault(reached, []).append(own[id(node)])
            reached += 1
        depth.update((name, reached) for name in node.output)
    return [levels[key] for key in sorted(levels)]


def _affordable(original: ModelProto, units: Sequence[Unit], feeds: Feeds) -> int:
    """Return how many samples may be read.

    Raises:
        ToolError: fewer than four, or than there are.
    """
    taps = [unit.tap(unit.known) for unit in units]
    wide = places(original, taps, feeds[0])
    once = float(sum(wide[unit.known] * unit.matrix.multiplications for unit in units))
    count = min(len(feeds), SAMPLES, int(MULTIPLICATIONS / max(1.0, once * PASSES)))
    if count < min(len(feeds), LEAST_SAMPLES):
        raise ToolError(f"the model is too large to be run {LEAST_SAMPLES * PASSES} times ({once:.1e} products)")
    return count


def shrunk_mean(rows: FloatArray) -> FloatArray:
    """Return the mean over samples of shape (samples, channels), shrunk by its standard error, one per channel."""
    mean = rows.mean(axis=0, dtype=np.float64)
    if len(rows) < 2:
        return mean.astype(np.float32)
    square = np.square(mean)
    certain = 1 - np.var(rows, axis=0, ddof=1, dtype=np.float64) / len(rows) / np.where(square > 0, square, 1)
    return (mean * np.clip(certain, 0, 1)).astype(np.float32)
