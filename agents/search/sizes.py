"""Predict the size of what a plan makes: from the weights by operator type, then from what was built."""

from __future__ import annotations

import math

from ...contracts import PolicyState, Profile, QuantizeLever
from . import priors
from .channel_forecast import tells_of_form
from .needs import fidelity_of

# How much wider a model becomes for each dB that is won by giving units wider forms, where nothing tells more of it.
LOG_SIZE_PER_DB = 0.03
# Of log size: of what is predicted, and of what was built.
SIZE_SPREAD, SIZE_SPREAD_MEASURED = 0.04, 0.002
# Smaller weights are not stored.
LEAST_STORED_BYTES = 4096
# Of a predicted size, however much passes saved of another form: nothing is smaller than nothing.
LEAST_LEFT = 0.02
UNUSED = QuantizeLever()


def same_forms(tried: QuantizeLever, lever: QuantizeLever) -> bool:
    """Tell whether both choose from the same forms in the same way."""
    return (tried.offered, tried.storage, tried.mixture) == (lever.offered, lever.storage, lever.mixture)


def expected_bytes(lever: QuantizeLever, quality: float, state: PolicyState) -> tuple[float, float]:
    """Return the expected size of forms by class, and the uncertainty of its logarithm.

    Units that are spared for quality stay wide, which costs size.
    """
    tried = {
        (attempt.plan.quantize or UNUSED).min_fidelity_db: (reached, attempt.candidate)
        for attempt in state.attempts
        if same_forms(attempt.plan.quantize or UNUSED, lever)
        and tells_of_form(attempt, state)
        and attempt.candidate is not None
        and (reached := fidelity_of(attempt)) is not None
    }
    if lever.min_fidelity_db in tried:
        return tried[lever.min_fidelity_db][1].size_bytes, SIZE_SPREAD_MEASURED
    if not tried:
        predicted = predicted_bytes(lever, state.profile)
        return max(predicted + _offset(state), predicted * LEAST_LEFT), SIZE_SPREAD
    points = sorted((reached, math.log(candidate.size_bytes)) for reached, candidate in tried.values())
    coarse = math.exp(points[0][1])
    # However much quality is missing, a few units usually do most of the damage: half of the way is pessimistic.
    most = max((coarse + _widest(lever, state.profile)) / 2, coarse)
    return min(math.exp(_along(points, quality)), most), SIZE_SPREAD


def _offset(state: PolicyState) -> float:
    """Return the bytes by which the last file came out larger than predicted: what graph passes saved, mostly."""
    for attempt in reversed(state.attempts):
        lever = attempt.plan.quantize or UNUSED
        if attempt.candidate is None or attempt.plan.prune or (lever.min_fidelity_db is not None and not lever.mixture):
            continue
        if lever.mixture:  # holds wider forms than the narrowest: only that it is smaller tells something
            narrowest = predicted_bytes(QuantizeLever(storage=lever.storage), state.profile)
            return min(attempt.candidate.size_bytes - narrowest, 0.0)
        return attempt.candidate.size_bytes - predicted_bytes(lever, state.profile)
    return 0.0


def _widest(lever: QuantizeLever, profile: Profile) -> float:
    """Return the size with every unit spared: compute falls back to storage, int8 storage to fp16."""
    spared = "fp16" if lever.storage == "int8" else lever.storage
    return predicted_bytes(QuantizeLever(storage=spared), profile)


def _along(points: list[tuple[float, float]], quality: float) -> float:
    """Return log bytes at `quality` dB on the line through the measured points (one: a usual slope)."""
    (low, small), (high, large) = points[0], points[-1]
    slope = max((large - small) / (high - low), 0.0) if high - low > 1.0 else LOG_SIZE_PER_DB
    return small + slope * max(quality - low, 0.0)


def predicted_bytes(lever: QuantizeLever, profile: Profile) -> float:
    """Return the size from the weights by operator type: int8 compute holds a quarter, storage what its form says."""
    in_compute = {op: profile.operator(op) for op in lever.compute}
    quantized = sum(item.weight_bytes for item in in_compute.values() if item)
    # What can be stored small and what can be computed small are the same weights in onnx, and apart in torch.
    stored = max(profile.storable_bytes - (quantized if profile.format == "onnx" else 0), 0)
    fixed = max(profile.weight_bytes - quantized - stored, profile.fixed_bytes if profile.format == "onnx" else 0)
    share = priors.STORAGE_BYTES_PER_WEIGHT_BYTE[lever.storage]
    nodes = sum(
        (item.count - item.depthwise) * priors.COMPUTE_NODE_BYTES[lever.compute[op]]
        for op, item in in_compute.items()
        if item
    )
    stored_units = sum(
        min(item.count, item.weight_bytes // LEAST_STORED_BYTES)
        for item in profile.operators
        if item.op_type not in lever.compute
    )
    nodes += stored_units * priors.STORAGE_NODE_BYTES if lever.storage != "none" else 0
    # Some nodes of a type always stay: their other input is no constant, or their dot products are short.
    left = quantized * priors.LEFT_BY_COMPUTE
    wide = (stored + left) * share + (quantized - left) * priors.COMPUTE_BYTES_PER_WEIGHT_BYTE
    return profile.graph_bytes + fixed + wide + nodes
