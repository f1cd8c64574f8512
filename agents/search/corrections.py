"""Correct the models behind mixtures by the mixtures that were measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ...contracts import Attempt, Corrections, MixtureForecast, PolicyState, Recovery
from .needs import fidelity_of

# Form → noise power as the tables have it, and the noise power that all of it was measured to make.
Row = tuple[Mapping[str, float], float]

SWEEPS = 8
# How far one measurement may move a factor, and all of them together.
LEAST_NOISE, MOST_NOISE = 0.02, 1000.0
LEAST_SAVING, MOST_SAVING = 0.3, 1.7
# Under this share of time that was predicted to be saved, what was measured says nothing of the prediction.
TELLING = 0.03


def corrections(state: PolicyState, recovery: tuple[Recovery, ...] = ()) -> Corrections:
    """Return the factors that make predictions agree with what was measured in this run.

    The tables do not know what recovery makes good: of mixtures with another `recovery` noise is told only as long as
    none with this one was measured.
    """
    tried = [(item, item.forecast) for item in state.attempts if item.forecast is not None]
    alike = [each for each in tried if each[0].plan.quantize and each[0].plan.quantize.recovery == recovery]
    return Corrections(
        noise=_noise(alike) or _noise(tried), saving=_saving(tried), size_ratio=_size(tried, state.profile.size_bytes)
    )


def _used(attempt: Attempt) -> Corrections:
    return attempt.plan.quantize.corrections if attempt.plan.quantize else Corrections()


def _noise(tried: list[tuple[Attempt, MixtureForecast]]) -> dict[str, float]:
    """Return form → factor of its noise, one for each form that a measured mixture had."""
    return noise_factors(
        (raw, 10 ** (-reached / 10))
        for attempt, forecast in tried
        if (reached := fidelity_of(attempt)) is not None and (raw := _raw(attempt, forecast))
    )


def noise_factors(told: Iterable[Row]) -> dict[str, float]:
    """Return form → factor of its noise.

    By multiplicative algebraic reconstruction (MART, Gordon, Bender and Herman 1970): a form is corrected by as much as
    it had a share in what was predicted, so that mixtures of different forms tell them apart.
    """
    rows = list(told)
    factors = {form: 1.0 for raw, _ in rows for form in raw}
    for _ in range(SWEEPS):
        for raw, measured in rows:
            parts = {form: power * factors[form] for form, power in raw.items()}
            total = sum(parts.values())
            for form, part in parts.items():
                moved = factors[form] * math.exp(part / total * math.log(measured / total))
                factors[form] = min(max(moved, LEAST_NOISE), MOST_NOISE)
    return {form: _rounded(factor) for form, factor in sorted(factors.items())}


def _raw(attempt: Attempt, forecast: MixtureForecast) -> dict[str, float]:
    """Return form → noise power as the tables had it, before it was corrected."""
    used = _used(attempt).noise
    return {form: power / used.get(form, 1.0) for form, power in forecast.noise.items() if power > 0}


def _saving(tried: list[tuple[Attempt, MixtureForecast]]) -> float:
    """Return saved time / predicted saving of the last mixture that was timed, both without what passes gained."""
    for attempt, forecast in reversed(tried):
        measured = attempt.comparison.speedup if attempt.comparison else None
        predicted = 1 - forecast.gained / forecast.speedup
        if measured is not None and predicted > TELLING:
            factor = (1 - forecast.gained / measured.value) / predicted * _used(attempt).saving
            return _rounded(min(max(factor, LEAST_SAVING), MOST_SAVING))
    return 1.0


def _size(tried: list[tuple[Attempt, MixtureForecast]], original_bytes: int) -> float:
    """Return the bytes that the last mixture was larger than predicted, as a share of the original."""
    for attempt, forecast in reversed(tried):
        if attempt.candidate is not None and original_bytes:
            missed = (attempt.candidate.size_bytes - forecast.size_bytes) / original_bytes
            return round(missed + _used(attempt).size_ratio, 5)
    return 0.0


def _rounded(factor: float) -> float:
    return float(f"{factor:.3g}")
