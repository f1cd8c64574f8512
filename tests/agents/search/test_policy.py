"""What the built-in policy tries, and why."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shipfit.agents.search.chance import chance
from shipfit.agents.search.needs import quality_need
from shipfit.agents.search.policy import BuiltInPolicy, best_met, ease, plans, value
from shipfit.agents.search.predict import estimate
from shipfit.agents.validator import failed_before
from shipfit.contracts import (
    Attempt,
    Compute,
    MixtureForecast,
    OptimizationConfig,
    Outcome,
    Plan,
    PolicyState,
    Predicted,
    Profile,
    PruningConfig,
    QuantizationConfig,
    QuantizeLever,
    Recalled,
)

from ..facts import make_attempt, make_profile, make_state

POLICY = BuiltInPolicy()
STATIC: dict[str, Compute] = {"Conv": "static", "Gemm": "static"}


def propose(state: PolicyState) -> Plan:
    plan = POLICY.propose(state)
    assert plan is not None
    return plan


def restricted(state: PolicyState, **options: object) -> PolicyState:
    optimization = OptimizationConfig.model_validate(options)
    return state.model_copy(update={"request": state.request.model_copy(update={"optimization": optimization})})


def test_convolutions_that_must_be_fast_get_static_int8_first(conv_profile: Profile) -> None:
    plan = propose(make_state(conv_profile, max_size_ratio=0.3, min_speedup=3, max_accuracy_drop=0.01))
    assert plan.quantize is not None
    assert plan.quantize.compute["Conv"] == "static"
    assert "Conv" in plan.reason


def test_depthwise_nets_get_storage_because_int8_compute_is_slower_there(mobile_profile: Profile) -> None:
    plan = propose(make_state(mobile_profile, labelled=False, max_size_ratio=0.5, min_fidelity_db=25))
    assert plan.quantize is not None
    assert plan.quantize.compute == {}
    assert plan.quantize.storage == "int8"


def test_recurrent_nets_get_dynamic_int8(lstm_profile: Profile) -> None:
    plan = propose(make_state(lstm_profile, max_size_ratio=0.4, min_speedup=1.5))
    assert plan.quantize is not None
    assert plan.quantize.compute["LSTM"] == "dynamic"


def test_a_high_fidelity_bound_chooses_fp16_storage(conv_profile: Profile) -> None:
    plan = propose(make_state(conv_profile, labelled=False, max_size_ratio=0.6, min_fidelity_db=55))
    assert plan.quantize == QuantizeLever(storage="fp16")


def test_too_much_damage_makes_the_next_plan_finer(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.3, "min_speedup": 1.8, "max_accuracy_drop": 0.01}
    first = propose(make_state(conv_profile, **bounds))
    lost = make_attempt(1, first, "not_met", size=0.22, speed=None, db=14.0, drop=0.05, violated=("max_accuracy_drop",))
    second = propose(make_state(conv_profile, lost, **bounds))
    assert second.quantize is not None
    assert second.quantize.min_fidelity_db is not None
    assert second.quantize.min_fidelity_db > 14.0


def test_what_was_tried_is_not_tried_again_and_the_search_ends(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.01, max_accuracy_drop=0.0)
    seen: list[Plan] = []
    plan = None
    for index in range(1, 30):
        plan = POLICY.propose(state)
        if plan is None:
            break
        assert not any(plan.same_as(other) for other in seen)
        seen.append(plan)
        attempt = make_attempt(index, plan, "not_met", size=0.27, speed=None, violated=("max_size_ratio",))
        state = state.model_copy(update={"attempts": (*state.attempts, attempt)})
    assert plan is None
    assert 2 <= len(seen) <= 4  # enough for offers, not more
    assert len({(round(p.predicted.size_ratio, 1), round(p.predicted.speedup)) for p in seen if p.predicted}) > 1


def test_a_met_run_goes_on_only_for_ten_percent(conv_profile: Profile) -> None:
    lever = QuantizeLever(compute=STATIC, storage="int8")
    best = make_attempt(1, Plan(quantize=lever), "met", size=0.26, speed=4.2)
    assert POLICY.propose(make_state(conv_profile, best, max_size_ratio=0.3)) is None
    poor = make_attempt(1, Plan(quantize=QuantizeLever(storage="fp16")), "met", size=0.5, speed=1.0)
    further = POLICY.propose(make_state(conv_profile, poor, max_size_ratio=0.6))
    assert further is not None
    assert further.predicted is not None
    assert further.predicted.size_ratio < 0.5


def test_even_great_damage_is_worth_a_finer_plan(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.5, "min_fidelity_db": 20}
    coarse = Plan(quantize=QuantizeLever(storage="int8"))
    ruined = make_attempt(1, coarse, "not_met", size=0.27, speed=None, db=-9.0, violated=("min_fidelity_db",))
    finer = propose(make_state(conv_profile, ruined, labelled=False, **bounds))
    assert finer.quantize is not None
    likely, _ = chance(Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=24)), make_state(
        conv_profile, ruined, labelled=False, **bounds
    ))  # fmt: skip
    assert likely > 0.3


def test_a_form_that_failed_on_the_final_part_is_tried_finer(conv_profile: Profile) -> None:
    static = Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8"))
    passed = make_attempt(1, static, "not_met", size=0.27, speed=2.0, db=31.0)
    failed = passed.model_copy(update={"final_look": True})
    finer = [
        {plan.quantize.recovery for plan in plans(make_state(conv_profile, tried)) if plan.quantize}
        for tried in (passed, failed)
    ]
    assert finer[1] > finer[0]
    assert failed.candidate is not None
    assert failed_before([failed], failed.candidate) is failed
    assert failed_before([passed], failed.candidate) is None


@pytest.mark.parametrize("db", [float("-inf"), float("inf"), -80.0])
def test_endless_decibels_do_not_upset_the_ranking(conv_profile: Profile, db: float) -> None:
    coarse = Plan(quantize=QuantizeLever(storage="int8"))
    finer = Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=30.0))
    tried = [
        make_attempt(1, coarse, "not_met", size=0.27, speed=None, db=db, violated=("min_fidelity_db",)),
        make_attempt(2, finer, "not_met", size=0.4, speed=None, db=25.0, violated=("min_fidelity_db",)),
    ]
    state = make_state(conv_profile, *tried, labelled=False, max_size_ratio=0.5, min_fidelity_db=28)
    assert all(math.isfinite(chance(plan, state)[0]) for plan in plans(state))
    assert POLICY.propose(state) is not None


def mixed(attempt: Attempt, db: float, **changes: Any) -> Attempt:
    """The attempt as one of a mixture that was predicted to reach `db` with int8 storage alone."""
    forecast = MixtureForecast(
        size_bytes=3_300_000, speedup=1.0, fidelity_db=db, within=True, noise={"int8": 10 ** (-db / 10)}
    )
    return attempt.model_copy(update={"forecast": forecast.model_copy(update=changes)})


def test_the_last_attempt_goes_to_what_is_safest(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.7, "min_fidelity_db": 26}
    coarse = make_attempt(1, Plan(quantize=QuantizeLever(storage="int8")), "not_met", size=0.26, speed=1.0, db=24.0)
    state = make_state(conv_profile, coarse, labelled=False, **bounds)
    budget = state.request.budget.model_copy(update={"max_attempts": 2})
    request = state.request.model_copy(update={"objective": "size"})
    state = state.model_copy(update={"request": request})
    last = state.model_copy(update={"request": request.model_copy(update={"budget": budget})})
    bold, safe = propose(state).predicted, propose(last).predicted
    assert bold is not None
    assert safe is not None
    assert safe.chance > bold.chance
    assert safe.size_ratio > bold.size_ratio


@pytest.mark.parametrize(("need", "most"), [(27, 0.3), (34, 0.16), (24, 0.3)])
def test_a_bold_plan_waits_until_something_is_met(conv_profile: Profile, need: float, most: float) -> None:
    """Channels gone promise much more worth at hardly less odds: not before a safe plan is met."""
    first = propose(prunable(conv_profile, max_size_ratio=most, min_fidelity_db=need))
    assert first.prune is None


def test_what_nothing_else_meets_is_pruned_at_once(conv_profile: Profile) -> None:
    first = propose(prunable(conv_profile, max_size_ratio=0.09, min_fidelity_db=15))
    assert first.prune is not None
    assert first.prune.ratio is not None


def test_work_makes_a_plan_worth_less_and_no_less_likely(conv_profile: Profile) -> None:
    state = make_state(conv_profile, labelled=False, max_size_ratio=0.6, min_fidelity_db=25)
    plain = Plan(quantize=QuantizeLever(compute=STATIC, storage="int8"))
    careful = Plan(quantize=QuantizeLever(compute=STATIC, storage="int8", recovery=("bias",)))
    assert ease(careful, state) < ease(plain, state) == 1.0
    assert chance(careful, state)[0] > chance(plain, state)[0]


def prunable(profile: Profile, **bounds: Any) -> PolicyState:
    """A request that allows pruning, for a model of which most channels are inner ones."""
    inner = {"inner_share": 0.8, "inner_left": ((0.25, 0.66), (0.5, 0.4), (0.7, 0.27))}
    state = make_state(profile.model_copy(update=inner), labelled=False, **bounds)
    allowed = OptimizationConfig(level="aggressive")
    return state.model_copy(update={"request": state.request.model_copy(update={"optimization": allowed})})


def test_quality_to_spare_is_traded_for_size(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.6, "min_fidelity_db": 30, "min_speedup": 0.9}
    lever = QuantizeLever(mixture=True, storage="int8", min_fidelity_db=31.5, max_size_ratio=0.594)
    coarse = make_attempt(1, Plan(quantize=QuantizeLever(storage="int8")), "not_met", size=0.26, speed=1.0, db=24.0)
    met = mixed(make_attempt(2, Plan(quantize=lever), "met", size=0.45, speed=1.0, db=39.5), 31.5)
    bolder = propose(make_state(conv_profile, coarse, met, labelled=False, **bounds)).quantize
    assert bolder is not None
    assert bolder.mixture
    assert bolder.corrections.noise["int8"] == pytest.approx(10**-0.8, rel=0.01)
    exact = mixed(make_attempt(2, Plan(quantize=lever), "met", size=0.45, speed=1.0, db=31.5), 31.5)
    table = make_profile(Gather=(1, 7_500_000, 0.9))
    assert POLICY.propose(make_state(table, coarse, exact, labelled=False, **bounds)) is None


def test_a_form_that_broke_is_avoided(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.3, "max_accuracy_drop": 0.01}
    first = propose(make_state(conv_profile, **bounds))
    broken = make_attempt(1, first, "failed").model_copy(update={"candidate": None, "comparison": None})
    second = propose(make_state(conv_profile, broken, **bounds))
    assert second.quantize is not None
    assert first.quantize is not None
    assert second.quantize.compute != first.quantize.compute


@pytest.mark.parametrize(("precision", "storages"), [("16bit", {"fp16"}), ("32bit", set())])
def test_precision_is_the_lowest_allowed(conv_profile: Profile, precision: str, storages: set[str]) -> None:
    state = restricted(make_state(conv_profile), quantization=QuantizationConfig(precision=precision))  # type: ignore[arg-type]
    levers = [plan.quantize for plan in plans(state) if plan.quantize]
    assert {lever.storage for lever in levers} == storages
    assert all(not lever.compute for lever in levers)


def test_level_none_only_normalizes(conv_profile: Profile) -> None:
    assert [plan.levers for plan in plans(restricted(make_state(conv_profile), level="none"))] == [()]


def test_switches_take_their_passes_out(conv_profile: Profile) -> None:
    off = {"elimination": False, "fusion": False, "constant_folding": False, "layer_optimization": False}
    assert all(plan.graph is None for plan in plans(restricted(make_state(conv_profile), graph=off)))
    half = {"fusion": False}
    graphs = [plan.graph for plan in plans(restricted(make_state(conv_profile), graph=half)) if plan.graph]
    assert graphs
    assert all(not graph.fusion and graph.constant_folding for graph in graphs)


@pytest.mark.parametrize("layers", [True, False])
def test_layer_optimization_is_tried_where_nothing_is_quantized(conv_profile: Profile, layers: bool) -> None:
    state = restricted(make_state(conv_profile), graph={"layer_optimization": layers})
    alone = [plan.graph for plan in plans(state) if plan.graph and not plan.quantize and not plan.prune]
    before = [plan.graph for plan in plans(state) if plan.graph and plan.quantize]
    assert [graph.layer_optimization for graph in alone] == [layers]
    assert before
    assert not any(graph.layer_optimization for graph in before)


def test_model_that_meets_everything_as_it_came_is_tried_in_the_end(conv_profile: Profile) -> None:
    state = make_state(conv_profile.model_copy(update={"quantized": "yes"}), max_size_ratio=1.0)
    assert list(plans(state))[-1].levers == ()
    failed = [make_attempt(index, plan, "failed") for index, plan in enumerate(plans(state), 1) if plan.levers]
    assert propose(state.model_copy(update={"attempts": tuple(failed)})).levers == ()


def test_only_aggressive_prunes_unless_asked(conv_profile: Profile) -> None:
    state = make_state(conv_profile)
    assert not any(plan.prune for plan in plans(state))
    assert any(plan.prune for plan in plans(restricted(state, level="aggressive")))
    asked = restricted(state, pruning=PruningConfig(enabled=True, threshold=0.02))
    assert {plan.prune.threshold for plan in plans(asked) if plan.prune} == {0.02}
    off = restricted(state, level="aggressive", pruning=PruningConfig(enabled=False))
    assert not any(plan.prune for plan in plans(off))


def recalled(state: PolicyState, plan: Plan, **changes: object) -> Recalled:
    outcome = Outcome(
        id="r-1", run="r", created=0.0, model="0" * 64, profile=state.profile, target=state.request.target,
        constraints=state.request.constraints, hardware="h", plan=plan, verdict="met", size_ratio=0.26,
        speedup=3.5, drop=0.001, fidelity_db=31.0,
    )  # fmt: skip
    return Recalled(outcome=outcome.model_copy(update=changes), similarity=1.0, same_model=True)


def test_a_remembered_plan_comes_first_and_ends_the_run(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.3, max_accuracy_drop=0.01)
    plan = Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=33.0))
    state = state.model_copy(update={"recalled": (recalled(state, plan),)})
    first = propose(state)
    assert first.proposer == "memory"
    assert first.same_as(plan)
    met = make_attempt(1, first, "met", size=0.29, speed=1.0)
    assert POLICY.propose(state.model_copy(update={"attempts": (met,)})) is None


def test_what_served_a_similar_model_does_not_end_the_run(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.3, max_accuracy_drop=0.01)
    slow = recalled(state, Plan(quantize=QuantizeLever(storage="int8")), speedup=1.0)
    similar = slow.model_copy(update={"same_model": False, "likeness": 0.98})
    state = state.model_copy(update={"recalled": (similar,)})
    first = slow.outcome.plan.model_copy(update={"proposer": "memory"})
    met = make_attempt(1, first, "met", size=0.26, speed=1.0)
    further = propose(state.model_copy(update={"attempts": (met,)}))
    assert further.quantize is not None
    assert further.quantize.compute["Conv"] == "static"


def test_an_offer_of_an_earlier_run_is_tried_first_under_bounds_that_it_meets(conv_profile: Profile) -> None:
    offered = Plan(quantize=QuantizeLever(storage="int8"))
    state = make_state(conv_profile, max_size_ratio=0.262, max_accuracy_drop=0.005)
    missed = recalled(state, offered, verdict="not_met", size_ratio=0.2619, drop=0.0, speedup=1.0)
    again = state.model_copy(update={"recalled": (missed,)})
    assert propose(again).proposer == "memory"
    assert propose(again).same_as(offered)
    unmeasured = recalled(state, offered, verdict="not_met", size_ratio=0.2619, drop=0.0, speedup=None)
    assert propose(state.model_copy(update={"recalled": (unmeasured,)})).proposer == "policy"


def test_operators_that_hardly_matter_are_left_to_storage() -> None:
    profile = make_profile(Conv=(8, 7_000_000, 0.97), Gemm=(1, 20_000, 0.004))
    computes = [plan.quantize.compute for plan in plans(make_state(profile)) if plan.quantize]
    assert {"Conv": "static"} in computes
    assert not any("Gemm" in compute for compute in computes)


def test_what_was_delivered_is_remembered_before_what_only_came_near(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.3, max_accuracy_drop=0.01)
    near = recalled(state, Plan(quantize=QuantizeLever(storage="int8")), verdict="not_met")
    met = recalled(state, Plan(quantize=QuantizeLever(compute=STATIC)))
    best = recalled(state, Plan(quantize=QuantizeLever(compute=STATIC, storage="int8")), delivered=True)
    first = propose(state.model_copy(update={"recalled": (near, met, best)}))
    assert first.same_as(best.outcome.plan)


def test_memory_never_widens_a_request(conv_profile: Profile) -> None:
    state = restricted(make_state(conv_profile), quantization=QuantizationConfig(precision="16bit"))
    state = state.model_copy(update={"recalled": (recalled(state, Plan(quantize=QuantizeLever(storage="int8"))),)})
    assert propose(state).proposer == "policy"


def test_memory_that_would_not_meet_the_bounds_is_left_alone(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.2)
    state = state.model_copy(update={"recalled": (recalled(state, Plan(quantize=QuantizeLever(storage="int8"))),)})
    assert propose(state).proposer == "policy"


def test_measurements_replace_priors(conv_profile: Profile) -> None:
    plan = Plan(quantize=QuantizeLever(compute=STATIC, storage="int8"))
    slow = make_attempt(1, plan, "not_met", size=0.28, speed=0.8, db=33.0)
    guess = estimate(plan.model_copy(update={"tune": True}), make_state(conv_profile, slow))
    assert guess.speedup == pytest.approx(0.8)
    assert guess.fidelity_db == pytest.approx(33.0)
    assert guess.size_bytes == pytest.approx(0.28 * 7_510_000, rel=1e-6)


def test_a_lost_point_raises_the_quality_that_is_needed(conv_profile: Profile) -> None:
    before = make_state(conv_profile, max_accuracy_drop=0.01)
    lost = make_attempt(1, Plan(), "not_met", db=24.0, drop=0.04)
    assert quality_need(make_state(conv_profile, lost, max_accuracy_drop=0.01)) > quality_need(before)


def test_hopeless_plans_still_rank(conv_profile: Profile) -> None:
    state = make_state(conv_profile, max_size_ratio=0.01)
    small, _ = chance(Plan(quantize=QuantizeLever(storage="int8")), state)
    large, _ = chance(Plan(quantize=QuantizeLever(storage="fp16")), state)
    assert 0 < large < small < 0.01


def test_of_equal_results_the_better_compressed_is_best(conv_profile: Profile) -> None:
    first = make_attempt(1, Plan(), "met", size=0.30, speed=2.0)
    second = make_attempt(2, Plan(tune=True), "met", size=0.20, speed=2.0)
    best = best_met(make_state(conv_profile, first, second))
    assert best is not None
    assert best.index == 2


@pytest.mark.parametrize(("objective", "winner"), [("size", 0), ("latency", 1), ("accuracy", 2)])
def test_the_objective_decides_what_is_worth_most(conv_profile: Profile, objective: str, winner: int) -> None:
    state = make_state(conv_profile)
    state = state.model_copy(update={"request": state.request.model_copy(update={"objective": objective})})
    options = [
        Predicted(size_ratio=0.1, speedup=1.0, fidelity_db=20),
        Predicted(size_ratio=0.5, speedup=4.0, fidelity_db=20),
        Predicted(size_ratio=0.5, speedup=1.0, fidelity_db=70),
    ]
    values = [value(state, option) for option in options]
    assert values.index(max(values)) == winner
