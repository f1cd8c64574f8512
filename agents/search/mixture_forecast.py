"""What a mixture of forms is expected to reach, before and after one was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ...contracts import Attempt, PolicyState, QuantizeLever
from . import priors
from .needs import fidelity_of
from .sizes import LOG_SIZE_PER_DB, SIZE_SPREAD, SIZE_SPREAD_MEASURED, same_forms

SPEED_SPREAD, SPEED_SPREAD_MEASURED = 0.2, 0.05
QUALITY_SPREAD_DB, QUALITY_SPREAD_MEASURED_DB = 3.0, 1.2
# How much of the time that int8 saves is lost for each dB that is won by giving units wider forms.
SAVING_LOST_PER_DB = 0.04
# Less quality to spare than this, in dB, changes nothing; nor does it where all weights have the narrowest form.
LEAST_SLACK_DB = 1.0
NARROWEST = 1.03
# The least and the most that a dB of quality costs in log size, and the share of it by which that is off.
LEAST_LOG_SIZE_PER_DB, MOST_LOG_SIZE_PER_DB = 0.01, 0.08
SLOPE_SPREAD = 0.5
# Quality predicted within this of what was aimed at was what bounded the choice.
BINDING_DB = 3.0
# Computing adds nodes; only where it adds more than this to the size is there something to choose.
WIDER = 0.05
# A correction of saved time that may change what is chosen, as a logarithm.
RETIMED = 0.1


@dataclass(frozen=True)
class Outlook:
    """A prediction with its uncertainty: of log size and speed, in dB; `is_new` unless it would be one built before."""

    size_bytes: float
    speedup: float
    fidelity_db: float
    speed_spread: float = SPEED_SPREAD
    quality_spread: float = QUALITY_SPREAD_DB
    size_spread: float = SIZE_SPREAD
    is_new: bool = True


@dataclass(frozen=True)
class Extremes:
    """What one form for all does: between these a mixture lies.

    Attributes:
        stored: every weight stored, none computed with: the smallest size, and the quality that storage leaves.
        computed: every unit that gains by it in its form of compute: the highest speed, and the quality it leaves.
        wider: every weight in the next wider form of storage, which weights take that the narrowest damages too much.
    """

    stored: Outlook
    computed: Outlook
    wider: Outlook


def outlook(lever: QuantizeLever, extremes: Extremes, state: PolicyState) -> Outlook:
    """Return what the mixture of `lever` is expected to reach."""
    narrow = extremes.computed if lever.compute else extremes.stored
    aim = lever.min_fidelity_db if lever.min_fidelity_db is not None else narrow.fidelity_db
    measured = [attempt for attempt in state.attempts if _is_like(attempt, lever)]
    if _was_given_up(lever, state):
        return replace(narrow, is_new=False)
    if measured:
        last = measured[-1]
        known = _reached(last)
        won = priors.careful_db(lever) - priors.careful_db(last.plan.quantize or lever)
        if won:
            better = replace(known, fidelity_db=known.fidelity_db + won, quality_spread=QUALITY_SPREAD_DB)
            return _shifted(better, aim, extremes)
        return replace(_shifted(known, aim, extremes), is_new=_differs(lever, last, known, extremes))
    start = replace(narrow, **_first(lever, aim, extremes, state.profile.size_bytes))
    return _shifted(start, max(aim, narrow.fidelity_db), extremes)


def _first(lever: QuantizeLever, aim: float, extremes: Extremes, original_bytes: int) -> dict[str, Any]:
    """Return size, speed and spread of a first mixture; units that compute hold 8 bits, however weights are stored."""
    stored, computed = extremes.stored, extremes.computed
    if not lever.compute:
        # Storage costs no time; and where it damages too little, its narrowest form is no mixture.
        return {"speed_spread": SPEED_SPREAD_MEASURED, "is_new": aim > stored.fidelity_db}
    wider = computed.size_bytes - stored.size_bytes
    share = 1.0
    if lever.max_size_ratio is not None and wider > WIDER * stored.size_bytes:
        room = lever.max_size_ratio * original_bytes - stored.size_bytes
        share = min(max(room / wider, 0.0), 1.0)
    saving = (1 - stored.speedup / computed.speedup) * share
    return {"size_bytes": stored.size_bytes + max(wider, 0.0) * share, "speedup": stored.speedup / (1 - saving)}


def _differs(lever: QuantizeLever, last: Attempt, known: Outlook, extremes: Extremes) -> bool:
    """Tell whether another choice is to be expected than the last one's."""
    before, forecast = last.plan.quantize, last.forecast
    if before is None or forecast is None or lever.min_fidelity_db is None or before.min_fidelity_db is None:
        return False
    slack = known.fidelity_db - lever.min_fidelity_db
    if slack < 0:
        return True
    # Where quality did not bound the last choice, more of it to spare does not change the next one: unless what was
    # measured lets it be aimed that much lower, where other choices are.
    lower = known.fidelity_db - forecast.fidelity_db - (lever.min_fidelity_db - before.min_fidelity_db)
    bounded = forecast.fidelity_db - before.min_fidelity_db < BINDING_DB or lower > BINDING_DB
    narrowest = known.size_bytes <= extremes.stored.size_bytes * NARROWEST and not lever.compute
    retimed = abs(math.log(lever.corrections.saving / before.corrections.saving)) > RETIMED
    return (slack > LEAST_SLACK_DB and bounded and not narrowest) or (retimed and bool(lever.compute))


