"""Figures of activations channel by channel, over samples: reduced inside the graph, so that little leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ...onnx_model import opset
from ..calibrate import Feeds
from ..graphs import Names
from ..rounding import FloatArray
from ..trial import copy_model, opened, run

AXES_AS_INPUT = 18  # opset from which the axes of a reduction are an input

Figure = Literal["peak", "mean", "power"]


@dataclass(frozen=True)
class Tap:
    """A tensor to watch.

    Attributes:
        axis: its channel axis: 1, or −1 for the last.
        rank: its rank, needed for axis 1.
        channels: its channels, needed for the last axis.
    """

    tensor: str
    axis: int
    rank: int
    channels: int


@dataclass(frozen=True)
class Moments:
    """Mean, and mean of squares, of each channel: arrays of (samples, channels)."""

    mean: FloatArray
    power: FloatArray

    def first(self, samples: int) -> Moments:
        """Return those of the first samples."""
        return Moments(self.mean[:samples], self.power[:samples])


def peaks(model: ModelProto, taps: Sequence[Tap], feeds: Feeds) -> dict[str, FloatArray]:
    """Return the largest magnitude of each channel over all samples; a tensor that is not finite is left out."""
    found = channel_figures(model, [(tap, "peak") for tap in taps], feeds)
    return {tap.tensor: rows.max(axis=0) for tap, rows in zip(taps, found, strict=True) if rows is not None}


def moments(model: ModelProto, taps: Sequence[Tap], feeds: Feeds) -> dict[str, Moments]:
    """Return the moments of each channel; a tensor that is not finite is left out."""
    figures: tuple[Figure, Figure] = ("mean", "power")
    watches: list[tuple[Tap, Figure]] = [(tap, figure) for tap in taps for figure in figures]
    found = channel_figures(model, watches, feeds)
    pairs = zip(taps, found[::2], found[1::2], strict=True)
    return {tap.tensor: Moments(mean, power) for tap, mean, power in pairs if mean is not None and power is not None}


def channel_figures(model: ModelProto, watches: Sequence[tuple[Tap, Figure]], feeds: Feeds) -> list[FloatArray | None]:
    """Return for each watch an array of (samples, channels); None where it is not finite, or has other channels.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    if not watches or not len(feeds):
        return [None for _ in watches]
    found: list[list[FloatArray]] = [[] for _ in watches]
    with opened(_watched(model, watches), as_shipped=False) as session:
        for feed in feeds:
            for rows, value in zip(found, run(session, feed), strict=True):
                rows.append(np.asarray(value, np.float32).reshape(-1))
    return [_stacked(rows, tap.channels) for rows, (tap, _) in zip(found, watches, strict=True)]


def _stacked(rows: Sequence[FloatArray], width: int) -> FloatArray | None:
    usable = all(row.size == width and np.isfinite(row).all() for row in rows)
    return np.stack(rows) if usable else None


def _watched(model: ModelProto, watches: Sequence[tuple[Tap, Figure]]) -> ModelProto:
    watched = copy_model(model)
    graph, names, version = watched.graph, Names(watched), opset(model)
    del graph.output[:]
    for tap, figure in watches:
        source = tap.tensor
        if figure == "peak":
            source = _append(graph.node, names, "Abs", [source])
        if figure == "power":
            source = _append(graph.node, names, "Mul", [source, source])
        axes = [0, *range(2, tap.rank)]
        if tap.axis == -1:
            shape = names.fresh("rows")
            graph.initializer.append(numpy_helper.from_array(np.array([-1, tap.channels], np.int64), shape))
            source, axes = _append(graph.node, names, "Reshape", [source, shape]), [0]
        inputs, attributes = [source], dict[str, Any](axes=axes)
        if version >= AXES_AS_INPUT:
            inputs, attributes = [source, names.fresh("axes")], {}
            graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), inputs[1]))
        op_type = "ReduceMax" if figure == "peak" else "ReduceMean"
        output = _append(graph.node, names, op_type, inputs, keepdims=0, **attributes)
        graph.output.append(helper.make_empty_tensor_value_info(output))
    return watched


def places(model: ModelProto, taps: Sequence[Tap], feed: Mapping[str, Any]) -> dict[str, int]:
    """Return how many places each tensor has for one sample: its elements in each channel.

    Raises:
        ToolError: the model does not load, or does not run on the sample.
    """
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for tap in taps:
        watched.graph.output.append(
            helper.make_empty_tensor_value_info(_append(watched.graph.node, names, "Size", [tap.tensor]))
        )
    with opened(watched, as_shipped=False) as session:
        sizes = run(session, feed)
    return {tap.tensor: int(size) // tap.channels for tap, size in zip(taps, sizes, strict=True)}


def _append(nodes: Any, names: Names, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
    output = names.fresh("watch")
    made: NodeProto = helper.make_node(op_type, list(inputs), [output], names.fresh("watcher"), **attributes)
    nodes.append(made)
    return output
