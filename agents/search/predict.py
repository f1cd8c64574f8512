"""Predict what a plan will reach: priors by operator class, replaced by what was measured in this run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from ...contracts import Attempt, Compute, Plan, PolicyState, Predicted, Profile, QuantizeLever
from . import priors
from .channel_forecast import kept_channels, takes_channels, with_fitted_channels
from .experience import learned
from .mixture_forecast import Extremes, Outlook, outlook
from .needs import allowed_drop, fidelity_of, quality_need, speed_bounds
from .sizes import UNUSED, expected_bytes, same_forms

SIZE_SPREAD = 0.04
SPEED_SPREAD, SPEED_SPREAD_MEASURED = 0.30, 0.06
QUALITY_SPREAD_DB, QUALITY_SPREAD_MEASURED_DB = 7.0, 2.5
LAYOUT_SPREAD = 0.2
# Noise powers of units add up to within this.
ADDITIVITY_DB = 1.5
# How much of the time that int8 saves is lost for each such dB; and no form saves more than this share of it.
SAVING_LOST_PER_DB = 0.04
MOST_SAVED = 0.9
# What is left of an expected saving for the units that gain, once all together were measured to gain less.
LEFT_OF_SLOW = 0.3


@dataclass(frozen=True)
class Estimate:
    """A prediction with its uncertainty; `failed` where its forms broke, `repeats` where nothing would change."""

    size_bytes: float
    speedup: float
    fidelity_db: float
    speed_spread: float
    quality_spread: float
    failed: bool = False
    repeats: bool = False


def estimate(plan: Plan, state: PolicyState) -> Estimate:
    """Return what `plan` is expected to reach, given what this run measured, and past runs where it did not."""
    here, past = _estimate(plan, state), learned(plan, state)
    if not past.weight:
        return here
    return replace(
        here,
        size_bytes=here.size_bytes * math.exp(past.log_size),
        speedup=here.speedup * math.exp(past.log_speed),
        fidelity_db=here.fidelity_db + past.fidelity_db,
        speed_spread=past.narrowed(here.speed_spread, SPEED_SPREAD_MEASURED),
        quality_spread=past.narrowed(here.quality_spread, QUALITY_SPREAD_MEASURED_DB),
    )


def _estimate(plan: Plan, state: PolicyState) -> Estimate:
    """Return what `plan` is expected to reach from what this run alone knows."""
    lever = plan.quantize or UNUSED
    if lever.mixture:
        return _mixture(lever, state)
    speed, speed_spread = _speed(lever, state)
    quality, quality_spread = _quality(lever, state)
    if _is_new_layout(plan, state):
        speed, speed_spread = speed * priors.TORCH_GRAPH_GAIN, max(speed_spread, LAYOUT_SPREAD)
    whole = Estimate(
        size_bytes=expected_bytes(lever, quality, state),
        speedup=speed,
        fidelity_db=quality,
        speed_spread=speed_spread,
        quality_spread=quality_spread,
        failed=any(_broke(attempt, lever) for attempt in state.attempts),
    )
    ratio = plan.prune.ratio if plan.prune else None
    return whole if ratio is None else _without_channels(whole, ratio, state)


def _without_channels(whole: Estimate, ratio: float, state: PolicyState) -> Estimate:
    """Return what is left of a prediction when the share `ratio` of the channels goes before."""
    if state.profile.format == "torch":
        kept = 1 - ratio
        return replace(
            whole,
            size_bytes=whole.size_bytes * kept**priors.CHANNELS_TO_SIZE,
            speedup=whole.speedup / kept,
            fidelity_db=min(whole.fidelity_db, priors.PRUNED_DB * kept),
        )
    kept = kept_channels(ratio, state)
    return replace(
        whole,
        size_bytes=whole.size_bytes * kept,
        speedup=whole.speedup / kept,
        fidelity_db=with_fitted_channels(whole.fidelity_db, ratio, state),
        quality_spread=max(whole.quality_spread, QUALITY_SPREAD_DB / 2),
        failed=whole.failed or any(_broke_pruning(attempt, state) for attempt in state.attempts),
    )


def _mixture(lever: QuantizeLever, state: PolicyState) -> Estimate:
    """Return what a mixture is expected to reach, from what its forms do to all units that can take them."""
    base = base_speed(state)
    stored = _coarse(QuantizeLever(storage=lever.storage, rounding=lever.rounding), state)
    by_class = list(_by_class(lever))
    computed = max((_coarse(each, state) for each in by_class), key=lambda each: each.speedup)
    mixed = max(_mixed_saving(each, state) for each in by_class)
    saving = max(1 - base / computed.speedup, mixed) if lever.compute else 0.0
    fastest = replace(computed, speedup=base / (1 - min(saving, MOST_SAVED)))
    found = outlook(lever, Extremes(stored, fastest), state)
    return Estimate(
        size_bytes=found.size_bytes,
        speedup=found.speedup,
        fidelity_db=found.fidelity_db,
        speed_spread=found.speed_spread,
        quality_spread=found.quality_spread,
        failed=any(_broke(attempt, lever) for attempt in state.attempts),
        repeats=not found.is_new,
    )


def _by_class(lever: QuantizeLever) -> Iterator[QuantizeLever]:
    """Yield what gives all units of an operator type one of the forms that a mixture offers them."""
    for chosen in product(*lever.offered.values()):
        compute = dict(zip(lever.compute, chosen, strict=True))
        update = {"mixture": False, "min_fidelity_db": None, "alternatives": {}, "compute": compute}
        yield lever.model_copy(update=update)


def _coarse(lever: QuantizeLever, state: PolicyState) -> Outlook:
    found = _estimate(Plan(quantize=lever), state)
    return Outlook(found.size_bytes, found.speedup, found.fidelity_db)


def _mixed_saving(lever: QuantizeLever, state: PolicyState) -> float:
    """Return the share of time saved where only units that gain take their form."""
    expected = _savings(lever, state)
    for op_type in set(priors.CONVOLUTIONS) & set(expected) if priors.has_depthwise(state.profile) else ():
        expected[op_type] = max(expected[op_type], priors.MIXED_DEPTHWISE * state.profile.time_share(op_type))
    total = sum(max(saved, 0.0) for saved in expected.values())
    measured = any(tried.compute == lever.compute for tried, _ in _measured_speeds(state))
    return total if priors.has_depthwise(state.profile) or not measured else total * LEFT_OF_SLOW


def base_speed(state: PolicyState) -> float:
    """Return the speedup without any form of compute, as graph passes alone reach it; 1 until it was measured."""
    for attempt in reversed(state.attempts):
        lever, measured = attempt.plan.quantize or UNUSED, attempt.comparison.speedup if attempt.comparison else None
        if attempt.plan.prune is not None or state.profile.format == "torch":
            continue
        if attempt.forecast is not None and lever.compute:
            return attempt.forecast.gained
        if not lever.compute and measured is not None:
            return measured.value
    return 1.0


def _is_new_layout(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan tries the layouts of a torch program for the first time."""
    timed = plan.graph is not None and plan.graph.layout == "auto"
    return timed and not any(attempt.plan.same_as(plan) for attempt in state.attempts)


