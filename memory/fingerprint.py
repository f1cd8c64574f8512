"""The vector by which outcomes are found again: what the model is, where it runs, what was asked.

Every entry lies between 0 and 1 (a few may exceed 1 a little), so no unit outweighs another; the three groups are
scaled to fixed weights, so the cosine between two vectors answers "is this the same kind of model", then "the same
kind of request", then "the same kind of target". The vectors are ours: no embedding model is involved.

A change of what an entry means is a new `VECTOR_VERSION`, which is part of the collection's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import get_args

from ..contracts import Constraints, OperatorShare, Platform, Profile, RuntimeName, Target

VECTOR_VERSION = 2

# Operator types by what they are to the levers; every other type counts as `other`.
_FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"Conv", "ConvTranspose", "FusedConv"}),
    frozenset({"MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Einsum"}),
    frozenset({"LSTM", "GRU", "RNN"}),
    frozenset({"Attention", "MultiHeadAttention", "Softmax", "GroupQueryAttention"}),
    frozenset({"Gather", "GatherND", "GatherElements", "EmbedLayerNormalization"}),
    frozenset({"BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
               "SkipLayerNormalization", "SimplifiedLayerNormalization", "LpNormalization"}),
    frozenset({"Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "FastGelu", "Sigmoid", "HardSigmoid", "HardSwish",
               "Tanh", "Erf", "Clip", "Softplus", "Mish"}),
    frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Neg", "Abs", "Min", "Max", "Where"}),
    frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax"}),
    frozenset({"Resize", "Upsample", "Pad", "GridSample"}),
    frozenset({"Reshape", "Transpose", "Concat", "Split", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Expand",
               "Shape", "Cast", "Identity", "Tile"}),
    frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
               "ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulNBits"}),
    frozenset({"If", "Loop", "Scan"}),
)  # fmt: skip
_MODEL_WEIGHT, _REQUEST_WEIGHT, _TARGET_WEIGHT = 1.0, 0.6, 0.5
_QUANTIZED = {"no": 0.0, "partly": 0.5, "yes": 1.0}


def fingerprint(profile: Profile, target: Target, constraints: Constraints) -> list[float]:
    """Return the vector of a case; its length is the same for every case."""
    return [
        *_scaled(_model(profile), _MODEL_WEIGHT),
        *_scaled(_request(profile, constraints), _REQUEST_WEIGHT),
        *_scaled(_target(target), _TARGET_WEIGHT),
    ]


def _scaled(values: Iterable[float], weight: float) -> list[float]:
    """Return the values at a Euclidean length of `weight`; all zeros stay so."""
    group = [value if math.isfinite(value) else 0.0 for value in values]
    length = math.hypot(*group)
    return [value * weight / length for value in group] if length else group


def _model(profile: Profile) -> list[float]:
    """Magnitudes on a logarithmic scale, shares and traits, then the operator families."""
    conv = profile.operator("Conv")
    return [
        _magnitude(profile.parameters, 10),
        _magnitude(profile.size_bytes, 11),
        _magnitude(profile.nodes, 5),
        _share(profile.weight_bytes, profile.size_bytes),
        _share(profile.storable_bytes, profile.weight_bytes),
        _bounded(profile.quantizable_share),
        _bounded(profile.prunable_share),
        _share(conv.depthwise, conv.count) if conv else 0.0,
        _QUANTIZED[profile.quantized],
        float(profile.control_flow),
        float(profile.dynamic_shapes),
        _bounded(profile.opset / 25),
        _magnitude(1000 * (profile.latency_ms or 0.0), 8),
        *_families(profile.operators),
    ]


def _families(operators: tuple[OperatorShare, ...]) -> list[float]:
    """Return each family's share of the run time and of the weights; without timing, of the nodes."""
    timed = any(item.time_share for item in operators)
    times = _by_family({item.op_type: (item.time_share or 0.0) if timed else item.count for item in operators})
    weights = _by_family({item.op_type: item.weight_bytes for item in operators})
    return [*times, *weights]


def _by_family(amounts: dict[str, float]) -> list[float]:
    whole = sum(amounts.values())
    parts = [sum(amount for name, amount in amounts.items() if name in family) for family in _FAMILIES]
    return [_share(part, whole) for part in (*parts, whole - sum(parts))]


def _request(profile: Profile, constraints: Constraints) -> list[float]:
    """Return for each bound whether it is there, and how tight it is relative to this model (1: hardly possible)."""
    tightness = (
        _tight(constraints.max_size_ratio),
        _tight(_ratio(constraints.max_size_bytes, profile.size_bytes)),
        _tight(constraints.max_memory_ratio),
        _tight(_ratio(constraints.max_memory_bytes, profile.size_bytes)),
        _tight(_ratio(constraints.max_latency_ms, profile.latency_ms)),
        _tight(_ratio(1.0, constraints.min_speedup)),
        _tight(_ratio(_ratio(1000.0, constraints.min_throughput_per_s), profile.latency_ms)),
        constraints.min_accuracy,
        None if constraints.max_accuracy_drop is None else max(0.0, 1 - 10 * constraints.max_accuracy_drop),
        _likeness(constraints.min_fidelity_db),
        _likeness(constraints.min_logits_fidelity_db),
    )
    present = (value is not None for _, value in _bounds(constraints))
    return [*map(float, present), *(value or 0.0 for value in tightness)]


def _bounds(constraints: Constraints) -> list[tuple[str, object]]:
    return [(name, value) for name, value in constraints if name != "latency_statistic"]


def _target(target: Target) -> list[float]:
    platforms = [float(target.platform == name) for name in get_args(Platform)]
    return [*platforms, *(float(target.runtime == name) for name in get_args(RuntimeName))]


def _magnitude(value: float, decades: float) -> float:
    return _bounded(math.log10(1 + max(0.0, value)) / decades)


def _share(part: float, whole: float) -> float:
    return _bounded(part / whole) if whole > 0 else 0.0


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _tight(ratio: float | None) -> float | None:
    return None if ratio is None else 1 / (1 + max(0.0, ratio))


def _likeness(decibels: float | None) -> float | None:
    return None if decibels is None else min(1.0, decibels / 60)


def _bounded(value: float) -> float:
    return min(1.0, max(0.0, value))
