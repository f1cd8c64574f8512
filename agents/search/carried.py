"""Carry a recalled plan over to the model at hand: without what it has not, and aimed at today's bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from ...contracts import Corrections, Plan, PolicyState, Profile, QuantizeLever, Recalled
from . import priors
from .corrections import LEAST_NOISE, LEAST_SAVING, MOST_NOISE, MOST_SAVING
from .mixture_plans import size_aim, speed_aim
from .needs import HIGHEST_DB, LOWEST_DB

T = TypeVar("T")

# How much of the quality that was predicted of a mixture is given up on another model to keep its size and speed: these
# are predicted well, while quality is out by more than this on either model.
ROOM_DB = 12.0
_COMPUTING = {*priors.CONVOLUTIONS, *priors.PRODUCTS, *priors.RECURRENT, "Gather"}
_FORMS = {"static", "dynamic", "half", "fp16", "int8", "int8_block", "int4"}


def portable(plan: Plan, profile: Profile) -> Plan | None:
    """Return a recalled plan for a model: without operators that it has not, None where it says what no plan says."""
    lever = plan.quantize
    if lever is None:
        return plan.model_copy(update={"reason": "", "predicted": None})
    numbers = (lever.min_fidelity_db, lever.max_size_ratio, lever.min_speedup)
    if not all(number is None or math.isfinite(number) for number in numbers):
        return None
    if lever.min_fidelity_db is not None and not LOWEST_DB <= lever.min_fidelity_db <= HIGHEST_DB:
        return None
    update = {
        "compute": _there(lever.compute, profile),
        "alternatives": _there(lever.alternatives, profile),
        "corrections": _bounded(lever.corrections),
    }
    kept: QuantizeLever | None = lever.model_copy(update=update)
    if not update["compute"] and lever.storage == "none":
        kept = None
    return plan.model_copy(update={"quantize": kept, "reason": "", "predicted": None})


def plan_here(item: Recalled, state: PolicyState) -> Plan | None:
    """Return a recalled plan for the model at hand.

    On another model a mixture is chosen anew, from other tables. What met was where quality was predicted to be
    `forecast_db`, whatever was aimed at: so it aims there, within today's bounds, which it keeps before all of that.
    """
    past = item.outcome
    plan = portable(past.plan, state.profile)
    lever = plan.quantize if plan else None
    if plan is None or lever is None or not lever.mixture or item.same_model:
        return plan
    aims = [aim for aim in (lever.min_fidelity_db, past.forecast_db) if aim is not None and math.isfinite(aim)]
    update = {
        "min_fidelity_db": round(min(max(min(aims), LOWEST_DB), HIGHEST_DB), 1) if aims else None,
        "margin_db": max(lever.margin_db, ROOM_DB) if aims else 0.0,
        "max_size_ratio": size_aim(state),
        "min_speedup": speed_aim(state) if lever.compute else None,
    }
    return plan.model_copy(update={"quantize": lever.model_copy(update=update)})


def _there(chosen: Mapping[str, T], profile: Profile) -> dict[str, T]:
    return {name: form for name, form in chosen.items() if name in _COMPUTING and profile.operator(name) is not None}


def _bounded(given: Corrections) -> Corrections:
    noise = {form: min(max(factor, LEAST_NOISE), MOST_NOISE) for form, factor in given.noise.items() if form in _FORMS}
    saving = min(max(given.saving, LEAST_SAVING), MOST_SAVING)
    return Corrections(noise=noise, saving=saving, size_ratio=min(max(given.size_ratio, -0.5), 0.5))
