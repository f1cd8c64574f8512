"""The policy with advisers: whom it asks when, what becomes of their answers, and that a bad one does little harm."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.agents.search.language_policy import (
    FAILURES_AT_MOST,
    PROPOSALS_AT_MOST,
    QUESTIONS_AT_MOST,
    LanguagePolicy,
    counts,
    who_may_help,
)
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.proposals import Part
from shipfit.agents.search.say import ADVISERS
from shipfit.contracts import (
    Attempt,
    Consultation,
    LanguageModelError,
    OptimizationConfig,
    Plan,
    PolicyState,
    Proposal,
    PruneLever,
    PruningConfig,
    QuantizationProposal,
    QuantizeLever,
    Specialist,
)

from ..facts import make_attempt, make_profile, make_state
from .test_proposals import whole_proposals as proposals

CONV = make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))
INNER = CONV.model_copy(update={"inner_share": 0.6, "inner_left": ((0.25, 0.7), (0.5, 0.5), (0.7, 0.4))})
FP16 = Proposal(quantization=QuantizationProposal(storage="fp16"))
Answer = Callable[[Specialist, str], list[Part]]


class Scripted:
    """Advisers that answer by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Specialist] = []
        self.told: list[str] = []

    def ask(self, proposer: Specialist, situation: str) -> list[Part]:
        self.asked.append(proposer)
        self.told.append(situation)
        return self.answer(proposer, situation)


def always(*parts: Part) -> Answer:
    return lambda _proposer, _situation: list(parts)


def silent(_proposer: Specialist, _situation: str) -> list[Part]:
    raise LanguageModelError("no answer\x1b[2J from the provider")


def policy_of(answer: Answer, *earlier: Consultation) -> tuple[LanguagePolicy, Scripted, list[Consultation]]:
    advisers, trail = Scripted(answer), list[Consultation]()
    return LanguagePolicy(BuiltInPolicy(), advisers, trail.append, earlier), advisers, trail


def missed(index: int, plan: Plan) -> Attempt:
    return make_attempt(index, plan, "not_met", size=0.5, db=15, drop=0.05, violated=("max_size_ratio",))


def test_the_planner_is_asked_first_and_specialists_after_a_miss() -> None:
    policy, advisers, trail = policy_of(always(FP16))
    state = make_state(CONV, max_size_ratio=0.3, max_accuracy_drop=0.01)
    first = policy.propose(state)
    assert advisers.asked == ["planner"]
    assert first is not None
    policy.propose(state)
    assert advisers.asked == ["planner"]  # a node that runs again asks nothing again
    after = state.model_copy(update={"attempts": (missed(1, first),)})
    policy.propose(after)
    assert advisers.asked == ["planner", "quantization"]
    assert "attempt 1" in advisers.told[-1]
    assert [each.proposer for each in trail] == advisers.asked


def test_who_may_help_follows_what_was_missed() -> None:
    plan = Plan(quantize=QuantizeLever(storage="int8"))
    state = make_state(CONV, max_size_ratio=0.3)

    def after(*names: str, kind: str = "not_met") -> PolicyState:
        return state.model_copy(update={"attempts": (make_attempt(1, plan, kind, violated=names),)})

    assert who_may_help(state) == ("planner",)
    assert who_may_help(after("max_accuracy_drop")) == ("quantization",)
    assert who_may_help(after("min_speedup")) == ("quantization", "runtime")
    assert who_may_help(after("max_size_ratio")) == ("quantization",)
    assert who_may_help(after(kind="met")) == ()
    optimization = state.request.optimization.model_copy(update={"pruning": PruningConfig(enabled=True)})
    request = state.request.model_copy(update={"optimization": optimization})
    pruned = after("max_size_ratio").model_copy(update={"request": request})
    assert who_may_help(pruned) == ("quantization", "pruning")