def _broke(attempt: Attempt, lever: QuantizeLever) -> bool:
    """Tell whether this form of compute (or this storage alone) already ended in an error."""
    tried = attempt.plan.quantize
    pruned = attempt.plan.prune is not None and attempt.plan.prune.ratio is not None
    if tried is None or pruned or attempt.verdict.kind != "failed" or tried.mixture != lever.mixture:
        return False
    return tried.offered == lever.offered if tried.compute else tried.storage == lever.storage and not lever.compute


def _broke_pruning(attempt: Attempt, state: PolicyState) -> bool:
    return takes_channels(attempt, state) and attempt.verdict.kind == "failed"


def _speed(lever: QuantizeLever, state: PolicyState) -> tuple[float, float]:
    base = base_speed(state)
    if not lever.compute:
        return base, SPEED_SPREAD_MEASURED
    measured = _measured_speeds(state)
    same = [(tried, speed) for tried, speed in measured if tried.compute == lever.compute]
    if same:
        tried, speed = same[-1]
        exact = tried.min_fidelity_db == lever.min_fidelity_db
        saving = (1 - base / speed) * _spared(lever, state) / _spared(tried, state)
        return base / (1 - min(saving, MOST_SAVED)), SPEED_SPREAD_MEASURED if exact else SPEED_SPREAD / 2
    computes = [(tried.compute, speed) for tried, speed in measured]
    savings = [saved * _correction(op, lever, computes, state) for op, saved in _savings(lever, state).items()]
    return base / (1 - min(sum(savings) * _spared(lever, state), MOST_SAVED)), SPEED_SPREAD


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
            return min((1 - base_speed(state) / speed) / expected, 1.5)
    return 1.0


def _measured_speeds(state: PolicyState) -> list[tuple[QuantizeLever, float]]:
    return [
        (attempt.plan.quantize or UNUSED, attempt.comparison.speedup.value)
        for attempt in state.attempts
        if attempt.comparison is not None
        and attempt.comparison.speedup is not None
        and attempt.forecast is None
        and not takes_channels(attempt, state)
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
    same = [(other, reached) for other, reached in tried if same_forms(other, lever)]
    if not same:
        prior, spread = _expected_quality(lever, state, tried)
        return (prior if target is None else max(prior, target - 2.0)), spread
    if target is None:
        coarse = [(other, reached) for other, reached in same if other.min_fidelity_db is None]
        if not coarse:
            return _expected_quality(lever, state, tried)
        last, reached = coarse[-1]
        won = priors.careful_db(lever) - priors.careful_db(last)
        return reached + won, QUALITY_SPREAD_MEASURED_DB if won == 0 else QUALITY_SPREAD_DB / 2
    last, reached = same[-1]
    # Where additivity was too hopeful (or too gloomy), expect the same gap again.
    gap = last.min_fidelity_db - reached if last.min_fidelity_db is not None else ADDITIVITY_DB
    return max(target - gap, min(reached, target)), QUALITY_SPREAD_MEASURED_DB


def _measured_qualities(state: PolicyState) -> list[tuple[QuantizeLever, float]]:
    return [
        (attempt.plan.quantize or UNUSED, reached)
        for attempt in state.attempts
        if (reached := fidelity_of(attempt)) is not None
        and attempt.forecast is None
        and not takes_channels(attempt, state)
    ]


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
    return -10 * math.log10(sum(noise.values())) + priors.careful_db(lever), spread


def _noise(lever: QuantizeLever, profile: Profile) -> dict[str, float]:
    """Return the expected noise power of each part, relative to the output's."""
    parts = {f"{lever.storage} storage": 10 ** (-priors.STORAGE_FIDELITY_DB[lever.storage] / 10)}
    for op_type, form in lever.compute.items():
        parts[f"{op_type} {form}"] = 10 ** (-priors.fidelity_db(op_type, form, profile) / 10)
    return parts


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


def _log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value)) if value > -30 else value
