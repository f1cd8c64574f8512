"""Taking inner channels out: when it is planned, and what is learned from it."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.agents.search.plans import plans
from shipfit.agents.search.predict import estimate
from shipfit.agents.search.sizes import expected_bytes
from shipfit.contracts import OptimizationConfig, Plan, PolicyState, Profile, PruneLever, QuantizeLever

from ..facts import make_attempt, make_profile, make_state

STATIC = QuantizeLever(compute={"Conv": "static"}, storage="int8")
BARE, PRUNED = Plan(quantize=STATIC), Plan(quantize=STATIC, prune=PruneLever(ratio=0.5))


@pytest.fixture
def network() -> Profile:
    made = make_profile(Conv=(14, 10_000_000, 0.97), Gemm=(1, 10_000, 0.01), Add=(5, 0, 0.02))
    return made.model_copy(update={"inner_share": 0.9, "inner_left": ((0.25, 0.6), (0.5, 0.3), (0.7, 0.12))})


def allowed(state: PolicyState, **options: Any) -> PolicyState:
    optimization = OptimizationConfig.model_validate(options)
    return state.model_copy(update={"request": state.request.model_copy(update={"optimization": optimization})})


def ratios(state: PolicyState) -> set[float | None]:
    return {plan.prune.ratio for plan in plans(state) if plan.prune is not None}


def test_only_where_pruning_is_allowed_and_there_are_inner_channels(network: Profile):
    state = make_state(network, min_speedup=4.5)
    assert ratios(state) == set()
    assert ratios(allowed(state, level="aggressive")) == {None, 0.25, 0.5, 0.7}
    assert ratios(allowed(state, level="aggressive", pruning={"method": "magnitude"})) == {None}
    assert ratios(allowed(state, level="aggressive", pruning={"method": "structured"})) == {0.25, 0.5, 0.7}
    flat = allowed(make_state(network.model_copy(update={"inner_share": 0.1})), level="aggressive")
    assert ratios(flat) == {None}


def test_shares_that_cut_the_same_or_nothing_are_one(network: Profile):
    """Narrow groups lose whole blocks: half of the channels gone was tried, and then 70 %, which was the same file."""
    narrow = network.model_copy(update={"inner_left": ((0.25, 1.0), (0.5, 0.86), (0.7, 0.86))})
    assert ratios(allowed(make_state(narrow), level="aggressive", pruning={"method": "structured"})) == {0.5}


def test_it_is_expected_smaller_faster_and_less_alike(network: Profile):
    state = make_state(network)
    bare, pruned = estimate(BARE, state), estimate(PRUNED, state)
    assert pruned.size_bytes == pytest.approx(bare.size_bytes * 0.3)
    assert pruned.speedup == pytest.approx(bare.speedup / 0.3)
    assert pruned.fidelity_db < bare.fidelity_db


@pytest.mark.parametrize(("ratio", "left"), [(0.1, 0.84), (0.25, 0.6), (0.6, 0.21), (0.9, 0.12)])
def test_what_is_left_lies_between_what_is_known_to_be(network: Profile, ratio: float, left: float):
    state = make_state(network)
    plan = PRUNED.model_copy(update={"prune": PruneLever(ratio=ratio)})
    assert estimate(plan, state).size_bytes == pytest.approx(estimate(BARE, state).size_bytes * left)


def test_what_it_reached_tells_of_channels_and_nothing_of_the_form_alone(network: Profile):
    before = make_state(network)
    attempt = make_attempt(1, PRUNED, "not_met", size=0.05, speed=9.0, db=15.0, violated=("min_fidelity_db",))
    after = make_state(network, attempt)
    assert estimate(BARE, after) == estimate(BARE, before)
    assert expected_bytes(STATIC, 30.0, after) == expected_bytes(STATIC, 30.0, before)
    gentler = Plan(quantize=STATIC, prune=PruneLever(ratio=0.25))
    assert estimate(gentler, after).fidelity_db < estimate(gentler, before).fidelity_db


def test_a_failure_of_pruning_ends_pruning_alone(network: Profile):
    state = make_state(network, make_attempt(1, PRUNED, "failed"))
    assert estimate(PRUNED, state).failed
    assert not estimate(BARE, state).failed


def test_what_pruning_alone_lost_is_not_tried_with_another_form(network: Profile):
    """Five attempts of a run ended alike: the same channels out, each time before another form could be built."""
    ended = make_attempt(1, PRUNED, "not_met", size=0.5, speed=None, db=15.0, violated=("min_fidelity_db",))
    state = make_state(network, ended.model_copy(update={"stage": "prune"}), labelled=False, min_fidelity_db=30)
    for lever in (STATIC, QuantizeLever(storage="int4"), None):
        for ratio in (0.5, 0.6):
            assert estimate(Plan(quantize=lever, prune=PruneLever(ratio=ratio)), state).failed
    assert not estimate(Plan(quantize=STATIC, prune=PruneLever(ratio=0.25)), state).failed
    assert not estimate(BARE, state).failed


def test_what_lost_too_many_answers_without_channels_is_not_tried_with_another_form(network: Profile):
    """An LSTM lost 2 points with 70 % of its units gone, three times: fidelity alone would have allowed it."""
    ended = make_attempt(1, PRUNED, "not_met", size=0.5, speed=None, db=35.0, violated=("max_accuracy_drop",))
    state = make_state(network, ended.model_copy(update={"stage": "prune"}), max_accuracy_drop=0.015)
    assert estimate(Plan(quantize=QuantizeLever(storage="int4"), prune=PruneLever(ratio=0.5)), state).failed
    assert not estimate(BARE, state).failed


def test_what_failed_on_the_final_part_leads_to_fewer_channels_gone(network: Profile):
    """Three looks at the final part were spent on one network with its last weights stored in three ways."""
    looked = make_attempt(1, PRUNED, "not_met", size=0.07, speed=9.0, db=22.0, violated=("max_accuracy_drop",))
    state = make_state(network, looked.model_copy(update={"final_look": True}), max_accuracy_drop=0.004)
    assert estimate(PRUNED.model_copy(update={"quantize": STATIC.model_copy(update={"storage": "fp16"})}), state).failed
    for ratio, lever in ((0.25, STATIC), (0.5, QuantizeLever(storage="int8")), (0.5, None)):
        assert not estimate(Plan(quantize=lever, prune=PruneLever(ratio=ratio)), state).failed
    assert not estimate(BARE, state).failed


def test_where_storage_made_the_form_a_finer_one_stays_open(network: Profile):
    """A recurrent net with half of its units gone failed in 4 bits, and was never tried in 8."""
    plan = Plan(quantize=QuantizeLever(storage="int4"), prune=PruneLever(ratio=0.5))
    looked = make_attempt(1, plan, "not_met", size=0.05, speed=2.4, db=15.0, violated=("max_accuracy_drop",))
    state = make_state(network, looked.model_copy(update={"final_look": True}), max_accuracy_drop=0.02)
    finer = plan.model_copy(update={"quantize": QuantizeLever(storage="int8")})
    assert not estimate(finer, state).failed


def test_a_form_that_zeroed_weights_kept_from_being_built_is_as_open_as_before(network: Profile):
    zeroed = Plan(quantize=STATIC, prune=PruneLever(threshold=0.1))
    ended = make_attempt(1, zeroed, "not_met", size=1.0, speed=None, db=15.0, violated=("min_fidelity_db",))
    before = make_state(network, labelled=False, min_fidelity_db=30)
    after = before.model_copy(update={"attempts": (ended.model_copy(update={"stage": "prune"}),)})
    assert estimate(BARE, after) == estimate(BARE, before)
    assert estimate(zeroed, after).failed