def test_what_is_no_plan_is_counted_with_its_reason() -> None:
    int4 = Proposal(quantization=QuantizationProposal(storage="int4"))
    policy, _, trail = policy_of(always(int4, FP16, FP16, FP16, FP16))
    policy.propose(make_state(CONV, max_size_ratio=0.6))
    assert [item.reason for item in trail[0].dropped] == ["the request's switches rule it out"]
    assert "int4" in trail[0].dropped[0].proposal
    assert len(trail[0].plans) == 1  # of three that are looked at, one is another's double
    tried = make_attempt(1, trail[0].plans[0], "met")
    (count,) = counts(trail, [tried])
    assert (count.proposer, count.asked, count.valid, count.dropped, count.tried, count.met) == (
        "planner", 1, 1, 1, 1, 1,
    )  # fmt: skip
    assert PROPOSALS_AT_MOST == 3


def test_a_silent_adviser_is_asked_no_more_and_the_policy_goes_on() -> None:
    policy, advisers, trail = policy_of(silent)
    state = make_state(CONV, max_size_ratio=0.2, max_accuracy_drop=0.01)
    own = BuiltInPolicy()
    for index in range(1, 5):
        plan = policy.propose(state)
        assert plan == own.propose(state)
        if plan is None:
            break
        state = state.model_copy(update={"attempts": (*state.attempts, missed(index, plan))})
    assert len(advisers.asked) == FAILURES_AT_MOST
    assert trail[0].error == "no answer [2J from the provider"


def test_a_resumed_run_asks_nobody_twice() -> None:
    first, _, trail = policy_of(always(FP16))
    state = make_state(CONV, max_size_ratio=0.6)
    before = first.propose(state)
    again, advisers, _ = policy_of(always(), *trail)
    assert again.propose(state) == before
    assert advisers.asked == []


def test_questions_are_bounded() -> None:
    earlier = [Consultation(attempt=index, proposer="runtime") for index in range(QUESTIONS_AT_MOST)]
    policy, advisers, _ = policy_of(always(FP16), *earlier)
    assert policy.propose(make_state(CONV, max_size_ratio=0.6)) is not None
    assert advisers.asked == []


def test_a_plan_that_the_policy_would_choose_stays_its_own() -> None:
    state = make_state(CONV, labelled=False, max_size_ratio=0.6, min_fidelity_db=55)
    own = BuiltInPolicy().propose(state)
    assert own is not None
    assert own.quantize == QuantizeLever(storage="fp16")
    policy, _, trail = policy_of(always(FP16))
    chosen = policy.propose(state)
    assert chosen == own
    assert trail[0].plans[0].same_as(own)


def test_a_missed_proposal_does_not_lead_the_policy_astray() -> None:
    """As measured on a real model: what a little pruning kept made the policy believe in much of it, four times."""
    state = make_state(INNER, labelled=False, max_size_ratio=0.16, min_fidelity_db=34)
    aggressive = state.request.model_copy(update={"optimization": OptimizationConfig(level="aggressive")})
    state = state.model_copy(update={"request": aggressive})
    first = BuiltInPolicy().propose(state)
    assert first is not None
    lever = QuantizeLever(storage="int4", rounding="error_feedback")
    pruned = Plan(quantize=lever, prune=PruneLever(ratio=0.25))
    own = make_attempt(1, pruned, "not_met", size=0.14, speed=1.2, db=27.6, violated=("min_fidelity_db",))
    advised = Plan(quantize=lever, prune=PruneLever(ratio=0.1), proposer="pruning")
    lost = make_attempt(2, advised, "not_met", size=0.15, speed=1.1, db=50, violated=("min_fidelity_db",))
    alone = BuiltInPolicy().propose(state.model_copy(update={"attempts": (own,)}))
    policy, _, _ = policy_of(always())
    after = policy.propose(state.model_copy(update={"attempts": (own, lost)}))
    assert alone is not None
    assert after is not None
    assert after.same_as(alone)
    # What the policy would have tried itself counts as tried by it.
    same = make_attempt(2, alone.model_copy(update={"proposer": "planner"}), "not_met", violated=("min_fidelity_db",))
    following = BuiltInPolicy().propose(state.model_copy(update={"attempts": (own, same)}))
    again = policy.propose(state.model_copy(update={"attempts": (own, same)}))
    assert following is not None
    assert again is not None
    assert again.same_as(following)
    assert not again.same_as(alone)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(world=st.integers(0, 10**6), answers=st.lists(proposals(), min_size=1, max_size=4))
