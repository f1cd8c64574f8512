"""Conclude: remember what was learned, ask for words on it, and complete the table of layers of what is delivered."""

from __future__ import annotations

import time

from ..contracts import Attempt, OptimizationMetrics, Outcome, Plan
from .advise import recommend
from .context import RunContext
from .layers import completed_layers
from .planner import policy_state
from .remarks import analysed
from .respond import delivered
from .state import RunState


def conclude(state: RunState, context: RunContext) -> RunState:
    """Write every attempt to memory; a resumed run overwrites its own outcomes instead of adding to them."""
    if context.request.memory:
        context.outcomes.remember([outcome(state, context, attempt) for attempt in state.get("attempts", ())])
    best = delivered(state)
    advice = recommend(context.request, state, best)
    said = analysed(policy_state(state, context), best, advice, context)
    update: RunState = {"said": said} if said else {}
    if best is None:
        return update
    layers, effort = completed_layers(state, context, best)
    return {**update, "layers": layers, "effort": effort}


def outcome(state: RunState, context: RunContext, attempt: Attempt) -> Outcome:
    """Return one attempt in the form that later runs recall."""
    offered = next((offer for offer in state.get("offers", ()) if offer.attempt == attempt.index), None)
    comparison = offered.comparison if offered else attempt.comparison
    delta = comparison.accuracy_delta if comparison else None
    # What failed on the final part looked better on the selection part than it is: its quality is not remembered.
    flattered = attempt.failed_on_final and offered is None
    return Outcome(
        id=f"{context.run}-{attempt.index}",
        run=context.run,
        created=time.time(),
        model=state["original"].id,
        profile=state["profile"],
        target=context.request.target,
        constraints=context.request.constraints,
        objective=context.request.objective,
        hardware=context.hardware,
        plan=_performed(attempt),
        recipe=attempt.recipe,
        verdict=attempt.verdict.kind,
        delivered=attempt.index == state.get("best"),
        size_ratio=comparison.size_ratio.value if comparison else None,
        speedup=comparison.speedup.value if comparison and comparison.speedup else None,
        drop=-delta.value if delta and not flattered else None,
        metric=context.request.scored_by,
        fidelity_db=comparison.fidelity.value if comparison and comparison.fidelity and not flattered else None,
        logits_fidelity_db=None if flattered else _at_logits(comparison),
        forecast_db=attempt.forecast.fidelity_db if attempt.forecast else None,
    )


def _performed(attempt: Attempt) -> Plan:
    """Return what was measured of the attempt's plan: where pruning alone ended it, nothing was quantized."""
    return attempt.plan.model_copy(update={"quantize": None}) if attempt.stage == "prune" else attempt.plan


def _at_logits(comparison: OptimizationMetrics | None) -> float | None:
    reached = (comparison.logits_fidelity or comparison.fidelity) if comparison else None
    return reached.value if reached else None
