"""Ranges of activations over calibration samples, in bounded memory.

`minmax` lets the graph itself reduce each tensor, so nothing larger than two scalars a tensor leaves the runtime.
The other methods then read the tensors in groups of at most 32 MB a sample and count them into fixed histograms,
from which `clipping` chooses. Samples are fed one by one and never kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, helper

from ...contracts import CalibrationMethod, DataError
from ..onnx_model import is_standard, opset, to_tensor
from .clipping import BINS, ChannelSpans, Counts, Histogram, Range, cut_entropy, cut_mse, cut_percentile
from .graphs import Names, fixed_initializers
from .trial import ENOUGH_ELEMENTS, copy_model, elements_of, opened, run

GROUP_BYTES = 32 * 2**20
COUNTED_AT_ONCE = 2**20
# Ranges are settled that the last samples widened by less than this share, once so many values were seen.
SETTLED_ELEMENTS, SETTLED_SAMPLES, STILL = 2 * ENOUGH_ELEMENTS, 4, 0.01
AXES_AS_INPUT = 18  # reductions have them as an attribute below
_BY_CHANNEL = ("ReduceMin", "ReduceMax", "ReduceSumSquare")

Feeds = Sequence[Mapping[str, Any]]


@dataclass
class _Channels:
    """Extremes, sum of squares and number of values of each channel."""

    lows: npt.NDArray[Any]
    highs: npt.NDArray[Any]
    squares: npt.NDArray[Any]
    count: int

    def joined(self, other: _Channels | None) -> _Channels:
        if other is None or self.lows.shape != other.lows.shape:
            return self
        lows, highs = np.minimum(self.lows, other.lows), np.maximum(self.highs, other.highs)
        return _Channels(lows, highs, self.squares + other.squares, self.count + other.count)

    def spans(self) -> ChannelSpans:
        energies = self.squares / max(self.count, 1)
        return ChannelSpans(*(tuple(each.tolist()) for each in (self.lows, self.highs, energies)))


@dataclass
class _Seen:
    low: float = float("inf")
    high: float = float("-inf")
    shape: tuple[int, ...] = (0,)
    finite: bool = True
    channels: _Channels | None = None

    def add(self, low: float, high: float, shape: tuple[int, ...]) -> None:
        if prod(shape) >= self.elements:
            self.shape = shape
        if prod(shape) == 0:
            return
        self.finite = self.finite and bool(np.isfinite(low) and np.isfinite(high))
        self.low, self.high = min(self.low, low), max(self.high, high)

    def range(self) -> Range:
        return Range(self.low, self.high, self.shape, None if self.channels is None else self.channels.spans())

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def usable(self) -> bool:
        return self.finite and self.low <= self.high


def tensor_ranges(
    model: ModelProto,
    tensors: Sequence[str],
    feeds: Feeds,
    method: CalibrationMethod = "minmax",
    percentile: float = 99.99,
) -> dict[str, Range]:
    """Return the range of each float32 tensor of the main graph that stayed finite on every sample.

    Args:
        model: left as it is.
        tensors: names of inputs or node outputs.
        feeds: at least one sample.
        method: `minmax`, or one that cuts tails (see `clipping`).
        percentile: share of the values, per cent, below the upper end; the lower end mirrors it. Only for the
            method of that name.

    Raises:
        DataError: no samples.
        ToolError: the model does not load, or does not run on them.
    """
    if not tensors:
        return {}
    if not len(feeds):
        raise DataError("calibration needs at least one sample; give --data or --calibration-data")
    seen = {name: each for name, each in _extremes(model, tensors, feeds).items() if each.usable}
    if method == "minmax":
        return {name: each.range() for name, each in seen.items()}
    ranges: dict[str, Range] = {}
    for group in _groups(seen):
        histograms = _histograms(model, {name: seen[name] for name in group}, feeds)
        for name, each in histograms.items():
            cut = _cut(each, method, percentile)
            ranges[name] = replace(seen[name].range(), low=cut.low, high=cut.high)
    return ranges


@dataclass(frozen=True)
class _Watch:
    """What is asked of a tensor: an operator, and the axes it reduces, all where none is named."""

    op_type: str
    tensor: str
    axes: tuple[int, ...] = ()


def _extremes(model: ModelProto, tensors: Sequence[str], feeds: Feeds) -> dict[str, _Seen]:
    watches = [_Watch(op_type, tensor) for tensor in tensors for op_type in ("ReduceMin", "ReduceMax", "Shape")]
    axes = _axes_but_channels(model, tensors)
    watches += [_Watch(op_type, tensor, axes[tensor]) for tensor in axes for op_type in _BY_CHANNEL]
    seen = {tensor: _Seen() for tensor in tensors}
    waiting = _Waiting(feeds)
    for values in _run(model, watches, feeds):
        for index, tensor in enumerate(tensors):
            low, high, shape = values[3 * index : 3 * index + 3]
            seen[tensor].add(float(low), float(high), tuple(int(each) for each in shape))
        for index, tensor in enumerate(axes):
            first = 3 * (len(tensors) + index)
            lows, highs, squares = (np.asarray(each, np.float64) for each in values[first : first + 3])
            shape = values[3 * tensors.index(tensor) + 2]
            if (count := prod(int(each) for each in shape)) and lows.size:
                found = _Channels(lows, highs, squares, count // lows.size)
                seen[tensor].channels = found.joined(seen[tensor].channels)
        if waiting.is_over([(each.low, each.high) for each in seen.values()]):
            break
    return seen


class _Waiting:
    """Tells when further samples are not worth reading: many values were seen, and ranges have stood still."""

    def __init__(self, feeds: Feeds) -> None:
        self._elements = elements_of(feeds[0])
        self._before: list[Sequence[tuple[float, float]]] = []

    def is_over(self, ranges: Sequence[tuple[float, float]]) -> bool:
        """Add the ranges after one more sample."""
        self._before.append(ranges)
        if len(self._before) * self._elements < SETTLED_ELEMENTS or len(self._before) <= SETTLED_SAMPLES:
            return False
        then = self._before[-1 - SETTLED_SAMPLES]
        return all(
            low - now_low <= STILL * (now_high - now_low) and now_high - high <= STILL * (now_high - now_low)
            for (low, high), (now_low, now_high) in zip(then, ranges, strict=True)
        )


def _axes_but_channels(model: ModelProto, tensors: Collection[str]) -> dict[str, tuple[int, ...]]:
    """The axes beside the second of the tensors that convolutions with constant weights read."""
    constants = fixed_initializers(model.graph)
    found: dict[str, tuple[int, ...]] = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and is_standard(node) and node.input[0] in tensors and node.input[1] in constants:
            found[node.input[0]] = (0, *range(2, len(constants[node.input[1]].dims)))
    return found


def watched_values(model: ModelProto, tensors: Sequence[str], feeds: Feeds) -> Iterator[list[Any]]:
    """Yield, sample by sample, the values of tensors of the main graph, of any type.

    Raises:
        ToolError: the model does not load, or does not run on a sample.
    """
    return _run(model, [_Watch("Identity", name) for name in tensors], feeds)


def _run(model: ModelProto, watches: Sequence[_Watch], feeds: Feeds) -> Iterator[list[Any]]:
    """Yield, sample by sample, what each watch gives; the model's own outputs are not computed."""
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for watch in watches:
        node = helper.make_node(watch.op_type, [watch.tensor], [names.fresh("watch")], names.fresh("watcher"))
        if watch.op_type.startswith("Reduce"):
            node.attribute.append(helper.make_attribute("keepdims", 0))
        if watch.axes and opset(model) < AXES_AS_INPUT:
            node.attribute.append(helper.make_attribute("axes", watch.axes))
        elif watch.axes:
            node.input.append(names.fresh("axes"))
            watched.graph.initializer.append(to_tensor(np.array(watch.axes, np.int64), node.input[1]))
        watched.graph.node.append(node)
        watched.graph.output.append(helper.make_empty_tensor_value_info(node.output[0]))
    with opened(watched, as_shipped=False) as session:
        for feed in feeds:
            yield run(session, feed)


