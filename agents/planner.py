"""The planner: recall what is known, then choose the next plan within the budget."""

from __future__ import annotations

from typing import Literal

from ..contracts import Planned, PolicyState, units
from .context import RunContext
from .policy import best_met
from .state import Draft, RunState


def recall(state: RunState, context: RunContext) -> RunState:
    """Find out what this machine is, unless it is known, and past outcomes of this model and of similar ones."""
    host, effort = context.find_host()
    found = context.outcomes.recall(state["profile"], context.request, state["original"].id, context.hardware)
    return {"recalled": tuple(found), "host": host, "effort": effort}


def policy_state(state: RunState, context: RunContext) -> PolicyState:
    """Return what a policy may see."""
    size = {"size_bytes": state["original"].size_bytes}
    return PolicyState(
        request=context.request,
        profile=state["profile"].model_copy(update=size),
        attempts=state.get("attempts", ()),
        recalled=state.get("recalled", ()),
        labelled=state["data"].labelled,
        host=state["host"],
    )


def plan(state: RunState, context: RunContext) -> RunState:
    """Choose what to try next; no draft means that the search is over, and `reason` says why."""
    seen = policy_state(state, context)
    best = best_met(seen)
    update: RunState = {"best": best.index if best else None, "draft": None}
    spent = budget_spent(state, context)
    if spent:
        return {**update, "reason": spent}
    chosen = context.policy.propose(seen)
    if chosen is None:
        words = "no further gain of 10 % is predicted" if best else "nothing promising is left to try"
        return {**update, "reason": words}
    index = len(seen.attempts) + 1
    context.emit(Planned(attempt=index, plan=chosen))
    return {
        **update,
        "draft": Draft(index=index, plan=chosen, artifact=state["model"], steps=state.get("base_steps", ())),
    }


def budget_spent(state: RunState, context: RunContext) -> str:
    """Return why no further attempt fits the budget, or an empty string."""
    budget = context.request.budget
    attempts, elapsed = len(state.get("attempts", ())), state.get("elapsed_s", 0.0)
    if attempts >= budget.max_attempts:
        return f"the budget of {budget.max_attempts} attempts is spent"
    if elapsed >= budget.time_limit_s:
        return f"the time limit of {units.format_seconds(budget.time_limit_s)} is spent"
    return ""


def after_plan(state: RunState) -> Literal["rewrite", "rollback", "conclude"]:
    """Go on with the plan; without one, deliver what is met, or roll back."""
    if state.get("draft") is not None:
        return "rewrite"
    return "conclude" if state.get("best") is not None else "rollback"