def _is_like(attempt: Attempt, lever: QuantizeLever) -> bool:
    tried = attempt.plan.quantize
    known = attempt.forecast is not None and fidelity_of(attempt) is not None and attempt.candidate is not None
    return known and tried is not None and same_forms(tried, lever)


def _was_given_up(lever: QuantizeLever, state: PolicyState) -> bool:
    """Tell whether such a mixture was chosen, and not worth building, since the last one was measured."""
    for attempt in reversed(state.attempts):
        tried = attempt.plan.quantize
        if attempt.forecast is None or tried is None:
            continue
        if attempt.candidate is not None:
            return False
        if same_forms(tried, lever) and priors.careful_db(tried) == priors.careful_db(lever):
            return True
    return False


def _reached(attempt: Attempt) -> Outlook:
    """Return what a mixture reached; its speed as predicted where it was not measured."""
    comparison, reached = attempt.comparison, fidelity_of(attempt)
    assert comparison is not None
    assert reached is not None
    assert attempt.forecast is not None
    speed = comparison.speedup
    return Outlook(
        comparison.optimized_size.value,
        speed.value if speed else attempt.forecast.speedup,
        reached,
        SPEED_SPREAD_MEASURED if speed else SPEED_SPREAD,
        QUALITY_SPREAD_MEASURED_DB,
        SIZE_SPREAD_MEASURED,
    )


def _shifted(known: Outlook, aim: float, extremes: Extremes) -> Outlook:
    """Return where a mixture is expected that aims at `aim` dB, from one that is known.

    Units that compute would damage too much are stored instead, which costs time; weights that storage damages too
    much are stored wider, which costs size.
    """
    log_size, unsure = _widened(known, aim, extremes)
    size = max(known.size_bytes * math.exp(log_size), extremes.stored.size_bytes)
    lost = math.exp(-SAVING_LOST_PER_DB * (aim - known.fidelity_db))
    fastest = max(extremes.computed.speedup, known.speedup)
    # What graph passes gained stays, whatever forms units take.
    saving = 1 - extremes.stored.speedup / known.speedup
    speed = min(extremes.stored.speedup / (1 - min(saving * lost, 0.9)), fastest) if saving > 0 else known.speedup
    spread = math.hypot(known.size_spread, unsure)
    return replace(known, size_bytes=size, speedup=speed, fidelity_db=aim, size_spread=spread)


def _widened(known: Outlook, aim: float, extremes: Extremes) -> tuple[float, float]:
    """Return by how much log size changes from one that is known to an aim in dB, and how unsure that is.

    Between two forms for all, size goes about straight with quality; of some models a few weights do most of the
    damage, so that much is won for little, and of some it is the large ones, so that it takes more than that.
    """
    stored, wider = extremes.stored, extremes.wider
    floor = stored.fidelity_db
    here, there = max(known.fidelity_db, floor), max(aim, floor)
    smaller, larger, other = (known, wider, wider) if there >= here else (stored, known, stored)
    apart = abs(other.fidelity_db - here)
    slope = math.log(larger.size_bytes / smaller.size_bytes) / apart if apart > LEAST_SLACK_DB else LOG_SIZE_PER_DB
    slope = min(max(slope, LEAST_LOG_SIZE_PER_DB), MOST_LOG_SIZE_PER_DB)
    return slope * (there - here), SLOPE_SPREAD * slope * abs(there - here)
