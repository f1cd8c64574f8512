"""The policy with advisers: whom it asks when, what becomes of their answers, and that a bad one does little harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shipfit.agents.language_policy import (
    FAILURES_AT_MOST,
    PROPOSALS_AT_MOST,
    QUESTIONS_AT_MOST,
    LanguagePolicy,
    counts,
    who_may_help,
)
from shipfit.agents.policy import BuiltInPolicy
from shipfit.agents.proposals import Part
from shipfit.agents.say import ADVISERS
from shipfit.contracts import (
    Attempt,
    Consultation,
    LanguageModelError,
    Plan,
    PolicyState,
    Proposal,
    PruningConfig,
    QuantizationProposal,
    QuantizeLever,
    Specialist,
)

from .facts import make_attempt, make_profile, make_state

CONV = make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))
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
