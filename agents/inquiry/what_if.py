"""What other bounds would cost: what was measured is judged by them, what was not tried is predicted; nothing runs."""

from __future__ import annotations

import math

from ...contracts import (
    Attempt,
    Candidate,
    Changes,
    Plan,
    PolicyState,
    Request,
    RequestError,
    WhatIf,
    edits_between,
    units,
)
from ..evidence import evidence_of, judged_again
from ..search.allowed import allowed
from ..search.policy import WORTH_TRYING
from .explanation import expected, missed_text
from .past import Past
from .topics import NAMES, TOPICS, open_plans, topics_of

MEASURED, PREDICTED = 3, 2


def what_if(seen: Past, changes: Changes) -> WhatIf:
    """Return the nearest measured candidates and the likeliest plans under the changed request.

    Raises:
        RequestError: the changes contradict the request, or the model was not inspected yet.
    """
    if seen.state is None:
        raise RequestError(f"run {seen.run} has not inspected its model yet; go on with: shipfit resume {seen.run}")
    request = changes.applied_to(seen.request)
    state = seen.state.model_copy(update={"request": request})
    measured = _measured(seen, request, state)
    predicted = [_predicted(plan) for plan in _unlike(open_plans(state))[:PREDICTED]]
    candidates = (*measured, *predicted)
    outcome = _outcome(candidates)
    edits = edits_between(seen.request, request)
    return WhatIf.model_validate(
        {
            "run": seen.run,
            "edits": edits,
            "request": request,
            "outcome": outcome,
            "candidates": candidates,
            "text": _text(outcome, candidates, seen),
        }
    )


def _outcome(candidates: tuple[Candidate, ...]) -> str:
    if any(item.meets for item in candidates):
        return "met"
    unfinished = any(item.basis == "measured" and item.meets is None for item in candidates)
    return "likely" if unfinished or any((item.chance or 0.0) >= WORTH_TRYING for item in candidates) else "unlikely"


def _unlike(likeliest: list[Plan]) -> list[Plan]:
    """Return the likeliest plan of each combination of kinds."""
    return list({topics_of(plan): plan for plan in reversed(likeliest)}.values())[::-1]


def _measured(seen: Past, request: Request, state: PolicyState) -> list[Candidate]:
    found = [
        _candidate(*judged_again(attempt, request, _place(attempt), permitted=allowed(attempt.plan, state)))
        for attempt in seen.attempts
        if evidence_of(attempt) is not None and attempt.verdict.kind != "failed"
    ]
    return sorted(found, key=lambda item: (item.meets is not True, _shortfall(item)))[:MEASURED]


def _place(attempt: Attempt) -> str:
    """Return where an attempt was measured."""
    return next((item.measured_on for item in attempt.verdict.constraints if item.measured_on != "-"), "-")


def _shortfall(candidate: Candidate) -> float:
    return sum(math.log1p(item.shortfall) for item in candidate.missed) + (candidate.meets is None) * 1e-3


def _candidate(attempt: Attempt, is_open: bool) -> Candidate:
    reached, verdict = attempt.comparison, attempt.verdict
    assert reached is not None, "what has evidence was compared"
    drop = -reached.accuracy_delta.value if reached.accuracy_delta else None
    meets = None if is_open else verdict.kind == "met"
    if attempt.rejected:
        came_to = "was rejected by a person"
    elif meets:
        came_to = "meets everything, as measured"
    else:
        came_to = "; ".join(map(missed_text, verdict.violated)) or verdict.reason
    return Candidate(
        basis="measured",
        attempt=attempt.index,
        plan=attempt.plan,
        meets=meets,
        size_ratio=reached.size_ratio.value,
        speedup=reached.speedup.value if reached.speedup else None,
        fidelity_db=reached.fidelity.value if reached.fidelity else None,
        drop=drop,
        missed=verdict.violated,
        text=f"attempt {attempt.index} ({_figures(attempt)}): {came_to}",
    )


def _figures(attempt: Attempt) -> str:
    reached = attempt.comparison
    assert reached is not None, "what has evidence was compared"
    told = [f"{units.format_share(reached.size_ratio.value)} of the size"]
    told += [units.format_factor(reached.speedup.value)] if reached.speedup else ["not timed"]
    if reached.accuracy_delta is not None:
        told.append(f"drop {units.format_share(-reached.accuracy_delta.value)}")
    told += [units.format_decibels(reached.fidelity.value)] if reached.fidelity else []
    return ", ".join(told)


def _predicted(plan: Plan) -> Candidate:
    predicted = plan.predicted
    assert predicted is not None, "open plans carry their prediction"
    return Candidate(
        basis="predicted",
        plan=plan,
        chance=predicted.chance,
        size_ratio=predicted.size_ratio,
        speedup=predicted.speedup,
        fidelity_db=predicted.fidelity_db,
        text=f"not tried, {_words(plan)}: expected {expected(plan)}",
    )


def _words(plan: Plan) -> str:
    found = topics_of(plan)
    passed_over = {"mixture", *({"int8"} if found & {"static", "dynamic"} else ())}
    names = ", ".join(NAMES[topic] for topic in TOPICS if topic in found and topic not in passed_over)
    return f"a mixture of {names}" if "mixture" in found else names or "normalization alone"


def _text(outcome: str, candidates: tuple[Candidate, ...], seen: Past) -> tuple[str, ...]:
    """Return the answer, what it is compared with, and a line for each candidate."""
    best = candidates[0] if candidates else None
    answer = {
        "met": f"attempt {best.attempt if best else 0} meets that already",
        "likely": "nothing that was measured in full meets that, but something probably would",
        "unlikely": "nothing that was measured meets that, and nothing left is likely to",
    }[outcome]
    now = next((item for item in seen.attempts if item.index == seen.delivered), None)
    compared = (f"delivered was attempt {now.index} ({_figures(now)})",) if now and now.comparison else ()
    return (answer, *compared, *(item.text for item in candidates))
