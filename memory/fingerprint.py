"""The vector by which outcomes are found again: what the model is, where it runs, what was asked.

Every entry lies between −1 and 1 and every group has a fixed length, so the cosine of two vectors is a weighted mean
of likenesses, each of which can be read by itself: a magnitude is an angle, and two magnitudes are alike by the cosine
of the difference; shares of a whole are square roots, and two mixes are alike by how much they overlap (Bhattacharyya's
coefficient). The vectors are ours: no embedding model is involved. docs/memory.md says what each entry means.

A change of what an entry means is a new `VECTOR_VERSION`; the index is then built anew from the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import get_args

from ..contracts import Constraints, Objective, OperatorShare, Platform, Profile, RuntimeName, Target

VECTOR_VERSION = 3

# Operator types by what they are to the levers; every other type counts as `other`.
_FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"Conv", "ConvTranspose", "FusedConv", "conv1d", "conv2d"}),
    frozenset({"MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Einsum", "linear"}),
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
_FAMILY = {name: index for index, family in enumerate(_FAMILIES) for name in family}
# How much the three groups count of a cosine, and the parts of a model of its group.
_MODEL_WEIGHT, _REQUEST_WEIGHT, _TARGET_WEIGHT = 0.60, 0.25, 0.15
_TIMES_WEIGHT, _WEIGHTS_WEIGHT = 0.28, 0.17
# Of the request's group, what the objective counts; the bounds share the rest.
_OBJECTIVE_WEIGHT = 0.25
_QUANTIZED = {"no": 0.0, "partly": 0.5, "yes": 1.0}
# Trait → how much it counts of the model's group, which is 1 with the two mixes of operators.
_TRAITS = {
    "parameters": 0.07, "size": 0.06, "nodes": 0.08, "latency": 0.07, "weight share": 0.02, "storable": 0.05,
    "quantizable": 0.05, "prunable": 0.03, "depthwise": 0.04, "quantized": 0.03, "control flow": 0.01,
    "free shapes": 0.01, "opset": 0.01, "format": 0.02,
}  # fmt: skip
_MODEL_ENTRIES = 2 * (len(_FAMILIES) + 1) + 2 * len(_TRAITS)


def fingerprint(
    profile: Profile, target: Target, constraints: Constraints, objective: Objective = "balanced"
) -> list[float]:
    """Return the vector of a case, of length 1; it has as many entries for every case."""
    return [
        *_at_length(_model(profile), _MODEL_WEIGHT),
        *_at_length(_request(profile, constraints, objective), _REQUEST_WEIGHT),
        *_at_length(_target(target), _TARGET_WEIGHT),
    ]


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how alike the models of two vectors are, −1 to 1, whatever was asked of them."""
    product = math.fsum(a * b for a, b in zip(one[:_MODEL_ENTRIES], other[:_MODEL_ENTRIES], strict=True))
    return max(-1.0, min(1.0, product / _MODEL_WEIGHT))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how alike two cases are, −1 to 1; vectors have length 1."""
    return max(-1.0, min(1.0, math.fsum(a * b for a, b in zip(one, other, strict=True))))


def _at_length(values: Iterable[float], weight: float) -> list[float]:
    """Return a group so that it counts `weight` of a cosine."""
    group = [value if math.isfinite(value) else 0.0 for value in values]
    length = math.hypot(*group)
    return [value * math.sqrt(weight) / length for value in group] if length else group


def _model(profile: Profile) -> list[float]:
    """Return the mixes of operators, then the traits, each trait as an angle."""
    times, weights = _mixes(profile.operators)
    traits = _traits(profile)
    return [
        *_at_length(times, _TIMES_WEIGHT),
        *_at_length(weights, _WEIGHTS_WEIGHT),
        *(entry for name, weight in _TRAITS.items() for entry in _angle(traits[name], weight)),
    ]


def _traits(profile: Profile) -> dict[str, float]:
    """Return trait → 0 to 1, where 0 and 1 are opposites: seven decades of a magnitude, or none and all of a share."""
    conv = profile.operator("Conv") or profile.operator("conv2d")
    return {
        "parameters": _decades(profile.parameters, 2),
        "size": _decades(profile.size_bytes, 3),
        "nodes": _decades(profile.nodes, 0, 5),
        "latency": _decades(1000 * (profile.latency_ms or 0.0), 1),
        "weight share": _share(profile.weight_bytes, profile.size_bytes),
        "storable": _share(profile.storable_bytes, profile.weight_bytes),
        "quantizable": _bounded(profile.quantizable_share),
        "prunable": _bounded(profile.prunable_share),
        "depthwise": _share(conv.depthwise, conv.count) if conv else 0.0,
        "quantized": _QUANTIZED[profile.quantized],
        "control flow": float(profile.control_flow),
        "free shapes": float(profile.dynamic_shapes),
        "opset": _bounded(profile.opset / 25),
        "format": float(profile.format == "torch"),
    }


def _mixes(operators: tuple[OperatorShare, ...]) -> tuple[list[float], list[float]]:
    """Return the roots of each family's share of the run time (without timing, of the nodes) and of the weights."""
    timed = any(item.time_share for item in operators)
    times = _by_family((item.op_type, (item.time_share or 0.0) if timed else item.count) for item in operators)
    return times, _by_family((item.op_type, item.weight_bytes) for item in operators)


def _by_family(amounts: Iterable[tuple[str, float]]) -> list[float]:
    found = [0.0] * (len(_FAMILIES) + 1)
    for name, amount in amounts:
        found[_FAMILY.get(name, len(_FAMILIES))] += max(amount, 0.0) if math.isfinite(amount) else 0.0
    whole = sum(found)
    return [math.sqrt(_share(part, whole)) for part in found]


def _request(profile: Profile, constraints: Constraints, objective: Objective) -> list[float]:
    """Return for each bound how tight it is relative to this model, as an angle, and what the request is after."""
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
    bounds = [entry for tight in tightness for entry in ((0.0, 0.0) if tight is None else _angle(tight, 1.0, 0.5))]
    after = [float(objective == name) for name in get_args(Objective)]
    return [*_at_length(bounds, 1 - _OBJECTIVE_WEIGHT), *_at_length(after, _OBJECTIVE_WEIGHT)]


def _target(target: Target) -> list[float]:
    platforms = [float(target.platform == name) for name in get_args(Platform)]
    return [*platforms, *(float(target.runtime == name) for name in get_args(RuntimeName))]


def _angle(value: float, weight: float, half_turns: float = 1.0) -> tuple[float, float]:
    """Return a value of 0 to 1 as a direction over so many half turns, at the length that makes it count `weight`."""
    turned, length = math.pi * half_turns * _bounded(value), math.sqrt(weight)
    return length * math.cos(turned), length * math.sin(turned)


def _decades(value: float, first: float, count: float = 7) -> float:
    """Return where a magnitude lies between 10 to the power of `first` and `count` decades above."""
    return _bounded((math.log10(max(value, 1.0)) - first) / count) if math.isfinite(value) else 1.0


def _share(part: float, whole: float) -> float:
    return _bounded(part / whole) if whole > 0 else 0.0


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _tight(ratio: float | None) -> float | None:
    return None if ratio is None else 1 / (1 + max(0.0, ratio))


def _likeness(decibels: float | None) -> float | None:
    return None if decibels is None else min(1.0, decibels / 60)


def _bounded(value: float) -> float:
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0
