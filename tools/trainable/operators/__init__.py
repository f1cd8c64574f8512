"""The operators by family. Importing this registers them all."""

from ..registry import LIMITS, OPERATORS
from . import (
    arithmetic,
    attention,
    control,
    convolution,
    fused,
    indexing,
    linear,
    making,
    normalization,
    pointwise,
    pooling,
    recurrent,
    reduction,
    resizing,
    scattering,
    shaping,
    storage,
)

__all__ = [
    "LIMITS",
    "OPERATORS",
    "arithmetic",
    "attention",
    "control",
    "convolution",
    "fused",
    "indexing",
    "linear",
    "making",
    "normalization",
    "pointwise",
    "pooling",
    "recurrent",
    "reduction",
    "resizing",
    "scattering",
    "shaping",
    "storage",
]
