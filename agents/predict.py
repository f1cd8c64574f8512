"""Predict what a plan will reach: priors by operator class, replaced by what was measured in this run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..contracts import Attempt, CalibrationMethod, Compute, Plan, PolicyState, Predicted, Profile, QuantizeLever
from . import priors

SIZE_SPREAD = 0.04
SPEED_SPREAD, SPEED_SPREAD_MEASURED = 0.30, 0.06
QUALITY_SPREAD_DB, QUALITY_SPREAD_MEASURED_DB = 7.0, 2.5
# What cutting outliers off the ranges usually gains.
CUT_DB: dict[CalibrationMethod, float] = {"minmax": 0.0, "entropy": 0.5, "percentile": 1.0, "mse": 1.5}
LAYOUT_SPREAD = 0.2
LOWEST_DB, HIGHEST_DB = -50.0, 200.0
# Noise powers of units add up to within this.
ADDITIVITY_DB = 1.5
# How much wider a model becomes for each dB that is won by sparing units.
LOG_SIZE_PER_DB = 0.03
# How much of the time that int8 saves is lost for each such dB; and no form saves more than this share of it.
SAVING_LOST_PER_DB = 0.04
MOST_SAVED = 0.9
UNUSED = QuantizeLever()


@dataclass(frozen=True)
class Estimate:
    """A prediction with its uncertainty; `failed` when the same compute form did not even build."""

    size_bytes: float
    speedup: float
    fidelity_db: float
    speed_spread: float
    quality_spread: float
    failed: bool = False


def estimate(plan: Plan, state: PolicyState) -> Estimate:
    """Return what `plan` is expected to reach, given everything that this run measured."""
    lever = plan.quantize or UNUSED
    speed, speed_spread = _speed(lever, state)
    quality, quality_spread = _quality(lever, state)
    if _is_new_layout(plan, state):
        speed, speed_spread = speed * priors.TORCH_GRAPH_GAIN, max(speed_spread, LAYOUT_SPREAD)
    kept = 1 - (plan.prune.ratio or 0.0 if plan.prune else 0.0)
    return Estimate(
        size_bytes=_size(lever, quality, state) * kept**priors.CHANNELS_TO_SIZE,
        speedup=speed / kept,
        fidelity_db=quality if kept == 1 else min(quality, priors.PRUNED_DB * kept),
        speed_spread=speed_spread,
        quality_spread=quality_spread,
        failed=any(_broke(attempt, lever) for attempt in state.attempts),
    )


def _is_new_layout(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan tries the layouts of a torch program for the first time."""
    timed = plan.graph is not None and plan.graph.layout == "auto"
    return timed and not any(attempt.plan.same_as(plan) for attempt in state.attempts)


def _broke(attempt: Attempt, lever: QuantizeLever) -> bool:
    """Tell whether this form of compute (or this storage alone) already ended in an error."""
    tried = attempt.plan.quantize
    if tried is None or attempt.verdict.kind != "failed":
        return False
    return tried.compute == lever.compute if tried.compute else tried.storage == lever.storage and not lever.compute


def _same_forms(tried: QuantizeLever, lever: QuantizeLever) -> bool:
    return tried.compute == lever.compute and tried.storage == lever.storage


def _size(lever: QuantizeLever, quality: float, state: PolicyState) -> float:
    """Return the expected size; units that are spared for quality stay wide, which costs size."""
    tried = {
        (attempt.plan.quantize or UNUSED).min_fidelity_db: (reached, attempt.candidate)
        for attempt in state.attempts
        if _same_forms(attempt.plan.quantize or UNUSED, lever)
        and attempt.candidate is not None
        and (reached := fidelity_of(attempt)) is not None
    }
    if lever.min_fidelity_db in tried:
        return tried[lever.min_fidelity_db][1].size_bytes
    if not tried:
        return predicted_bytes(lever, state.profile)
    points = sorted((reached, math.log(candidate.size_bytes)) for reached, candidate in tried.values())
    coarse = math.exp(points[0][1])
    # However much quality is missing, a few units usually do most of the damage: half of the way is pessimistic.
    return min(math.exp(_along(points, quality)), max((coarse + _widest(lever, state.profile)) / 2, coarse))


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
    nodes = sum(item.count * priors.COMPUTE_NODE_BYTES[lever.compute[op]] for op, item in in_compute.items() if item)
    stored_units = sum(
        item.count for item in profile.operators if item.weight_bytes and item.op_type not in lever.compute
    )
    nodes += stored_units * priors.STORAGE_NODE_BYTES if lever.storage != "none" else 0
    # Some nodes of a type always stay: their other input is no constant, or their dot products are short.
    left = quantized * priors.LEFT_BY_COMPUTE
    wide = (stored + left) * share + (quantized - left) * priors.COMPUTE_BYTES_PER_WEIGHT_BYTE
    return profile.graph_bytes + fixed + wide + nodes


