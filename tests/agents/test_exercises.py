"""What past runs teach: which decisions, what was right, and that no model is both learned from and judged by."""

from __future__ import annotations

import pytest

from shipfit.agents.exercises import exercises, part_of, split, would_meet
from shipfit.agents.search.plans import plans
from shipfit.agents.search.proposals import UnusableProposal, to_plan
from shipfit.contracts import (
    Attempt,
    Constraints,
    OptimizationResponse,
    Plan,
    Profile,
    Proposal,
    QuantizationProposal,
    QuantizeLever,
    Specialist,
)

from ..hosts import WITH_VNNI
from ..interfaces import responses
from .facts import make_attempt, make_profile, make_state

CONV = make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))
LSTM = make_profile(LSTM=(2, 3_000_000, 0.9), Gemm=(1, 100_000, 0.02))
STORED = Plan(quantize=QuantizeLever(storage="int8"))
STATIC = Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8"))


def finished(name: str, *attempts: Attempt, profile: Profile = CONV, **bounds: float) -> OptimizationResponse:
    """A run of the model `name`."""
    plain = responses.response()
    known = plain.provenance.model_copy(update={"model": name, "data": "d", "host": WITH_VNNI})
    constraints = Constraints.model_validate(bounds or {"max_size_ratio": 0.3})
    request = plain.request.model_copy(update={"constraints": constraints})
    update = {"run": f"{name}-{bounds}", "profile": profile, "attempts": attempts, "provenance": known}
    return plain.model_copy(update={**update, "request": request})


def test_a_decision_is_scored_by_what_its_plan_came_to() -> None:
    run = finished(
        "m", make_attempt(1, STORED, "not_met", violated=("min_speedup",)), make_attempt(2, STATIC, "met")
    )  # fmt: skip
    (first,) = exercises([run], "planner")
    (second,) = exercises([run], "quantization")
    assert (len(first.state.attempts), len(second.state.attempts)) == (0, 1)
    static, stored = QuantizationProposal(convolutions="static", storage="int8"), QuantizationProposal(storage="int8")
    good, bad, unknown = (
        Proposal(quantization=part) for part in (static, stored, QuantizationProposal(products="dynamic"))
    )
    assert first.score("planner", [good]) == 1.0
    assert first.score("planner", [good, bad]) == 0.5
    assert first.score("planner", [bad]) == first.score("planner", [unknown]) == first.score("planner", []) == 0.0
    assert first.score("planner", [unknown, good]) == 1.0
    assert second.score("quantization", [static]) == 1.0
    assert second.score("quantization", [stored]) == 0.0  # it was tried, so it is no proposal
    assert [part.quantization for part in first.answers("planner") if isinstance(part, Proposal)] == [static]
    assert second.answers("quantization") == [static]


def test_runs_in_which_nothing_met_and_runs_without_facts_teach_nothing() -> None:
    assert exercises([finished("m", make_attempt(1, STORED, "not_met"))], "planner") == []
    assert exercises([responses.response()], "planner") == []  # of a version that kept no probe


def test_another_run_of_the_same_model_tells_what_it_can() -> None:
    small = make_attempt(1, STATIC, "met", size=0.27)
    results = responses.constraints()[:1]
    assert results[0].name == "max_size_ratio"
    told = small.model_copy(update={"verdict": small.verdict.model_copy(update={"constraints": results})})
    request = finished("m", told, max_size_ratio=0.4).request
    assert would_meet(told, request, same=False) is True
    assert would_meet(told, finished("m", told, max_size_ratio=0.1).request, same=False) is False
    assert would_meet(told, finished("m", told, min_speedup=3).request, same=False) is None
    assert would_meet(told, request, same=True) is True


@pytest.mark.parametrize("count", [3, 4, 9])
def test_no_model_is_on_both_sides(count: int) -> None:
    runs = [
        finished(f"m{n}", make_attempt(1, STATIC, "met"), max_size_ratio=0.3 + part / 100)
        for n in range(count)
        for part in range(3)
    ]
    learned, judged = split(exercises(runs, "planner"))
    assert learned
    assert judged
    assert not {each.model for each in learned} & {each.model for each in judged}
    assert split(exercises(reversed(runs), "planner")) == (learned, judged)


@pytest.mark.parametrize("profile", [CONV, LSTM], ids=["conv", "lstm"])
@pytest.mark.parametrize("proposer", ["planner", "quantization", "pruning"])
def test_the_policys_own_plans_can_be_said_in_the_words_of_proposals(profile: Profile, proposer: Specialist) -> None:
    state = make_state(profile, max_size_ratio=0.3, max_accuracy_drop=0.01)
    said = 0
    for plan in plans(state):
        try:
            again = to_plan(part_of(plan, proposer), plan, state, proposer)
        except UnusableProposal:
            continue
        said += 1
        assert again.prune == plan.prune
        assert bool(again.quantize) == bool(plan.quantize)
        if plan.quantize and again.quantize:
            names = ("compute", "storage", "mixture", "calibration", "recovery", "rounding", "clip_recurrent")
            assert {name: getattr(again.quantize, name) for name in names} == {
                name: getattr(plan.quantize, name) for name in names
            }
    assert said >= 5
