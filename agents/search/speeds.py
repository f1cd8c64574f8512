"""Predict how fast forms by class are: from the machine's times by operator type, then from what was measured."""

from __future__ import annotations

import math

from ...contracts import Compute, PolicyState, QuantizeLever
from . import priors
from .channel_forecast import tells_of_form
from .qualities import measured_qualities
from .sizes import UNUSED

SPEED_SPREAD, SPEED_SPREAD_MEASURED = 0.30, 0.06
# How much of the time that int8 saves is lost for each dB that sparing units wins; and the most that any form saves.
SAVING_LOST_PER_DB = 0.04
MOST_SAVED = 0.9
# What is left of an expected saving for the units that gain, once all together were measured to gain less.
LEFT_OF_SLOW = 0.3


def expected_speed(lever: QuantizeLever, state: PolicyState) -> tuple[float, float]:
    """Return the expected speedup of forms by class, and its uncertainty as a logarithm."""
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


def mixed_saving(lever: QuantizeLever, state: PolicyState) -> float:
    """Return the share of time saved where only units that gain take their form."""
    expected = _savings(lever, state)
    for op_type in set(priors.CONVOLUTIONS) & set(expected) if priors.has_depthwise(state.profile) else ():
        expected[op_type] = max(expected[op_type], priors.MIXED_DEPTHWISE * state.profile.time_share(op_type))
    total = sum(max(saved, 0.0) for saved in expected.values())
    measured = any(tried.compute == lever.compute for tried, _ in _measured_speeds(state))
    return total if priors.has_depthwise(state.profile) or not measured else total * LEFT_OF_SLOW


def _spared(lever: QuantizeLever, state: PolicyState) -> float:
    """Return which part of the saved time is left when units are spared to keep the lever's quality."""
    coarse = [
        reached
        for other, reached in measured_qualities(state)
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
        and tells_of_form(attempt, state)
    ]


def _savings(lever: QuantizeLever, state: PolicyState) -> dict[str, float]:
    """Return operator type → share of the run time that its int8 form is expected to save."""
    profile = state.profile
    return {
        op_type: profile.time_share(op_type) * (1 - priors.time_factor(op_type, form, profile, state.host))
        for op_type, form in lever.compute.items()
    }
