"""How much say advisers have in the search: even at first, then by what their plans came to.

A proposal has the same expected chance as any plan would have; the say of its proposer multiplies it. Within a run
the say ends with the first of its attempts that missed, unless as many have met: a bad adviser costs one attempt.
"""

from __future__ import annotations

from ...contracts import Plan, PolicyState, Proposer

ADVISERS: frozenset[Proposer] = frozenset({"planner", "quantization", "pruning", "runtime"})
# Where the policy is indifferent, who was asked decides.
INDIFFERENT = 1.05
LEAST_SAY, MOST_SAY = 0.25, 2.0


def heard(state: PolicyState) -> tuple[Plan, ...]:
    """Return the proposals that may be tried."""
    own = [attempt.verdict.kind == "met" for attempt in state.attempts if attempt.plan.proposer in ADVISERS]
    return state.proposals if own.count(False) <= own.count(True) else ()


def say(plan: Plan, state: PolicyState) -> float:
    """Return the factor of an adviser's plan: the odds that one of its plans meets everything.

    Beta(1, 1) over this run's attempts and the outcomes of similar cases that memory recalls, in favour of one attempt
    at the evens; 1 for whoever is no adviser.
    """
    if plan.proposer not in ADVISERS:
        return 1.0
    outcomes = [item.outcome.verdict == "met" for item in state.recalled if item.outcome.plan.proposer == plan.proposer]
    outcomes += [item.verdict.kind == "met" for item in state.attempts if item.plan.proposer == plan.proposer]
    odds = (outcomes.count(True) + 1) / (outcomes.count(False) + 1)
    return INDIFFERENT * min(max(odds, LEAST_SAY), MOST_SAY)
