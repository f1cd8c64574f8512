"""Predict how well forms by class answer: from priors by operator type, then from what was measured of such forms."""

from __future__ import annotations

import math

from ...contracts import PolicyState, Profile, QuantizeLever
from . import priors
from .channel_forecast import tells_of_form
from .needs import fidelity_of
from .sizes import UNUSED, same_forms

QUALITY_SPREAD_DB, QUALITY_SPREAD_MEASURED_DB = 7.0, 2.5
# Noise powers of units add up to within this.
ADDITIVITY_DB = 1.5


def expected_quality(lever: QuantizeLever, state: PolicyState) -> tuple[float, float]:
    """Return the expected fidelity of forms by class and its uncertainty, in dB."""
    target = lever.min_fidelity_db
    tried = measured_qualities(state)
    same = [(other, reached) for other, reached in tried if same_forms(other, lever)]
    if not same:
        prior, spread = _prior_corrected(lever, state, tried)
        return (prior if target is None else max(prior, target - 2.0)), spread
    if target is None:
        coarse = [(other, reached) for other, reached in same if other.min_fidelity_db is None]
        if not coarse:
            return _prior_corrected(lever, state, tried)
        last, reached = coarse[-1]
        won = priors.careful_db(lever) - priors.careful_db(last)
        return reached + won, QUALITY_SPREAD_MEASURED_DB if won == 0 else QUALITY_SPREAD_DB / 2
    last, reached = same[-1]
    # Where additivity was too hopeful (or too gloomy), expect the same gap again.
    gap = last.min_fidelity_db - reached if last.min_fidelity_db is not None else ADDITIVITY_DB
    return max(target - gap, min(reached, target)), QUALITY_SPREAD_MEASURED_DB


def measured_qualities(state: PolicyState) -> list[tuple[QuantizeLever, float]]:
    """Return levers by class that were measured without pruning, in order, and the fidelity that each reached in dB."""
    return [
        (attempt.plan.quantize or UNUSED, reached)
        for attempt in state.attempts
        if (reached := fidelity_of(attempt)) is not None and attempt.forecast is None and tells_of_form(attempt, state)
    ]


def _prior_corrected(
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