def _groups(seen: Mapping[str, _Seen]) -> Iterator[list[str]]:
    """Split the tensors so that one sample's values of each group fit in `GROUP_BYTES`, or are a single tensor."""
    group: list[str] = []
    size = 0
    for name, each in seen.items():
        if group and size + 4 * each.elements > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(name)
        size += 4 * each.elements
    if group:
        yield group


def _histograms(model: ModelProto, seen: Mapping[str, _Seen], feeds: Feeds) -> dict[str, Histogram]:
    counts = {name: np.zeros(BINS, np.int64) for name in seen}
    for values in watched_values(model, list(seen), feeds):
        for (name, each), value in zip(seen.items(), values, strict=True):
            _count(np.asarray(value, np.float32).reshape(-1), each, counts[name])
    return {name: Histogram(each.low, each.high, counts[name]) for name, each in seen.items()}


def _count(values: np.ndarray, seen: _Seen, counts: Counts) -> None:
    """Add `values` to the histogram of their tensor; all fall into the first bin where it has no width."""
    scale = BINS / (seen.high - seen.low) if seen.high > seen.low else 0.0
    for start in range(0, values.size, COUNTED_AT_ONCE):
        offsets = values[start : start + COUNTED_AT_ONCE].astype(np.float64) - seen.low
        bins = np.clip(offsets * scale, 0, BINS - 1).astype(np.int64)
        counts += np.bincount(bins, minlength=BINS)


def _cut(histogram: Histogram, method: CalibrationMethod, percentile: float) -> Range:
    if method == "percentile":
        return cut_percentile(histogram, percentile)
    return cut_entropy(histogram) if method == "entropy" else cut_mse(histogram)
