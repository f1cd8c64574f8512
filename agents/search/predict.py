"""Predict what a plan will reach: priors by operator class, replaced by what was measured in this run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from ...contracts import Attempt, Plan, PolicyState, QuantizeLever, Storage
from . import priors
from .channel_forecast import is_too_much, kept_channels, takes_channels, with_fitted_channels
from .experience import learned
from .mixture_forecast import Extremes, Outlook, outlook
from .qualities import QUALITY_SPREAD_DB, QUALITY_SPREAD_MEASURED_DB, expected_quality
from .sizes import SIZE_SPREAD, UNUSED, expected_bytes
from .speeds import MOST_SAVED, SPEED_SPREAD_MEASURED, base_speed, expected_speed, mixed_saving

LAYOUT_SPREAD = 0.2
# What weights take in a mixture that its form of storage damages too much.
WIDER: Mapping[Storage, Storage] = {
    "int4": "int8",
    "int8": "fp16",
    "int8_block": "fp16",
    "fp16": "none",
    "none": "none",
}


@dataclass(frozen=True)
class Estimate:
    """A prediction with its uncertainty; `failed` where its forms broke, `repeats` where nothing would change."""

    size_bytes: float
    speedup: float
    fidelity_db: float
    speed_spread: float
    quality_spread: float
    size_spread: float = SIZE_SPREAD
    failed: bool = False
    repeats: bool = False


def estimate(plan: Plan, state: PolicyState) -> Estimate:
    """Return what `plan` is expected to reach, given what this run measured, and past runs where it did not."""
    here, past = _estimate(plan, state), learned(plan, state)
    if is_too_much(plan, state):
        here = replace(here, failed=True)
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
    speed, speed_spread = expected_speed(lever, state)
    quality, quality_spread = expected_quality(lever, state)
    size, size_spread = expected_bytes(lever, quality, state)
    if _is_new_layout(plan, state):
        speed, speed_spread = speed * priors.TORCH_GRAPH_GAIN, max(speed_spread, LAYOUT_SPREAD)
    whole = Estimate(
        size_bytes=size,
        speedup=speed,
        fidelity_db=quality,
        speed_spread=speed_spread,
        quality_spread=quality_spread,
        size_spread=size_spread,
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
        size_spread=max(whole.size_spread, SIZE_SPREAD),
        failed=whole.failed or any(_broke_pruning(attempt, state) for attempt in state.attempts),
    )


def _mixture(lever: QuantizeLever, state: PolicyState) -> Estimate:
    """Return what a mixture is expected to reach, from what its forms do to all units that can take them."""
    base = base_speed(state)
    stored = _coarse(QuantizeLever(storage=lever.storage, rounding=lever.rounding), state)
    by_class = list(_by_class(lever))
    computed = max((_coarse(each, state) for each in by_class), key=lambda each: each.speedup)
    mixed = max(mixed_saving(each, state) for each in by_class)
    saving = max(1 - base / computed.speedup, mixed) if lever.compute else 0.0
    fastest = replace(computed, speedup=base / (1 - min(saving, MOST_SAVED)))
    wider = _coarse(QuantizeLever(storage=WIDER[lever.storage]), state)
    found = outlook(lever, Extremes(stored, fastest, wider), state)
    return Estimate(
        size_bytes=found.size_bytes,
        speedup=found.speedup,
        fidelity_db=found.fidelity_db,
        speed_spread=found.speed_spread,
        quality_spread=found.quality_spread,
        size_spread=found.size_spread,
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
    return Outlook(found.size_bytes, found.speedup, found.fidelity_db, size_spread=found.size_spread)


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
