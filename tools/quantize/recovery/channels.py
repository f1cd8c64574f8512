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

AXES_AS_INPUT = {"ReduceMax": 18, "ReduceMean": 18}  # opset from which axes are an input

Figure = Literal["peak", "mean"]


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


def channel_figures(model: ModelProto, taps: Sequence[Tap], feeds: Feeds, figure: Figure) -> dict[str, FloatArray]:
    """Return for each tensor the `peak` magnitude or the `mean` of each channel, an array of (samples, channels).

    A tensor that is not finite, or has other channels than said, is left out.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    if not taps or not len(feeds):
        return {}
    found: dict[str, list[FloatArray]] = {tap.tensor: [] for tap in taps}
    with opened(_watched(model, taps, figure), as_shipped=False) as session:
        for feed in feeds:
            for tap, value in zip(taps, run(session, feed), strict=True):
                found[tap.tensor].append(np.asarray(value, np.float32).reshape(-1))
    widths = {tap.tensor: tap.channels for tap in taps}
    return {
        name: np.stack(rows)
        for name, rows in found.items()
        if all(row.size == widths[name] and np.isfinite(row).all() for row in rows)
    }


def _watched(model: ModelProto, taps: Sequence[Tap], figure: Figure) -> ModelProto:
    watched = copy_model(model)
    graph, names, version = watched.graph, Names(watched), opset(model)
    del graph.output[:]
    for tap in taps:
        source = tap.tensor
        if figure == "peak":
            source = _append(graph.node, names, "Abs", [source])
        axes = [0, *range(2, tap.rank)]
        if tap.axis == -1:
            shape = names.fresh("rows")
            graph.initializer.append(numpy_helper.from_array(np.array([-1, tap.channels], np.int64), shape))
            source, axes = _append(graph.node, names, "Reshape", [source, shape]), [0]
        op_type = "ReduceMax" if figure == "peak" else "ReduceMean"
        inputs, attributes = [source], dict[str, Any](axes=axes)
        if version >= AXES_AS_INPUT[op_type]:
            inputs, attributes = [source, names.fresh("axes")], {}
            graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), inputs[1]))
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


def peaks(model: ModelProto, taps: Sequence[Tap], feeds: Feeds) -> dict[str, FloatArray]:
    """Return the largest magnitude of each channel over all samples."""
    return {name: rows.max(axis=0) for name, rows in channel_figures(model, taps, feeds, "peak").items()}
