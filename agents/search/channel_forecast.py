"""What pruning is expected to do beside a form of quantization, and what an attempt with it tells of either."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from ...contracts import Attempt, Plan, PolicyState, PruneLever
from . import priors
from .needs import QUALITY, fidelity_of

# Share of the weights beside which the storage of the rest changes next to nothing.
ALL_BUT_FEW = 0.9


def takes_channels(attempt: Attempt, state: PolicyState) -> bool:
    """Tell whether an attempt took channels out of an onnx model, so that it tells nothing of its form alone."""
    prune = attempt.plan.prune
    return state.profile.format == "onnx" and prune is not None and prune.ratio is not None


def tells_of_form(attempt: Attempt, state: PolicyState) -> bool:
    """Tell whether what an attempt measured is its form's doing: nothing was quantized where pruning alone ended it."""
    return attempt.stage != "prune" and not takes_channels(attempt, state)


def is_too_much(plan: Plan, state: PolicyState) -> bool:
    """Tell whether so much pruning ended an attempt, so that the same with another form behind it helps no more."""
    return any(at_least(plan.prune, attempt.plan.prune) and _ended(plan, attempt, state) for attempt in state.attempts)


def _ended(plan: Plan, attempt: Attempt, state: PolicyState) -> bool:
    """Tell whether it ended before its form was reached, or on samples that may be looked at a few times only.

    There, fewer channels gone are a surer step than another storage of the few weights that do not compute in 8 bits.
    """
    if attempt.stage == "prune":
        return _lost(attempt)
    if not (takes_channels(attempt, state) and attempt.failed_on_final):
        return False
    computed = _computed(attempt.plan)
    return computed.items() <= _computed(plan).items() and _weighs(computed, state) >= ALL_BUT_FEW


def _computed(plan: Plan) -> Mapping[str, str]:
    return plan.quantize.compute if plan.quantize else {}


def _weighs(op_types: Collection[str], state: PolicyState) -> float:
    """Return the share of the weights that operators of these types hold."""
    operators = state.profile.operators
    held = sum(each.weight_bytes for each in operators if each.op_type in op_types)
    return held / max(sum(each.weight_bytes for each in operators), 1)


def _lost(attempt: Attempt) -> bool:
    return attempt.verdict.kind == "failed" or any(result.name in QUALITY for result in attempt.verdict.violated)


def at_least(lever: PruneLever | None, tried: PruneLever | None) -> bool:
    """Tell whether a lever takes out as much as one that was tried, or more."""
    if lever is None or tried is None:
        return False
    pairs = ((lever.ratio, tried.ratio), (lever.threshold, tried.threshold))
    return any(ours is not None and theirs is not None and ours >= theirs for ours, theirs in pairs)


def kept_channels(ratio: float, state: PolicyState) -> float:
    """Return the share of weights, and of the work with them, that is left."""
    before, left = 0.0, 1.0
    for beyond, then in state.profile.inner_left:
        if ratio <= beyond:
            return left + (then - left) * (ratio - before) / (beyond - before)
        before, left = beyond, then
    return left


def with_fitted_channels(quality: float, ratio: float, state: PolicyState) -> float:
    """Return SQNR in dB of a form of `quality` behind the fitted rest, corrected by the last attempt that had one."""
    expected = _expected_db(ratio)
    for attempt in reversed(state.attempts):
        reached = fidelity_of(attempt)
        if takes_channels(attempt, state) and reached is not None and attempt.plan.prune is not None:
            expected += reached - _expected_db(attempt.plan.prune.ratio or ratio)
            break
    return -10 * math.log10(10 ** (-quality / 10) + 10 ** (-expected / 10))


def _expected_db(ratio: float) -> float:
    return priors.INNER_DB - priors.INNER_DB_LOST * ratio