def test_no_advice_makes_a_run_worse_by_more_than_one_attempt(world: int, answers: list[Proposal]) -> None:
    """Whatever plans come to, and whatever is proposed: the policy comes to what it would have come to, one later."""
    parts = iter(answers * 20)

    def answer(proposer: Specialist, _situation: str) -> list[Part]:
        part = next(parts)
        return [{"planner": part, "pruning": part.pruning, "runtime": part.runtime}.get(proposer, part.quantization)]

    alone = attempts_in(world, BuiltInPolicy())
    advised = attempts_in(world, policy_of(answer)[0])
    own = [attempt for attempt in advised if attempt.plan.proposer not in ADVISERS]
    met = [attempt.verdict.kind == "met" for attempt in advised]
    if not any(attempt.verdict.kind == "met" for attempt in advised if attempt not in own):
        assert len(advised) - len(own) <= 1
        tried = [attempt.plan for attempt in own]
        assert all(any(plan.same_as(other.plan) for other in alone) for plan in tried)
    if alone[-1:] and alone[-1].verdict.kind == "met":
        assert True in met
        assert met.index(True) <= len(alone)


def attempts_in(world: int, policy: BuiltInPolicy | LanguagePolicy, most: int = 8) -> list[Attempt]:
    """Return the attempts until the first that met, where the plan alone decides what it comes to, at random."""
    state = make_state(INNER, max_size_ratio=0.3, min_speedup=1.2, max_accuracy_drop=0.01)
    budget = state.request.budget.model_copy(update={"max_attempts": 100})
    optimization = OptimizationConfig(level="aggressive")
    request = state.request.model_copy(update={"budget": budget, "optimization": optimization})
    state = state.model_copy(update={"request": request})
    for index in range(1, most + 1):
        plan = policy.propose(state)
        if plan is None:
            break
        state = state.model_copy(update={"attempts": (*state.attempts, outcome_in(world, index, plan))})
        if state.attempts[-1].verdict.kind == "met":
            break
    return list(state.attempts)


def outcome_in(world: int, index: int, plan: Plan) -> Attempt:
    blank = plan.model_copy(update={"reason": "", "predicted": None, "proposer": "policy"})
    drawn = random.Random(f"{world} {blank.model_dump_json()}")
    size, speed, db = drawn.uniform(0.1, 0.9), drawn.uniform(0.5, 3.0), drawn.uniform(5, 45)
    if drawn.random() < 0.2:
        return make_attempt(index, plan, "met", size=0.2, speed=2.0, db=40)
    return make_attempt(
        index, plan, "not_met", size=size, speed=speed, db=db, drop=0.05, violated=("max_accuracy_drop",)
    )  # fmt: skip


@pytest.mark.parametrize("storage", ["none", "fp16", "int8", "int8_block"])
@pytest.mark.parametrize("form", ["float32", "static", "dynamic"])
def test_an_adviser_that_always_says_the_same_costs_one_attempt_at_most(storage: str, form: str) -> None:
    """In a world where one plan meets everything, the run finds it no more than one attempt later than without."""
    part = Proposal(
        quantization=QuantizationProposal.model_validate({"storage": storage, "products": form})
    )  # fmt: skip
    specialist = part.quantization
    answer: Answer = lambda proposer, _situation: [part if proposer == "planner" else specialist]  # noqa: E731
    alone = first_met(BuiltInPolicy())
    policy, _, _ = policy_of(answer)
    assert first_met(policy) <= alone + 1


def first_met(policy: BuiltInPolicy | LanguagePolicy) -> int:
    """Return the attempt that first met everything where a mixture with recovery does and nothing else."""
    state = make_state(CONV, max_size_ratio=0.3, min_speedup=1.5, max_accuracy_drop=0.01)
    for index in range(1, 12):
        plan = policy.propose(state)
        assert plan is not None
        if plan.quantize and plan.quantize.compute.get("Conv") == "static" and plan.quantize.recovery:
            return index
        lost = make_attempt(
            index, plan, "not_met", size=0.27, speed=2.0, db=15, drop=0.05, violated=("max_accuracy_drop",)
        )
        state = state.model_copy(update={"attempts": (*state.attempts, lost)})
        assert sum(each.plan.proposer in ADVISERS for each in state.attempts) <= 1
    raise AssertionError("never met")
