"""Ask a person before the run goes on, and do what the answer says. Interrupts are here and nowhere else.

A node that is interrupted runs again from its start when the answer is there; so nothing here has an effect before
`interrupt` returns, and what is asked depends on the state alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from langgraph.types import interrupt

from ..contracts import Answer, Attempt, AttemptJudgedAgain, Decision, Question, Request, edits_between, validate
from .context import RunContext
from .evidence import judged_again
from .planner import policy_state
from .respond import delivered
from .search.allowed import allowed
from .state import RunState

REJECTED = "every bound and guard holds, but it was rejected by a person"


def approve_plan(state: RunState, context: RunContext) -> RunState:
    """Ask whether the plan shall be tried; one that is rejected is not proposed again."""
    draft = state["draft"]
    assert draft is not None, "the planner leads here with a draft"
    question = Question(id=_next_id(state), about="plan", attempt=draft.index, plan=draft.plan, request=context.request)
    answer, update = _ask(state, context.request, question)
    if answer.action == "go":
        return update
    update["draft"] = None
    if answer.action == "reject":
        update["rejected"] = (*state.get("rejected", ()), draft.plan)
    return update


def approve_result(state: RunState, context: RunContext) -> RunState:
    """Ask whether the best candidate shall be delivered; edited bounds are held against what was measured."""
    best = delivered(state)
    assert best is not None, "the planner leads here with something that is met"
    question = Question(
        id=_next_id(state),
        about="result",
        attempt=best.index,
        plan=best.plan,
        request=context.request,
        constraints=best.verdict.constraints,
        comparison=best.comparison,
    )
    answer, update = _ask(state, context.request, question)
    if answer.action == "go":
        return update
    update["best"] = None
    if answer.action == "stop":
        return update
    if answer.action == "reject":
        changed = [rejected(best)]
    else:
        again = _judged_again(state, replace(context, request=update["request"]))
        changed = [attempt for attempt, _ in again]
        update["opened"] = tuple(attempt.index for attempt, is_open in again if is_open)
    for attempt in changed:
        context.emit(AttemptJudgedAgain(question=question.id, attempt=attempt))
    return {**update, "attempts": tuple(changed), "first_met": _first_met(state.get("attempts", ()), changed)}


def after_answer(state: RunState) -> Literal["rewrite", "plan", "conclude", "rollback"]:
    """Go on as the last answer says."""
    decision = state["decisions"][-1]
    if decision.action == "stop":
        return "rollback"
    if decision.action == "go":
        return "rewrite" if decision.about == "plan" else "conclude"
    return "plan"


def pending(snapshot: Any) -> Question | None:
    """Return the question that the graph of a `StateSnapshot` is stopped at, if it is."""
    values = [item.value for item in snapshot.interrupts]
    return validate(Question, values[0]) if values else None


def rejected(attempt: Attempt) -> Attempt:
    """Return the attempt as one that a person did not accept."""
    verdict = attempt.verdict.model_copy(update={"kind": "not_met", "reason": REJECTED})
    return attempt.model_copy(update={"verdict": verdict, "rejected": True})


def _judged_again(state: RunState, context: RunContext) -> list[tuple[Attempt, bool]]:
    """Return every attempt that has another verdict under the edited request, and whether it is worth going on with."""
    seen = policy_state(state, context)
    before = state.get("attempts", ())
    again = [
        judged_again(attempt, context.request, context.measured_on, permitted=allowed(attempt.plan, seen))
        for attempt in before
    ]
    return [(now, is_open) for (now, is_open), old in zip(again, before, strict=True) if now != old]


def _next_id(state: RunState) -> str:
    return str(len(state.get("decisions", ())) + 1)


def _ask(state: RunState, request: Request, question: Question) -> tuple[Answer, RunState]:
    """Return the answer, and what follows from it whatever was asked."""
    answer = validate(Answer, interrupt(question.model_dump(mode="json")))
    edited = answer.changes.applied_to(request)
    decision = Decision.of(question, answer, edits_between(request, edited), time.time())
    update: RunState = {"decisions": (*state.get("decisions", ()), decision)}
    if answer.action == "edit":
        update["request"] = edited
    if answer.action == "stop":
        update["stopped"] = True
        update["reason"] = f"stopped by {answer.by}"
    return answer, update


def _first_met(attempts: Iterable[Attempt], changed: Iterable[Attempt]) -> int | None:
    now = {attempt.index: attempt for attempt in (*attempts, *changed)}
    return min((index for index, attempt in now.items() if attempt.verdict.kind == "met"), default=None)
