"""Round weights to 8 bits, symmetric, one scale per channel, or to fp16."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]

INT8_MAX = 127
FP16_MAX = float(np.finfo(np.float16).max)

# A channel of zeros has no scale of its own. The smallest normal float32 survives every cast but the one to fp16,
# which scales are never put through, and is no denormal that a runtime might flush to zero.
SCALE_FLOOR = np.finfo(np.float32).tiny


def channel_scales(weight: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Return the scale that maps each channel's largest magnitude to 127, shaped to broadcast over `weight`.

    Args:
        weight: finite values.
        axes: axes with a scale per index; none gives one scale for all.
    """
    others = tuple(each for each in range(weight.ndim) if each not in axes)
    peak = np.max(np.abs(weight), axis=others, keepdims=True)
    return np.maximum(peak / np.float32(INT8_MAX), SCALE_FLOOR).astype(np.float32)


def round_int8(weight: FloatArray, scales: FloatArray) -> Int8Array:
    """Return `weight / scales` rounded half to even and kept within ±127."""
    return np.clip(np.rint(weight / scales), -INT8_MAX, INT8_MAX).astype(np.int8)


def rounded_int8(weight: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Return the float32 values that int8 with one scale per index of `axes` stands for."""
    scales = channel_scales(weight, axes)
    return round_int8(weight, scales).astype(np.float32) * scales


def rounded_fp16(weight: FloatArray) -> FloatArray:
    """Return the float32 values that fp16 stands for."""
    return weight.astype(np.float16).astype(np.float32)


def rounding_noise(weight: FloatArray, axes: tuple[int, ...]) -> float:
    """Return the energy of what int8 with one scale per index of `axes` loses."""
    return float(np.sum(np.square(weight.astype(np.float64) - rounded_int8(weight, axes))))
