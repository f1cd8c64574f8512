"""Weights and biases of units in static compute: their operands, their scales, their integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from .graphs import float_attribute, int_attribute
from .rounding import FloatArray, channel_scales

_TINY = np.finfo(np.float32).tiny
_BIAS_MAX = 2**30  # half of int32: the other half is for the products that are added to it


def unit_operands(
    node: NodeProto, bias_name: str, values: Callable[[str], FloatArray]
) -> tuple[FloatArray, FloatArray | None, int]:
    """Return weight, bias and the weight's channel axis; `alpha` and `beta` of a `Gemm` are multiplied in."""
    weight = values(node.input[1]) * np.float32(float_attribute(node, "alpha", 1.0))
    axis = 0
    if node.op_type == "MatMul":
        # Above rank 2 a scale per column could not be told from one per batch: one for all.
        axis = 1 if weight.ndim == 2 else -1
    elif node.op_type == "Gemm":
        axis = 0 if int_attribute(node, "transB", 0) else 1
    if not bias_name:
        return weight, None, axis
    bias = values(bias_name).reshape(-1) * np.float32(float_attribute(node, "beta", 1.0))
    return weight, np.broadcast_to(bias, (weight.shape[axis],)), axis


def unit_scales(weight: FloatArray, bias: FloatArray | None, axis: int | None, x_scale: float) -> FloatArray:
    """Return the weight's scales, large enough that the int32 bias in units of `x_scale · scale` does not overflow.

    Args:
        weight: finite values.
        bias: one value per channel of the weight.
        axis: channel axis; None or −1 gives one scale for all.
        x_scale: scale of the activation that the weight meets.
    """
    per_channel = axis is not None and axis >= 0
    scales = channel_scales(weight, (axis,) if per_channel and axis is not None else ())
    least = np.asarray(float(_TINY) * max(1.0, 1.0 / x_scale))
    if bias is not None:
        needed = np.abs(bias.astype(np.float64)) / (x_scale * _BIAS_MAX)
        least = np.maximum(least, needed.reshape(scales.shape) if per_channel else needed.max())
    return np.maximum(scales, least).astype(np.float32)


def bias_codes(bias: FloatArray, scales: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Return a bias in units of `scales`, one a channel or one for all."""
    return np.clip(np.rint(bias.astype(np.float64) / scales), -_BIAS_MAX, _BIAS_MAX).astype(np.int32)