def _speed(lever: QuantizeLever, state: PolicyState) -> tuple[float, float]:
    if not lever.compute:
        return 1.0, SPEED_SPREAD_MEASURED
    measured = _measured_speeds(state)
    same = [(tried, speed) for tried, speed in measured if tried.compute == lever.compute]
    if same:
        tried, speed = same[-1]
        exact = tried.min_fidelity_db == lever.min_fidelity_db
        saving = (1 - 1 / speed) * _spared(lever, state) / _spared(tried, state)
        return 1 / (1 - min(saving, MOST_SAVED)), SPEED_SPREAD_MEASURED if exact else SPEED_SPREAD / 2
    computes = [(tried.compute, speed) for tried, speed in measured]
    savings = [saved * _correction(op, lever, computes, state) for op, saved in _savings(lever, state).items()]
    return 1 / (1 - min(sum(savings) * _spared(lever, state), MOST_SAVED)), SPEED_SPREAD


def _spared(lever: QuantizeLever, state: PolicyState) -> float:
    """Return which part of the saved time is left when units are spared to keep the lever's quality."""
    coarse = [
        reached
        for other, reached in _measured_qualities(state)
        if other.compute == lever.compute and other.min_fidelity_db is None
    ]
    if lever.min_fidelity_db is None or not coarse:
        return 1.0
    return math.exp(-SAVING_LOST_PER_DB * max(lever.min_fidelity_db - max(coarse), 0.0))


def _correction(
    op_type: str, lever: QuantizeLever, measured: list[tuple[dict[str, Compute], float]], state: PolicyState
) -> float:
    """Return saved time / expected saving of the last measured form that treats `op_type` the same, 1 without one."""
    for compute, speed in reversed(measured):
        expected = sum(_savings(QuantizeLever(compute=compute), state).values())
        if compute.get(op_type) == lever.compute[op_type] and expected > 0.02:
            return min((1 - 1 / speed) / expected, 1.5)
    return 1.0


def _measured_speeds(state: PolicyState) -> list[tuple[QuantizeLever, float]]:
    return [
        (attempt.plan.quantize or UNUSED, attempt.comparison.speedup.value)
        for attempt in state.attempts
        if attempt.comparison is not None and attempt.comparison.speedup is not None
    ]


def _savings(lever: QuantizeLever, state: PolicyState) -> dict[str, float]:
    """Return operator type → share of the run time that its int8 form is expected to save."""
    profile = state.profile
    return {
        op_type: profile.time_share(op_type) * (1 - priors.time_factor(op_type, form, profile, state.host))
        for op_type, form in lever.compute.items()
    }


def _quality(lever: QuantizeLever, state: PolicyState) -> tuple[float, float]:
    target = lever.min_fidelity_db
    tried = _measured_qualities(state)
    same = [(other, reached) for other, reached in tried if _same_forms(other, lever)]
    if not same:
        prior, spread = _expected_quality(lever, state, tried)
        return (prior if target is None else max(prior, target - 2.0)), spread
    if target is None:
        coarse = [(other, reached) for other, reached in same if other.min_fidelity_db is None]
        if not coarse:
            return _expected_quality(lever, state, tried)
        last, reached = coarse[-1]
        return reached + CUT_DB[lever.calibration] - CUT_DB[last.calibration], QUALITY_SPREAD_MEASURED_DB
    last, reached = same[-1]
    # Where additivity was too hopeful (or too gloomy), expect the same gap again.
    gap = last.min_fidelity_db - reached if last.min_fidelity_db is not None else ADDITIVITY_DB
    return max(target - gap, min(reached, target)), QUALITY_SPREAD_MEASURED_DB


def _measured_qualities(state: PolicyState) -> list[tuple[QuantizeLever, float]]:
    return [
        (attempt.plan.quantize or UNUSED, reached)
        for attempt in state.attempts
        if (reached := fidelity_of(attempt)) is not None
    ]


def fidelity_of(attempt: Attempt) -> float | None:
    """Return the measured fidelity in dB, kept within what can be reckoned with: exact outputs are endless dB."""
    measured = attempt.comparison.fidelity if attempt.comparison else None
    return min(max(measured.value, LOWEST_DB), HIGHEST_DB) if measured else None


def _expected_quality(
    lever: QuantizeLever, state: PolicyState, tried: list[tuple[QuantizeLever, float]]
) -> tuple[float, float]:
    """Return the prior in dB, with the noise of operators corrected by coarse attempts that shared their form."""
    noise, spread = _noise(lever, state.profile), QUALITY_SPREAD_DB
    for other, reached in tried:
        shared = [part for part in noise if part in (expected := _noise(other, state.profile))]
        if other.min_fidelity_db is None and shared:
            scale = 10 ** (-reached / 10) / sum(expected.values())
            noise |= {part: expected[part] * scale for part in shared}
            spread = QUALITY_SPREAD_DB / 2
    return -10 * math.log10(sum(noise.values())) + CUT_DB[lever.calibration], spread


