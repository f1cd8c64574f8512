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
from ..onnx_model import opset
from .calibrate import Feeds, tensor_ranges
from .clipping import Range
from .computed_rounding import NEAREST, Roundings
from .graphs import Names
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
    names: Names | None = None,
) -> list[LayerForm]:
    """Turn the nodes of `choice` in the main graph to static 8 bits in place; return what became of each, and why.

    Args:
        model: bodies of its `If` and `Loop` are left as they are (see `static_bodies`).
        choice: which nodes.
        ranges: of activations, as `calibrate` gives them.
        per_channel: one scale per output channel of weights, where the opset allows it.
        types: of activations and weights.
        roundings: integers of weights that are not rounded to the nearest.
        names: that are taken, where the model is a part of another one.
    """
    planner = Planner(model)
    plan = planner.plan(choice, ranges)
    writer = Writer(
        model, planner, plan, ranges, per_channel and opset(model) >= PER_CHANNEL_OPSET, types, roundings, names
    )
    layers = [
        writer.layer(index) for index in sorted(plan.units | plan.why.keys() | planner.named_carriers(plan, choice))
    ]
    if plan.units:
        writer.write()
    return layers
