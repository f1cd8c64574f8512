"""Ranges of activations over calibration samples, in bounded memory.

`minmax` lets the graph itself reduce each tensor, so nothing larger than two scalars a tensor leaves the runtime.
The other methods then read the tensors in groups of at most 32 MB a sample and count them into fixed histograms,
from which `clipping` chooses. Samples are fed one by one and never kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from ...contracts import CalibrationMethod, DataError
from .clipping import BINS, Counts, Histogram, Range, cut_entropy, cut_mse, cut_percentile
from .graphs import Names
from .trial import copy_model, opened, run

GROUP_BYTES = 32 * 2**20
COUNTED_AT_ONCE = 2**20

Feeds = Sequence[Mapping[str, Any]]


@dataclass
class _Seen:
    low: float = float("inf")
    high: float = float("-inf")
    shape: tuple[int, ...] = (0,)
    finite: bool = True

    def add(self, low: float, high: float, shape: tuple[int, ...]) -> None:
        if prod(shape) >= self.elements:
            self.shape = shape
        if prod(shape) == 0:
            return
        self.finite = self.finite and bool(np.isfinite(low) and np.isfinite(high))
        self.low, self.high = min(self.low, low), max(self.high, high)

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
        return {name: Range(each.low, each.high, each.shape) for name, each in seen.items()}
    ranges: dict[str, Range] = {}
    for group in _groups(seen):
        histograms = _histograms(model, {name: seen[name] for name in group}, feeds)
        for name, each in histograms.items():
            ranges[name] = replace(_cut(each, method, percentile), shape=seen[name].shape)
    return ranges


def _extremes(model: ModelProto, tensors: Sequence[str], feeds: Feeds) -> dict[str, _Seen]:
    watches = [(op_type, tensor) for tensor in tensors for op_type in ("ReduceMin", "ReduceMax", "Shape")]
    seen = {tensor: _Seen() for tensor in tensors}
    for values in _run(model, watches, feeds):
        for index, tensor in enumerate(tensors):
            low, high, shape = values[3 * index : 3 * index + 3]
            seen[tensor].add(float(low), float(high), tuple(int(each) for each in shape))
    return seen


def _run(model: ModelProto, watches: Sequence[tuple[str, str]], feeds: Feeds) -> Iterator[list[Any]]:
    """Yield, sample by sample, what each watch (operator, tensor) gives; the model's own outputs are not computed."""
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for op_type, tensor in watches:
        node = helper.make_node(op_type, [tensor], [names.fresh("watch")], names.fresh("watcher"))
        if op_type.startswith("Reduce"):
            node.attribute.append(helper.make_attribute("keepdims", 0))
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
    for values in _run(model, [("Identity", name) for name in seen], feeds):
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
