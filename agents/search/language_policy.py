"""The policy with a language model: the built-in one, with proposals of advisers in its queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ...contracts import (
    Attempt,
    Consultation,
    Dropped,
    LanguageModelError,
    Plan,
    Policy,
    PolicyState,
    ProposalCount,
    Specialist,
)
from .needs import QUALITY
from .proposals import Part, UnusableProposal, to_plan, unusable
from .quoting import plain
from .say import ADVISERS, heard
from .trajectory import summarize

# Proposals that are looked at of one answer, and questions in a run: however many attempts it may make.
PROPOSALS_AT_MOST = 3
QUESTIONS_AT_MOST = 12
# After so many questions without an answer nobody is asked any more.
FAILURES_AT_MOST = 2


class Advisers(Protocol):
    """Whoever answers for the agents."""

    def ask(self, proposer: Specialist, situation: str) -> list[Part]:
        """Return what the agent proposes in this situation.

        Raises:
            LanguageModelError: there is no answer, or none that can be read.
        """
        ...


class LanguagePolicy:
    """Implements `contracts.Policy`: asks advisers where that is useful, and lets the policy choose among all plans.

    Args:
        policy: chooses, by expected chance and worth alone.
        advisers: propose; what they say is data.
        record: puts what came of a question on the trail.
        earlier: what stands there already, of a run that was resumed: nobody is asked twice.
    """

    def __init__(
        self,
        policy: Policy,
        advisers: Advisers,
        record: Callable[[Consultation], None],
        earlier: Iterable[Consultation] = (),
    ) -> None:
        self._policy = policy
        self._advisers = advisers
        self._record = record
        self._asked = list(earlier)

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the next plan; what the policy would choose by itself as well stays its own."""
        seen, own = self._by_itself(state)
        for proposer in self._useful(state, own):
            self._ask(proposer, state, own)
        plans = tuple(plan for each in self._asked for plan in each.plans if not unusable(plan, state))
        open_to_it = heard(state.model_copy(update={"proposals": plans}))
        chosen = self._policy.propose(seen.model_copy(update={"proposals": open_to_it}))
        if chosen is None or (own is not None and chosen.same_as(own)):
            return own
        return chosen if any(chosen.same_as(plan) for plan in open_to_it) else own

    def _by_itself(self, state: PolicyState) -> tuple[PolicyState, Plan | None]:
        """Return the state as the policy would have it without its advisers, and what it proposes there.

        Attempts that an adviser asked for and that missed do not lead the policy astray: it comes to what it would
        have come to without them, one attempt later. Where it would try the same, it takes the result as its own.
        """
        seen = state.model_copy(update={"attempts": (), "proposals": ()})
        lost = list[Attempt]()
        for attempt in state.attempts:
            if attempt.plan.proposer in ADVISERS and attempt.verdict.kind != "met":
                lost.append(attempt)
                continue
            if lost:
                seen, _ = self._taking(seen, lost, state)
            seen = seen.model_copy(update={"attempts": (*seen.attempts, attempt)})
        return self._taking(seen, lost, state)

    def _taking(self, seen: PolicyState, lost: list[Attempt], state: PolicyState) -> tuple[PolicyState, Plan | None]:
        """Return the state with those of the `lost` attempts that the policy asks for, and its next plan."""
        while True:
            budget = state.request.budget
            left = budget.model_copy(update={"max_attempts": max(budget.max_attempts - len(lost), 1)})
            seen = seen.model_copy(update={"request": state.request.model_copy(update={"budget": left})})
            own = self._policy.propose(seen)
            same = next((each for each in lost if own is not None and each.plan.same_as(own)), None)
            if same is None:
                return seen, own
            lost.remove(same)
            seen = seen.model_copy(update={"attempts": (*seen.attempts, same)})

    def _useful(self, state: PolicyState, own: Plan | None) -> tuple[Specialist, ...]:
        """Return who may help: the planner at first, after a miss those whose lever moves what was missed."""
        number = len(state.attempts) + 1
        unanswered = sum(1 for each in self._asked if each.error)
        spent = len(self._asked) >= QUESTIONS_AT_MOST or unanswered >= FAILURES_AT_MOST
        recalled = own is not None and own.proposer == "memory"
        silenced = not heard(state.model_copy(update={"proposals": (Plan(),)}))
        if spent or recalled or silenced or state.request.optimization.level == "none":
            return ()
        wanted = who_may_help(state)
        known = {each.proposer for each in self._asked if each.attempt == number}
        return tuple(each for each in wanted if each not in known)

    def _ask(self, proposer: Specialist, state: PolicyState, own: Plan | None) -> None:
        base = own or (state.attempts[-1].plan if state.attempts else Plan())
        number = len(state.attempts) + 1
        try:
            parts = self._advisers.ask(proposer, summarize(state))
        except LanguageModelError as error:
            advised = Consultation(attempt=number, proposer=proposer, error=plain(error.message, 300))
        else:
            advised = advice(parts, base, state, proposer)
        self._asked.append(advised)
        self._record(advised)


def who_may_help(state: PolicyState) -> tuple[Specialist, ...]:
    """Return the planner before anything was tried, the specialists for what was missed after a miss, else nobody."""
    if not state.attempts:
        return ("planner",)
    last = state.attempts[-1]
    if last.verdict.kind == "met" or any(attempt.verdict.kind == "met" for attempt in state.attempts):
        return ()
    missed = {result.name for result in last.verdict.violated}
    found: list[Specialist] = ["quantization"]
    size = any("size" in name for name in missed)
    if size and state.request.optimization.may_prune:
        found.append("pruning")
    if not missed <= set(QUALITY) and not size:
        found.append("runtime")
    return tuple(found)


def advice(parts: Iterable[Part], base: Plan, state: PolicyState, proposer: Specialist) -> Consultation:
    """Return an answer as plans, each once, and what could not be turned into one."""
    plans: list[Plan] = []
    dropped: list[Dropped] = []
    for part in list(parts)[:PROPOSALS_AT_MOST]:
        try:
            plan = to_plan(part, base, state, proposer)
        except UnusableProposal as error:
            dropped.append(Dropped(proposal=part.model_dump_json(exclude_defaults=True)[:500], reason=str(error)))
            continue
        if not any(plan.same_as(other) for other in plans):
            plans.append(plan)
    number = len(state.attempts) + 1
    return Consultation(attempt=number, proposer=proposer, plans=tuple(plans), dropped=tuple(dropped))


def counts(asked: Iterable[Consultation], attempts: Iterable[Attempt]) -> tuple[ProposalCount, ...]:
    """Return what became of each adviser's proposals, in the order in which they were first asked."""
    found: dict[Specialist, list[Consultation]] = {}
    for each in asked:
        found.setdefault(each.proposer, []).append(each)
    tried = [attempt for attempt in attempts if attempt.plan.proposer in ADVISERS]
    return tuple(
        ProposalCount(
            proposer=proposer,
            asked=len(answers),
            unanswered=sum(1 for each in answers if each.error),
            valid=sum(len(each.plans) for each in answers),
            dropped=sum(len(each.dropped) for each in answers),
            tried=sum(1 for each in tried if each.plan.proposer == proposer),
            met=sum(1 for each in tried if each.plan.proposer == proposer and each.verdict.kind == "met"),
        )
        for proposer, answers in found.items()
    )