def _noise(lever: QuantizeLever, profile: Profile) -> dict[str, float]:
    """Return the expected noise power of each part, relative to the output's."""
    parts = {f"{lever.storage} storage": 10 ** (-priors.STORAGE_FIDELITY_DB[lever.storage] / 10)}
    for op_type, form in lever.compute.items():
        parts[f"{op_type} {form}"] = 10 ** (-priors.fidelity_db(op_type, form, profile) / 10)
    return parts


def original_accuracy(state: PolicyState) -> float | None:
    """Return the original's accuracy on the selection part, once an attempt has met labels."""
    for attempt in state.attempts:
        if attempt.comparison and attempt.comparison.accuracy_delta and attempt.metrics and attempt.metrics.accuracy:
            return attempt.metrics.accuracy.value - attempt.comparison.accuracy_delta.value
    return None


def quality_need(state: PolicyState) -> float:
    """Return the fidelity in dB that the request is expected to need, corrected by what failed and what held."""
    bounds = state.request.constraints
    needs = [bounds.min_fidelity_db] if bounds.min_fidelity_db is not None else []
    if bounds.needs_labels or (state.labelled and "accuracy" not in state.request.allow_regression):
        needs.append(_accuracy_need(state))
    elif bounds.min_fidelity_db is None and "accuracy" not in state.request.allow_regression:
        needs.append(20.0)
    return max(needs, default=0.0)


def _accuracy_need(state: PolicyState) -> float:
    drop = allowed_drop(state)
    need = priors.needed_db(drop)
    if drop < 0:
        return need  # the original itself misses the bound: no quality is enough
    for attempt in state.attempts:
        comparison, fidelity = attempt.comparison, fidelity_of(attempt)
        if comparison is None or fidelity is None or comparison.accuracy_delta is None:
            continue
        lost = -comparison.accuracy_delta.value
        if lost > drop:
            need = max(need, fidelity + max(3.0, 10 * math.log10(lost / max(drop, 0.002))))
        elif attempt.verdict.kind == "met":
            need = min(need, fidelity)
    return need


def allowed_drop(state: PolicyState) -> float:
    """Return the drop that the bounds leave room for; negative when the original itself misses them."""
    bounds = state.request.constraints
    room = [bounds.max_accuracy_drop] if bounds.max_accuracy_drop is not None else []
    original = original_accuracy(state)
    if bounds.min_accuracy is not None:
        room.append(original - bounds.min_accuracy if original is not None else 0.01)
    return min(room, default=0.01)


def chance(plan: Plan, state: PolicyState) -> tuple[float, Predicted]:
    """Return the chance that `plan` meets every bound and guard, with the prediction behind it."""
    guess = estimate(plan, state)
    ratio = guess.size_bytes / state.profile.size_bytes
    predicted = Predicted(size_ratio=ratio, speedup=guess.speedup, fidelity_db=guess.fidelity_db)
    logit = _log_odds(guess, state)
    likely = 0.001 if guess.failed else math.exp(logit)
    return likely, predicted.model_copy(update={"chance": min(max(likely, 0.0), 1.0)})


def _log_odds(guess: Estimate, state: PolicyState) -> float:
    """Return the log of the product of each bound's chance; never floored, so that hopeless plans still rank."""
    bounds, profile = state.request.constraints, state.profile
    total = 0.0
    for limit in (bounds.max_size_bytes, (bounds.max_size_ratio or 0) * profile.size_bytes or None):
        if limit:
            total += _log_sigmoid(math.log(limit / guess.size_bytes) / SIZE_SPREAD)
    for wanted in speed_bounds(state):
        total += _log_sigmoid(math.log(guess.speedup / wanted) / guess.speed_spread)
    total += _log_sigmoid((guess.fidelity_db - quality_need(state)) / guess.quality_spread)
    if allowed_drop(state) < 0:
        total += math.log(0.02)
    return total


def speed_bounds(state: PolicyState) -> list[float]:
    """Return the speedups that the bounds imply; the guard allows 5 % slower."""
    bounds, latency = state.request.constraints, state.profile.latency_ms
    wanted = [bounds.min_speedup] if bounds.min_speedup else []
    if latency and bounds.max_latency_ms:
        wanted.append(latency / bounds.max_latency_ms)
    if latency and bounds.min_throughput_per_s:
        wanted.append(bounds.min_throughput_per_s * latency / 1000)
    if not wanted and "latency" not in state.request.allow_regression:
        wanted.append(0.85)
    return wanted


def _log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value)) if value > -30 else value
