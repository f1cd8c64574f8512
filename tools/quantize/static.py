"""Static int8 compute: activations are uint8 with calibrated ranges, weights int8, in the QDQ form.

Before: `Conv(x, W, b)`. After: `QuantizeLinear → DequantizeLinear` on `x` and on the output, an int8 `W` and an
int32 `b` each behind `DequantizeLinear`; onnxruntime fuses what stands between them into `QLinearConv` and its kin.
Activations are asymmetric and per tensor, weights symmetric with one scale per output channel. uint8 activations
with int8 weights (U8S8) is the form that processors with VNNI are fast at; the other types hold the same values,
moved by 128. A file in QDQ form means the same without any fusion.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto

from ...contracts import CalibrationMethod, LayerForm
from ..onnx_model import iter_graphs, opset
from .calibrate import Feeds, tensor_ranges
from .clipping import Range
from .computed_rounding import NEAREST, Roundings
from .static_plan import Planner, StaticChoice
from .static_write import U8S8, StaticTypes, Writer

PER_CHANNEL_OPSET = 13  # DequantizeLinear has no axis below


def calibrate(
    model: ModelProto,
    choice: StaticChoice,
    feeds: Feeds,
    method: CalibrationMethod = "minmax",
    percentile: float = 99.99,
) -> dict[str, Range]:
    """Return the ranges of all activations that static compute of `choice` would quantize."""
    scales = Planner(model).plan(choice).scales
    return tensor_ranges(model, sorted({*scales, *scales.values()}), feeds, method, percentile)


def write_static(
    model: ModelProto,
    choice: StaticChoice,
    ranges: Mapping[str, Range],
    per_channel: bool = True,
    types: StaticTypes = U8S8,
    roundings: Roundings = NEAREST,
) -> list[LayerForm]:
    """Turn the nodes of `choice` to static 8 bits in place; return what became of each, with the reason."""
    planner = Planner(model)
    plan = planner.plan(choice, ranges)
    writer = Writer(model, planner, plan, ranges, per_channel and opset(model) >= PER_CHANNEL_OPSET, types, roundings)
    layers = [
        writer.layer(index) for index in sorted(plan.units | plan.why.keys() | planner.named_carriers(plan, choice))
    ]
    layers += [
        LayerForm(name=node.name, op_type=node.op_type, form="fp32", why="it is inside a subgraph")
        for graph in list(iter_graphs(model))[1:]
        for node in graph.node
        if choice.asks(node)
    ]
    if plan.units:
        writer.write()
    return layers
