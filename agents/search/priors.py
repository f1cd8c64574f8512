"""What each lever is expected to do before anything was measured here.

The figures are medians over the models that were measured side by side (an AVX512-VNNI server, one
thread), scaled by how the machine at hand differs from that one; what a run measures replaces them. They are keyed to
operator classes, never to models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...contracts import (
    CalibrationMethod,
    Compute,
    HostProbe,
    OperatorClass,
    Profile,
    QuantizeLever,
    Recovery,
    Rounding,
    Storage,
)
from .reference import scale

# Operators by ONNX's names, and by ATen's for torch programs, whose recurrent ones have no faster form.
CONVOLUTIONS = ("Conv", "ConvTranspose", "conv1d", "conv2d")
PRODUCTS = ("MatMul", "Gemm", "linear")
RECURRENT = ("LSTM",)

# (weight bytes per node, int8 time / fp32 time): wide convolutions gain, narrow and depthwise ones do not.
STATIC_CONVOLUTIONS = ((128 * 1024, 0.25), (32 * 1024, 0.45), (8 * 1024, 0.8), (0, 1.05))

# (weight bytes per node, int8 time / fp32 time of a dynamic product): a small one spends on quantizing its
# input what it saves.
DYNAMIC_PRODUCTS = ((256 * 1024, 0.5), (32 * 1024, 0.6), (0, 1.0))
DYNAMIC_CONVOLUTION, STATIC_PRODUCT, DYNAMIC_RECURRENT = 3.0, 0.6, 0.37
# From this weight per node on, an operator is one of the large ones that `probe` times.
LARGE_BYTES = 32 * 1024
# Nobody would run int8 compute that is this much slower than fp32; how much slower exactly does not matter.
SLOWEST = 1.6

# A torch program with normalizations folded and the fastest layout: time before / time after.
TORCH_GRAPH_GAIN = 1.15
# Size goes with the channels that are kept to this power; fidelity of a model that was not trained after, in dB.
CHANNELS_TO_SIZE = 1.7
PRUNED_DB = 12.0
# Fidelity of an onnx model without channels, the rest fitted to the whole: less the more are taken out.
INNER_DB, INNER_DB_LOST = 37.0, 24.0

# Of convolutions' time, what a mixture saves in nets with depthwise ones, which stay in float32.
MIXED_DEPTHWISE = 0.25

STORAGE_BYTES_PER_WEIGHT_BYTE = {"none": 1.0, "fp16": 0.5, "int8": 0.252, "int8_block": 0.266, "int4": 0.141}
COMPUTE_BYTES_PER_WEIGHT_BYTE = 0.252
LEFT_BY_COMPUTE = 0.05
# int4 with the error of each column fed back into the next. Of models stored whole, 15 at 8 and 16 bits and 11 at 4:
# 24 to 65 dB at 8 bits, 25 to 48 at 4.
STORAGE_FIDELITY_DB = {"none": 140.0, "fp16": 81.0, "int8": 52.0, "int8_block": 53.0, "int4": 38.0}
# Two nodes and a scale for each stored weight; two node pairs and their parameters for each static unit.
STORAGE_NODE_BYTES = 260
COMPUTE_NODE_BYTES = {"static": 900, "dynamic": 600, "half": 160}


# Percentile at which heavy tails of recurrent inputs are cut, where calibration shows that it helps.
_CLIPPED_AT = 99.0


def _is_recurrent(compute: Mapping[str, Compute]) -> bool:
    return any(compute.get(op_type) == "dynamic" for op_type in RECURRENT)


def rounding(storage: Storage, compute: Mapping[str, Compute]) -> Rounding:
    """Return how weights are rounded.

    To nearest at 8 bits, while at 4 that alone ruins some models; with the errors fed back a dynamic LSTM needs one
    recurrent scale only, which makes it a tenth faster.
    """
    return "error_feedback" if storage == "int4" or _is_recurrent(compute) else "nearest"


def clipped_at(compute: Mapping[str, Compute]) -> float | None:
    """Return the percentile at which inputs may be cut, none without a dynamic LSTM to read them."""
    return _CLIPPED_AT if _is_recurrent(compute) else None


def has_depthwise(profile: Profile) -> bool:
    """Tell whether depthwise convolutions shape the model, as in MobileNet-like nets."""
    conv = profile.operator("Conv") or profile.operator("conv2d")
    return conv is not None and conv.depthwise >= max(1, conv.count // 5)


def time_factor(op_type: str, form: Compute, profile: Profile, host: HostProbe) -> float:
    """Return int8 time / fp32 time of one operator type on `host`."""
    prior = _prior(op_type, form, profile)
    return min(prior * _host_scale(op_type, form, profile, host), max(prior, SLOWEST))


def _prior(op_type: str, form: Compute, profile: Profile) -> float:
    if op_type in CONVOLUTIONS:
        return DYNAMIC_CONVOLUTION if form == "dynamic" else _by_weight(op_type, profile, STATIC_CONVOLUTIONS)
    if op_type in PRODUCTS:
        return STATIC_PRODUCT if form == "static" else _by_weight(op_type, profile, DYNAMIC_PRODUCTS)
    return DYNAMIC_RECURRENT


def _host_scale(op_type: str, form: Compute, profile: Profile, host: HostProbe) -> float:
    """Return how much slower int8 is here than where the priors come from; depthwise convolutions by their share."""
    if op_type in PRODUCTS:
        return scale(_class(op_type, profile, "product_large", "product_small"), form, host)
    if op_type not in CONVOLUTIONS:
        return scale("recurrent", form, host)
    operator = profile.operator(op_type)
    depthwise = operator.depthwise / max(operator.count, 1) if operator else 0.0
    dense = scale(_class(op_type, profile, "conv_wide", "conv_narrow"), form, host)
    return dense * (1 - depthwise) + scale("depthwise", form, host) * depthwise


def _class(op_type: str, profile: Profile, large: OperatorClass, small: OperatorClass) -> OperatorClass:
    return large if _weight_per_node(op_type, profile) >= LARGE_BYTES else small


def _by_weight(op_type: str, profile: Profile, table: tuple[tuple[int, float], ...]) -> float:
    per_node = _weight_per_node(op_type, profile)
    return next(factor for least, factor in table if per_node >= least)


def _weight_per_node(op_type: str, profile: Profile) -> float:
    operator = profile.operator(op_type)
    return operator.weight_bytes / max(operator.count, 1) if operator else 0.0


def fidelity_db(op_type: str, form: Compute, profile: Profile) -> float:
    """Return SQNR at the worst output with every unit of one operator type in int8."""
    if op_type in CONVOLUTIONS:
        return 21.0 if has_depthwise(profile) or form == "dynamic" else 29.0
    if op_type in PRODUCTS:
        return 24.0 if form == "static" else 35.0
    return 40.0


def needed_db(drop: float) -> float:
    """Return the fidelity at which a drop of at most `drop` (fraction) is usual: 20 dB for a point, 34 dB for none."""
    return 34.0 if drop <= 0 else min(34.0, 20.0 + 5.0 * max(0.0, -math.log10(drop / 0.01)) * 2.0)


# What recovery usually gains in dB on forms of compute. It is kept only where it helps: 0, .5, 1.7, 1.9 and 14 dB by
# bias on five convolutional models.
RECOVERY_DB: dict[Recovery, float] = {"bias": 2.0, "digits": 6.0, "equalize": 1.0, "feedback": 1.0, "smooth": 2.0}
CLIP_RECURRENT_DB = 4.0
# What cutting outliers off the ranges usually gains: on six models −2.4 to 3.0 dB by mean squared error, −11 to 4.2 by
# percentile, a loss on as many as not.
CUT_DB: dict[CalibrationMethod, float] = {"minmax": 0.0, "entropy": 0.2, "percentile": 0.2, "mse": 0.4}


def careful_db(lever: QuantizeLever) -> float:
    """Return what calibration and recovery usually win over the simplest, in dB."""
    won = CUT_DB[lever.calibration] + sum(RECOVERY_DB[each] for each in lever.recovery)
    return won + (CLIP_RECURRENT_DB if lever.clip_recurrent is not None else 0.0)
