"""Quantize what a float node gives with one scale per channel, at no cost to the convolution that reads it.

Before: `QuantizeLinear(x; s, z) → DequantizeLinear(s, z) → Conv(W)`. After: `QuantizeLinear(x; s · share, z)` along
the channels, so that a channel that reaches only a share of the range takes all codes too, the same
`DequantizeLinear(s, z)`, and `W · share`: the kernel sees one scale. This moves the spread of the channels from the
activation into the weight, as in Xiao et al., "SmoothQuant", 2023, without the division. How far (the power of the
shares) is chosen by the noise that the roundings of both are expected to make, and it is left alone where that gains
little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ..onnx_model import to_array
from .clipping import ChannelSpans, Range
from .code_grids import CODES
from .graphs import int_attribute
from .rounding import INT8_MAX, FloatArray
from .static_plan import Planner, StaticPlan

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU")
LEAST_SHARE = 1 / 32  # what a channel was not seen to reach it may reach yet
POWERS = (0.5, 0.7, 0.85, 1.0)
GAIN = 0.8  # noise, as energy, below which it is done
LEAST_BLOCK = 4  # neighbouring elements of a channel: with fewer, the runtime's QuantizeLinear is slow


def levelled(planner: Planner, plan: StaticPlan, ranges: Mapping[str, Range]) -> dict[str, FloatArray]:
    """Return the shares, one per channel, of the tensors that are better quantized by channel."""
    found: dict[str, FloatArray] = {}
    made = {name for index in plan.quantized for name in planner.nodes[plan.last(index)].output}
    for tensor in plan.scales:
        readers = [index for index in planner.readers(tensor) if index is not None and index in plan.quantized]
        nodes = [planner.nodes[index] for index in readers]
        if tensor in made or not plan.units.issuperset(readers) or any(node.op_type != "Conv" for node in nodes):
            continue
        if _follows_codes(planner, plan, tensor):
            continue
        shares = _best_shares(ranges[tensor], [(node, to_array(planner.constants[node.input[1]])) for node in nodes])
        if shares is not None:
            found[tensor] = shares
    return found


def _follows_codes(planner: Planner, plan: StaticPlan, tensor: str) -> bool:
    """Tell whether integers, or a change of layout, lead into the tensor with no float product between.

    The runtime keeps integers with their channels last, and carries that on through what is between; its
    `QuantizeLinear` by channel takes 50 times as long then.
    """
    waiting, seen = [tensor], set[int]()
    inside = {plan.last(index) for index in plan.quantized}
    while waiting:
        index = planner.maker(waiting.pop())
        if index is None or index in seen:
            continue
        if index in inside or index in plan.quantized:
            return True
        seen.add(index)
        node = planner.nodes[index]
        if node.op_type == "Transpose":
            return True
        if node.op_type not in PRODUCTS:
            waiting += node.input
    return False


def take_in(weight: FloatArray, node: NodeProto, shares: FloatArray) -> FloatArray:
    """Return the weight of a convolution with the shares of its input multiplied in."""
    if int_attribute(node, "group", 1) == 1:
        return weight * shares.reshape(1, -1, *[1] * (weight.ndim - 2))
    each = np.repeat(
        shares.reshape(int_attribute(node, "group", 1), -1), weight.shape[0] // int_attribute(node, "group", 1), 0
    )
    return weight * each.reshape(*each.shape, *[1] * (weight.ndim - 2))


def _best_shares(span: Range, readers: list[tuple[NodeProto, FloatArray]]) -> FloatArray | None:
    if span.channels is None or span.shape is None or np.prod(span.shape[2:]) < LEAST_BLOCK:
        return None
    reached, energies = _reached(span, span.channels), np.asarray(span.channels.energies)
    step = (max(span.high, 0.0) - min(span.low, 0.0)) / CODES
    tried = [reached**power for power in (0.0, *POWERS)]
    noises = [sum(_noise(node, weight, step, energies, shares) for node, weight in readers) for shares in tried]
    best = int(np.argmin(noises))
    return tried[best].astype(np.float32) if noises[best] < GAIN * noises[0] else None


def _reached(span: Range, channels: ChannelSpans) -> npt.NDArray[np.float64]:
    """The share of the range that each channel reaches, on the side where it reaches more; the tails may be cut."""
    shares = np.full(len(channels.highs), LEAST_SHARE)
    if span.high > 0:
        shares = np.maximum(shares, np.asarray(channels.highs) / span.high)
    if span.low < 0:
        shares = np.maximum(shares, np.asarray(channels.lows) / span.low)
    return np.minimum(shares, 1.0)


def _noise(
    node: NodeProto, weight: FloatArray, step: float, energies: npt.NDArray[Any], shares: npt.NDArray[Any]
) -> float:
    """The energy that both roundings leave at the output, times twelve: steps squared, by what multiplies them."""
    taken = take_in(weight, node, shares.astype(np.float32)).astype(np.float64)
    activation = np.square(step * taken).sum()
    steps = np.abs(taken).max(axis=tuple(range(1, weight.ndim))) / INT8_MAX
    met = energies / np.square(shares)
    per_output = met.sum() if int_attribute(node, "group", 1) == 1 else met.mean() * weight.shape[1]
    return float(activation + np.square(steps).sum() * per_output * np.prod(weight.shape[2:]))
