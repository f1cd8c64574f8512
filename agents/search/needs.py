"""What a request needs of a plan: quality in dB and speed, as far as is known by now.

Quality is reckoned with at the logits where models have some, as tables of damage do.
"""

from __future__ import annotations

import math

from ...contracts import Attempt, PolicyState, Quantity
from . import priors

# Bounds and the guard that speak of how well a candidate answers.
QUALITY = ("min_accuracy", "max_accuracy_drop", "min_fidelity_db", "min_logits_fidelity_db", "guard_accuracy")
LOWEST_DB, HIGHEST_DB = -50.0, 200.0
NEAR_DB = 6.0
FINAL_DB = 2.0


def fidelity_of(attempt: Attempt) -> float | None:
    """Return the measured fidelity in dB at the logits, else at the outputs.

    It is kept within what can be reckoned with: exact outputs are endless dB.
    """
    comparison = attempt.comparison
    return _within(comparison.logits_fidelity or comparison.fidelity) if comparison else None


def _within(measured: Quantity | None) -> float | None:
    return min(max(measured.value, LOWEST_DB), HIGHEST_DB) if measured else None


def _at_logits(bound: float, state: PolicyState) -> float:
    return bound + _lost_behind(state, bound)


def _lost_behind(state: PolicyState, bound: float) -> float:
    """Return by how many dB the outputs, which bounds speak of, are worse than the logits at the worst.

    Negative: they are better, as a Softmax makes them. By how much depends on the error: of what was gained far from
    the bound, half counts. Recovery is judged at the logits, and so gains there what it does not at the outputs: it
    tells nothing of forms without it.
    """
    lost: list[float] = []
    plain = [attempt for attempt in state.attempts if not (attempt.plan.quantize and attempt.plan.quantize.recovery)]
    for attempt in plain or state.attempts:
        logits, outputs = fidelity_of(attempt), _within(attempt.comparison.fidelity if attempt.comparison else None)
        if logits is not None and outputs is not None:
            lost.append((logits - outputs) * (1.0 if abs(outputs - bound) <= NEAR_DB else 0.5))
    return max(lost, default=0.0)


def original_accuracy(state: PolicyState) -> float | None:
    """Return the original's accuracy on the selection part, once an attempt has met labels."""
    for attempt in state.attempts:
        if attempt.comparison and attempt.comparison.accuracy_delta and attempt.metrics and attempt.metrics.accuracy:
            return attempt.metrics.accuracy.value - attempt.comparison.accuracy_delta.value
    return None


def quality_need(state: PolicyState) -> float:
    """Return the fidelity in dB that the request is expected to need, corrected by what failed and what held."""
    bounds = state.request.constraints
    needs = [_at_logits(bounds.min_fidelity_db, state)] if bounds.min_fidelity_db is not None else []
    needs += [bounds.min_logits_fidelity_db] if bounds.min_logits_fidelity_db is not None else []
    if bounds.needs_labels or (state.labelled and "accuracy" not in state.request.allow_regression):
        needs.append(_accuracy_need(state))
    elif not bounds.bounds_fidelity and "accuracy" not in state.request.allow_regression:
        needs.append(_at_logits(20.0, state))
    # Of the final part only that it was missed there is known: other samples damage more. Looks are few, so each
    # that was missed asks for more room at the next.
    failed = [attempt for attempt in state.attempts if attempt.failed_on_final]
    needs += [reached + FINAL_DB * len(failed) for each in failed if (reached := fidelity_of(each)) is not None]
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
