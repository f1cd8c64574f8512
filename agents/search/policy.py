"""The built-in policy: of the plans that are left, the one most likely to meet every constraint and worth most."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...contracts import Attempt, OptimizationMetrics, Plan, PolicyState, Predicted
from .chance import chance
from .evidence import weighed, with_reason
from .plans import plans
from .predict import estimate
from .reasons import reason
from .recall import remembered, was_searched
from .say import ADVISERS, heard, say

FURTHER_GAIN = 1.10
WORTH_TRYING = 0.35
HOPELESS = 0.03
CANDIDATES_FOR_OFFERS = 3
# How much more the logarithm of the chance counts than that of the worth while nothing is met: a bold plan that misses
# costs an attempt, a safe one that meets can still be followed by a bold one.
CAUTION = 3.0
# A first mixture costs its tables, which a plan by operator class does not.
UNTRIED = 0.7
# Recovery builds a candidate several times over: something quicker that promises nearly as much goes first.
SLOW_TO_BUILD = 0.8


class BuiltInPolicy:
    """Deterministic search over levers and operator classes; needs no language model."""

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the next plan, or None when nothing left is promising (or everything is met and no gain is near).

        What this very model met before is tried first. What other models met, or missed, leads away from what would
        be tried without memory only where there is reason to.
        """
        known = [each for each in remembered(state) if state.is_open(each.plan)]
        own = [each.plan for each in known if each.is_own]
        if own and not state.attempts:
            return max(own, key=lambda plan: _promise(plan, state))
        recalled = [each.plan for each in known]
        if not state.recalled or best_met(state) is not None:
            return _chosen(_ranked(state, recalled), state)
        alone = state.model_copy(update={"recalled": (), "lessons": ()})
        usual = _chosen(_ranked(alone), alone)
        return _chosen(_ranked(state, recalled), state) if usual is None else _preferred(usual, recalled, state)


def _preferred(usual: Plan, recalled: Sequence[Plan], state: PolicyState) -> Plan:
    """Return the plan that comes before the `usual` one, which memory did not choose; itself where none does."""
    usual, ranked = _rank(usual, state)[1], _ranked(state, recalled)
    before = with_reason([plan for _, plan in ranked], usual, state)
    return _chosen([item for item in ranked if item[1] in before], state) or usual


def _ranked(state: PolicyState, recalled: Sequence[Plan] = ()) -> list[tuple[float, Plan]]:
    """Return every plan that may be tried and would make something new, with its utility."""
    open_to_it = (*recalled, *plans(state), *heard(state))
    return [_rank(plan, state) for plan in open_to_it if state.is_open(plan) and _is_new(plan, state)]


def _is_new(plan: Plan, state: PolicyState) -> bool:
    """Tell whether a plan would make something new; what another model met is only known not to once one was built."""
    return (plan.proposer == "memory" and not state.attempts) or not estimate(plan, state).repeats


def _chosen(ranked: list[tuple[float, Plan]], state: PolicyState) -> Plan | None:
    """Return the best of the ranked plans, None where none is promising."""
    best = max(_first_choices(ranked, state), key=lambda item: item[0], default=None)
    if best is None:
        return None
    met = [attempt for attempt in state.attempts if attempt.verdict.kind == "met"]
    if met:
        return _further(ranked, met, state)
    if _is_last(state):
        best = max(ranked, key=lambda item: (_chance(item[1]) * say(item[1], state), item[0]))
    return best[1] if _chance(best[1]) >= HOPELESS else _for_offers(ranked, state)


def _first_choices(ranked: list[tuple[float, Plan]], state: PolicyState) -> list[tuple[float, Plan]]:
    """Return what may be tried next: before anything is met, nothing that is pruned for its worth alone."""
    return [item for item in ranked if _needs_its_pruning(item[1], state)] or ranked


def _needs_its_pruning(plan: Plan, state: PolicyState) -> bool:
    """Tell whether pruning, which always costs quality, makes the plan likelier to meet every bound.

    What an adviser proposes is weighed by its say alone.
    """
    if plan.prune is None or plan.proposer in ADVISERS:
        return True
    unpruned = plan.model_copy(update={"prune": None})
    return _chance(plan) > weighed(chance(unpruned, state)[0], unpruned, state)


def _promise(plan: Plan, state: PolicyState) -> float:
    """Return log utility of a remembered plan, from what was measured then."""
    foretold = plan.predicted
    return -math.inf if foretold is None else _utility(foretold.chance, foretold, state)


def _utility(likely: float, foretold: Predicted, state: PolicyState) -> float:
    """Return log utility: log worth and log chance, of which the latter counts for more until something is met."""
    is_met = any(attempt.verdict.kind == "met" for attempt in state.attempts)
    return (1.0 if is_met else CAUTION) * math.log(max(likely, 1e-300)) + math.log(value(state, foretold))


