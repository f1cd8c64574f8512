"""The planner: recall what is known, then choose the next plan within the budget."""

from __future__ import annotations

from typing import Literal

from ..contracts import Attempt, Plan, Planned, PolicyState, units
from .context import RunContext
from .search.lessons import informed
from .search.policy import best_met
from .search.recall import is_believed
from .state import Draft, RunState


def recall(state: RunState, context: RunContext) -> RunState:
    """Find out what this machine is, unless it is known, and past outcomes of this model and of similar ones."""
    host, effort = context.find_host()
    found = context.outcomes.recall(state["profile"], context.request, state["original"].id, context.hardware)
    known = informed(_all_known({**state, "host": host}, context), found)
    return {"recalled": known.recalled, "lessons": known.lessons, "host": host, "effort": effort}


def policy_state(state: RunState, context: RunContext) -> PolicyState:
    """Return what a policy may see: what memory holds only as long as it is believed."""
    known = _all_known(state, context)
    return known if is_believed(known) else known.model_copy(update={"recalled": (), "lessons": ()})


def _all_known(state: RunState, context: RunContext) -> PolicyState:
    size = {"size_bytes": state["original"].size_bytes}
    return PolicyState(
        request=context.request,
        profile=state["profile"].model_copy(update=size),
        attempts=state.get("attempts", ()),
        recalled=state.get("recalled", ()),
        rejected=state.get("rejected", ()),
        lessons=state.get("lessons", ()),
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
    if best is None and (opened := _opened(state)):
        chosen: Plan | None = _gone_on_with(opened[0])
        update["opened"] = tuple(item.index for item in opened[1:])
    else:
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


def _opened(state: RunState) -> list[Attempt]:
    return [attempt for attempt in state.get("attempts", ()) if attempt.index in state.get("opened", ())]


def _gone_on_with(attempt: Attempt) -> Plan:
    """Return the plan that makes an attempt's candidate again, from the store, to measure it in full."""
    words = f"attempt {attempt.index} misses nothing under the edited bounds, so its candidate is measured in full"
    return attempt.plan.model_copy(update={"reason": words})


def budget_spent(state: RunState, context: RunContext) -> str:
    """Return why no further attempt fits the budget, or an empty string."""
    budget = context.request.budget
    attempts, elapsed = len(state.get("attempts", ())), state.get("elapsed_s", 0.0)
    if attempts >= budget.max_attempts:
        return f"the budget of {budget.max_attempts} attempts is spent"
    if elapsed >= budget.time_limit_s:
        return f"the time limit of {units.format_seconds(budget.time_limit_s)} is spent"
    return ""


def asks_about_plan(state: RunState) -> bool:
    """Tell whether the plan needs approval: nothing has been transformed so far, and a person wants to be asked."""
    approved = any(item.about == "plan" and item.action == "go" for item in state.get("decisions", ()))
    return state.get("asks", False) and not approved


def after_plan(state: RunState) -> Literal["approve_plan", "rewrite", "rollback", "approve_result", "conclude"]:
    """Go on with the plan; without one, deliver what is met, or roll back. A person is asked first who wants to be."""
    if state.get("draft") is not None:
        return "approve_plan" if asks_about_plan(state) else "rewrite"
    if state.get("best") is None:
        return "rollback"
    return "approve_result" if state.get("asks") else "conclude"