def _is_last(state: PolicyState) -> bool:
    """Tell whether the budget allows one more attempt and no other: then what is safest comes before what is best."""
    return bool(state.attempts) and len(state.attempts) + 1 == state.request.budget.max_attempts


def _chance(plan: Plan) -> float:
    return plan.predicted.chance if plan.predicted else 0.0


def _for_offers(ranked: list[tuple[float, Plan]], state: PolicyState) -> Plan | None:
    """Return the nearest plan that differs from what was built, until there is enough to choose offers from."""
    built = [item.plan.predicted for item in state.attempts if item.candidate is not None and item.plan.predicted]
    if len(built) >= CANDIDATES_FOR_OFFERS:
        return None
    others = [item for item in ranked if not any(_alike(item[1], before) for before in built)]
    return max(others, key=lambda item: item[0])[1] if others else None


def _alike(plan: Plan, before: Predicted) -> bool:
    """Tell whether a plan is expected to land where a candidate was, so that it would offer nothing new."""
    now = plan.predicted
    if now is None:
        return False
    same_size = abs(math.log(now.size_ratio / before.size_ratio)) < 0.1
    return same_size and abs(math.log(now.speedup / before.speedup)) < 0.3


def _rank(plan: Plan, state: PolicyState) -> tuple[float, Plan]:
    """Return log utility, less what building takes, by its proposer's say, and the plan with its prediction and reason.

    Its chance is weighed by what memory measured of it. What memory itself foretells of a plan stands.
    """
    likely, predicted = chance(plan, state)
    expected = predicted.model_copy(update={"chance": weighed(likely, plan, state)})
    utility = _utility(expected.chance, expected, state) + math.log(ease(plan, state)) + math.log(say(plan, state))
    if plan.proposer == "memory" and plan.predicted is not None and not state.attempts:
        return utility, plan
    return utility, plan.model_copy(update={"predicted": expected, "reason": reason(plan, expected, state)})


def ease(plan: Plan, state: PolicyState) -> float:
    """Return what is left of a plan's worth for the work of building it, at most 1; it says nothing of its chance."""
    lever = plan.quantize
    untried = UNTRIED if lever is not None and lever.mixture and not state.attempts else 1.0
    return untried * (SLOW_TO_BUILD if lever is not None and lever.recovery else 1.0)


def value(state: PolicyState, reached: Predicted) -> float:
    """Return what a result is worth under the request's objective, above zero."""
    size, speed = 1 / max(reached.size_ratio, 1e-4), max(reached.speedup, 1e-3)
    objective = state.request.objective
    if objective == "size":
        return float(size * speed**0.1)
    if objective == "latency":
        return float(speed * size**0.1)
    if objective == "accuracy":
        return float((1 + min(reached.fidelity_db, 80.0) / 20) ** 2 * (size * speed) ** 0.1)
    return math.sqrt(size * speed)


def worth(state: PolicyState, comparison: OptimizationMetrics) -> float:
    """Return the worth of what was measured."""
    return value(
        state,
        Predicted(
            size_ratio=comparison.size_ratio.value,
            speedup=comparison.speedup.value if comparison.speedup else 1.0,
            fidelity_db=comparison.fidelity.value if comparison.fidelity else 0.0,
        ),
    )


def best_met(state: PolicyState) -> Attempt | None:
    """Return the met attempt of the greatest worth; within 3 %, the one that compresses best, then the earlier."""
    met = [item for item in state.attempts if item.verdict.kind == "met" and item.comparison]
    if not met:
        return None
    top = max(worth(state, item.comparison) for item in met if item.comparison)
    close = [item for item in met if item.comparison and worth(state, item.comparison) >= top / 1.03]
    return min(close, key=lambda item: (_compressed(item), item.index))


def _compressed(attempt: Attempt) -> float:
    size = attempt.metrics.compressed_size if attempt.metrics else None
    return size.value if size else math.inf


def _further(ranked: list[tuple[float, Plan]], met: list[Attempt], state: PolicyState) -> Plan | None:
    """Return a plan that is likely to hold and to gain 10 % over what is met.

    What an earlier search of this very model ended with, and met again, ends this one; what served another model well
    need not be the best for this one.
    """
    if any(was_searched(attempt.plan, state) for attempt in met):
        return None
    top = max(worth(state, attempt.comparison) for attempt in met if attempt.comparison)
    better = [
        (utility, plan)
        for utility, plan in ranked
        if plan.predicted is not None
        and plan.predicted.chance >= WORTH_TRYING
        and (value(state, plan.predicted) >= top * FURTHER_GAIN or _prunes_more(plan, met))
    ]
    return max(better, key=lambda item: item[0])[1] if better else None


def _prunes_more(plan: Plan, met: list[Attempt]) -> bool:
    """Tell whether the plan is a met one with zeroed weights added: it compresses better at equal size and speed."""
    return (
        plan.prune is not None
        and plan.prune.threshold is not None
        and any(attempt.plan.prune is None and attempt.plan.quantize == plan.quantize for attempt in met)
    )
