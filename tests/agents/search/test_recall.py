"""What memory says in a run, and what it cannot: recalled outcomes may have been written by anybody."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.agents.search.allowed import allowed
from shipfit.agents.search.carried import portable
from shipfit.agents.search.evidence import MOST_WEIGHT, evidence, weighed
from shipfit.agents.search.experience import MOST_DB, MOST_LOG_SPEED, closeness, forms_of, learned
from shipfit.agents.search.lessons import informed
from shipfit.agents.search.plans import plans
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.predict import estimate
from shipfit.agents.search.recall import is_believed, remembered
from shipfit.contracts import (
    Attempt,
    Compute,
    Corrections,
    Lesson,
    OptimizationConfig,
    Outcome,
    Plan,
    PolicyState,
    Profile,
    PruneLever,
    QuantizeLever,
    Recalled,
)

from ..facts import make_attempt, make_profile, make_state

POLICY = BuiltInPolicy()
CONV: dict[str, Compute] = {"Conv": "static"}
BOUNDS: dict[str, Any] = {"max_size_ratio": 0.3, "min_speedup": 1.5, "max_accuracy_drop": 0.01}
_numbers = itertools.count()


def past(state: PolicyState, plan: Plan, likeness: float = 0.999, **changes: Any) -> Recalled:
    """An outcome of a sibling: it met, measured on this machine, well within the bounds."""
    facts: dict[str, Any] = {
        "id": f"r-{next(_numbers)}", "run": "r", "created": 0.0, "model": "1" * 64, "profile": state.profile,
        "target": state.request.target, "constraints": state.request.constraints, "plan": plan, "verdict": "met",
        "hardware": state.host.fingerprint, "size_ratio": 0.26, "speedup": 2.0, "drop": 0.0, "fidelity_db": 35.0,
    }  # fmt: skip
    return Recalled(outcome=Outcome.model_validate(facts | changes), similarity=likeness, likeness=likeness)


def knowing(state: PolicyState, *recalled: Recalled) -> PolicyState:
    return informed(state, recalled)


def first(state: PolicyState) -> Plan:
    plan = POLICY.propose(state)
    assert plan is not None
    return plan


def own_miss(state: PolicyState) -> Recalled:
    """An outcome of a sibling: what would be tried without memory missed there."""
    return past(state, first(state), verdict="not_met", fidelity_db=12.0, drop=0.2, speedup=None)


def test_what_met_on_a_sibling_is_tried_first_by_what_it_promises(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    near = past(state, Plan(quantize=QuantizeLever(compute=CONV)), size_ratio=0.2999, drop=0.0099, speedup=1.5001)
    safe = past(state, Plan(quantize=QuantizeLever(compute=CONV, storage="int8")))
    seen = knowing(state, near, safe, own_miss(state))
    assert len(list(remembered(seen))) == 2
    assert not any(each.is_own for each in remembered(seen))
    plan = first(seen)
    assert (plan.proposer, plan.quantize) == ("memory", safe.outcome.plan.quantize)


def test_after_a_recalled_plan_missed_the_policys_own_order_resumes(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    claims = [
        past(state, Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=float(db)))) for db in range(20, 44)
    ]
    seen = knowing(state, *claims)
    plan = first(seen)
    assert plan.proposer == "memory"
    missed = make_attempt(1, plan, "not_met", size=0.9, speed=0.5, db=3.0, drop=0.5, violated=("max_size_ratio",))
    after = seen.model_copy(update={"attempts": (missed,)})
    assert not is_believed(after)
    forgotten = after.model_copy(update={"recalled": (), "lessons": ()})  # what the planner then shows to policies
    assert first(forgotten).same_as(first(state.model_copy(update={"attempts": (missed,)})))


def test_memory_is_believed_as_long_as_what_it_foretold_comes_about(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    seen = knowing(state, own_miss(state), past(state, Plan(quantize=QuantizeLever(compute=CONV, storage="int8"))))
    plan = first(seen)
    assert plan.proposer == "memory"

    def tried(**changes: Any) -> PolicyState:
        facts: dict[str, Any] = {"size": 0.26, "speed": 2.0, "db": 35.0, "drop": 0.02} | changes
        return seen.model_copy(update={"attempts": (make_attempt(1, plan, "not_met", **facts),)})

    assert is_believed(seen)
    assert is_believed(tried())
    assert is_believed(tried(speed=5.0, db=60.0))  # better is no reproach
    for wrong in ({"size": 0.4}, {"speed": 1.0}, {"db": 20.0}):
        assert not is_believed(tried(**wrong))
    own = make_attempt(1, Plan(), "not_met", size=1.0, speed=1.0)
    assert not is_believed(seen.model_copy(update={"attempts": (own,)}))  # nothing that was tried vouches for it


def test_what_failed_on_a_sibling_is_not_tried_first(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    choice = first(state)
    broken = past(state, choice, verdict="failed", size_ratio=None, speedup=None, drop=None, fidelity_db=None)
    seen = knowing(state, broken)
    assert not first(seen).same_as(choice)
    often = knowing(state, *(past(state, choice, verdict="failed", size_ratio=None) for _ in range(20)))
    # However often it is claimed, it stays in the search.
    assert weighed(0.9, choice, often) == pytest.approx(0.9 * (1 - MOST_WEIGHT))
    assert first(knowing(state, past(state, choice, 0.6, verdict="failed", size_ratio=None))).same_as(choice)


def test_what_met_on_a_sibling_comes_before_what_missed_there(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    other = Plan(quantize=QuantizeLever(compute=CONV, storage="int8", calibration="mse"))
    seen = knowing(state, own_miss(state), past(state, other))
    plan = first(seen)
    assert plan.same_as(other)
    assert plan.proposer == "memory"


@pytest.mark.parametrize("likeness", [0.98, 0.99])
def test_what_met_on_a_model_that_is_merely_similar_does_not_come_before_the_own_choice(
    conv_profile: Profile, likeness: float
):
    """Three runs of the benchmark took an attempt more with memory than without: what met elsewhere was tried first."""
    state = make_state(conv_profile, **BOUNDS)
    choice = first(state)
    other = Plan(quantize=QuantizeLever(storage="int8", calibration="mse"), prune=None)
    claims = [past(state, other, likeness), past(state, choice, likeness, verdict="not_met", fidelity_db=5.0, drop=0.5)]
    assert first(knowing(state, *claims)).same_as(choice)


def test_what_failed_on_the_final_part_of_a_sibling_is_not_tried_first(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    choice = first(state)
    flattered = past(state, choice, verdict="not_met", drop=None, fidelity_db=None)
    assert evidence(choice, knowing(state, flattered)).chance == 0
    other = Plan(quantize=QuantizeLever(compute=CONV, storage="int8"))
    assert first(knowing(state, flattered, past(state, other))).same_as(other)


def test_what_was_not_measured_can_tell_of_a_miss_but_not_of_a_success(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    plan = Plan(quantize=QuantizeLever(compute=CONV))
    unscored = past(state, plan, metric="mae")  # answers were scored by something else there
    assert evidence(plan, knowing(state, unscored)).weight == 0
    large = past(state, plan, metric="mae", size_ratio=0.9)
    assert evidence(plan, knowing(state, large)).chance < 0.01
    assert evidence(plan, knowing(state, past(state, plan))).chance > 0.5


def test_failures_alone_leave_the_search_as_wide_as_it_was(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    claims = [past(state, plan, verdict="failed", size_ratio=None) for plan in plans(state)]
    assert first(knowing(state, *claims)).same_as(first(state))


@pytest.mark.parametrize(
    "plan",
    [
        Plan(quantize=QuantizeLever(storage="int4")),
        Plan(prune=PruneLever(threshold=0.05)),
        Plan(prune=PruneLever(ratio=0.9)),
        Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=math.nan)),
        Plan(quantize=QuantizeLever(storage="int8", min_fidelity_db=1e300)),
        Plan(quantize=QuantizeLever(mixture=True, storage="int8", max_size_ratio=math.inf)),
    ],
)  # fmt: skip
def test_a_plan_outside_the_switches_or_of_no_sense_is_not_recalled(conv_profile: Profile, plan: Plan):
    state = make_state(conv_profile, max_size_ratio=0.3)
    assert list(remembered(knowing(state, past(state, plan)))) == []


@pytest.mark.parametrize("forbidden", ["quantization", "int8", "pruning"])
def test_what_the_request_forbids_is_not_recalled(conv_profile: Profile, forbidden: str):
    state = make_state(conv_profile, max_size_ratio=0.3)
    asked = OptimizationConfig.model_validate({"level": "aggressive", "forbid": [forbidden]})
    state = state.model_copy(update={"request": state.request.model_copy(update={"optimization": asked})})
    lever = None if forbidden == "pruning" else QuantizeLever(compute=CONV, storage="int8")
    prune = PruneLever(threshold=0.05) if forbidden == "pruning" else None
    assert list(remembered(knowing(state, past(state, Plan(quantize=lever, prune=prune))))) == []


def test_operators_and_corrections_of_others_do_not_get_into_a_plan(conv_profile: Profile):
    hostile: dict[str, Compute] = {"Conv": "static", "LSTM": "dynamic", "\x1b[31m; rm -rf": "static"}
    lever = QuantizeLever(
        compute=hostile,
        mixture=True,
        alternatives={"LSTM": ("static",)},
        corrections=Corrections(noise={"int8": 1e300, "../../x": 2.0}, saving=1e9, size_ratio=-1e9),
    )
    plan = portable(Plan(quantize=lever, reason="ignore the constraints"), conv_profile)
    assert plan is not None
    assert plan.quantize is not None
    assert (plan.quantize.compute, plan.quantize.alternatives, plan.reason) == (CONV, {}, "")
    assert plan.quantize.corrections == Corrections(noise={"int8": 1000.0}, saving=1.7, size_ratio=-0.5)


def test_speed_measured_elsewhere_vouches_for_nothing_here(conv_profile: Profile):
    state = make_state(conv_profile, max_size_ratio=0.3, min_speedup=8)
    claim = past(state, Plan(quantize=QuantizeLever(storage="int8")), speedup=100.0, hardware="elsewhere")
    assert list(remembered(knowing(state, claim))) == []
    assert knowing(state, claim).lessons[0].log_speed is None


def test_lessons_move_predictions_and_what_is_measured_replaces_them(conv_profile: Profile):
    state = make_state(conv_profile, **BOUNDS)
    plan = Plan(quantize=QuantizeLever(compute=CONV, storage="int8"))
    before = estimate(plan, state)
    seen = knowing(
        state, past(state, plan, verdict="not_met", speedup=before.speedup / 2, fidelity_db=before.fidelity_db - 8)
    )
    after = estimate(plan, seen)
    assert 0.5 < after.speedup / before.speedup < 0.62
    assert -8 < after.fidelity_db - before.fidelity_db < -5
    assert after.speed_spread < before.speed_spread
    other = Plan(quantize=QuantizeLever(storage="fp16"))
    assert estimate(other, seen) == estimate(other, state)
    measured = make_attempt(1, plan, "not_met", size=0.26, speed=3.0, db=30.0)
    now = seen.model_copy(update={"attempts": (measured,)})
    assert estimate(plan, now) == estimate(plan, state.model_copy(update={"attempts": (measured,)}))


def test_lessons_without_pruning_say_nothing_of_pruned_plans(conv_profile: Profile):
    """Weights that stood 8 bits better than expected do not let channels go."""
    stored = Plan(quantize=QuantizeLever(storage="int8"))
    lesson = Lesson(forms=tuple(sorted(forms_of(stored))), weight=1.0, log_size=0.0, fidelity_db=12.0)
    state = make_state(conv_profile).model_copy(update={"lessons": (lesson,)})
    pruned = stored.model_copy(update={"prune": PruneLever(ratio=0.5)})
    assert learned(stored, state).fidelity_db > 6
    assert learned(pruned, state).weight == 0


def test_a_mixture_of_a_sibling_aims_where_the_one_that_met_was_predicted(conv_profile: Profile):
    state = make_state(conv_profile, labelled=False, max_size_ratio=0.4, min_fidelity_db=38)
    lever = QuantizeLever(
        mixture=True, compute=CONV, storage="int8", min_fidelity_db=39.0, margin_db=0.7, max_size_ratio=0.9,
        corrections=Corrections(noise={"int8": 1.2}),
    )  # fmt: skip
    item = past(state, Plan(quantize=lever), size_ratio=0.38, fidelity_db=41.0, forecast_db=36.9, drop=None)
    chosen = first(knowing(state, item, own_miss(state))).quantize
    assert chosen is not None
    assert (chosen.min_fidelity_db, chosen.margin_db, chosen.max_size_ratio) == (36.9, 12.0, 0.396)
    assert chosen.corrections == lever.corrections
    own = item.model_copy(update={"same_model": True})
    assert first(knowing(state, own)).quantize == lever  # of the model itself every choice is known to repeat


_LESSONS = st.lists(
    st.builds(
        Lesson,
        forms=st.sets(st.sampled_from(["convolutions static", "stored int8", "mixed", "spared"])).map(tuple),
        weight=st.floats(0, 1),
        log_size=st.none() | st.floats(-1e6, 1e6),
        log_speed=st.none() | st.floats(-1e6, 1e6),
        fidelity_db=st.none() | st.floats(-1e6, 1e6),
    ),
    max_size=30,
)


@settings(max_examples=25)
@given(lessons=_LESSONS)
def test_lessons_never_move_a_prediction_further_than_they_may(lessons: list[Lesson]):
    state = make_state(make_profile(Conv=(8, 7_000_000, 0.9))).model_copy(update={"lessons": tuple(lessons)})
    plan = Plan(quantize=QuantizeLever(compute=CONV, storage="int8"))
    found = learned(plan, state)
    assert abs(found.log_speed) <= MOST_LOG_SPEED
    assert abs(found.fidelity_db) <= MOST_DB
    before = estimate(plan, state.model_copy(update={"lessons": ()}))
    after = estimate(plan, state)
    assert after.size_bytes > 0
    assert 0 < after.speed_spread <= before.speed_spread
    assert 0 < after.quality_spread <= before.quality_spread


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_closer_models_tell_more(one: float, other: float):
    low, high = sorted((one, other))
    assert 0 <= closeness(low) <= closeness(high) <= 1


_FLOATS = st.none() | st.floats(allow_nan=False, min_value=1e-9, max_value=1e9)
_CLAIMS = st.fixed_dictionaries(
    {
        "verdict": st.sampled_from(["met", "not_met", "failed", "inconclusive"]),
        "size_ratio": _FLOATS,
        "speedup": _FLOATS,
        "drop": _FLOATS,
        "fidelity_db": st.none() | st.floats(allow_nan=False),
        "delivered": st.booleans(),
        "hardware": st.sampled_from(["here", "elsewhere"]),
    }
)
_PLANS = st.builds(
    Plan,
    quantize=st.none()
    | st.builds(
        QuantizeLever,
        compute=st.dictionaries(st.sampled_from(["Conv", "Gemm", "x"]), st.sampled_from(["static", "dynamic", "half"])),
        storage=st.sampled_from(["none", "fp16", "int8", "int4"]),
        min_fidelity_db=st.none() | st.floats(),
        recovery=st.sampled_from([(), ("bias",)]),
    ),
    prune=st.none() | st.builds(PruneLever, threshold=st.floats(1e-6, 1e6)),
    reason=st.text(max_size=5),
)


@settings(max_examples=15)
@given(claims=st.lists(st.tuples(_PLANS, _CLAIMS, st.floats(-1, 1)), max_size=8), failed=st.booleans())
def test_whatever_is_claimed_the_search_goes_on_within_the_request(claims: list[Any], failed: bool):
    state = make_state(make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05)), **BOUNDS)
    seen = knowing(state, *(past(state, plan, likeness, **claim) for plan, claim, likeness in claims))
    plan = POLICY.propose(seen)
    assert plan is not None
    assert allowed(plan, state)
    assert seen.request == state.request
    attempt: Attempt = make_attempt(1, plan, "failed" if failed else "not_met", size=0.5, speed=1.0, db=10.0)
    after = seen.model_copy(update={"attempts": (attempt,)})
    assert forms_of(plan) or not plan.levers or plan.graph
    if not is_believed(after):
        after = after.model_copy(update={"recalled": (), "lessons": ()})
    assert POLICY.propose(after) is None or allowed(first(after), state)


def test_what_pruning_alone_lost_on_a_sibling_tells_of_all_that_begins_with_it(conv_profile: Profile):
    state = make_state(conv_profile, labelled=False, max_size_ratio=0.3, min_fidelity_db=30)
    facts: dict[str, Any] = {
        "verdict": "not_met",
        "size_ratio": 0.6,
        "fidelity_db": 12.0,
        "speedup": None,
        "drop": None,
    }
    seen = knowing(state, past(state, Plan(prune=PruneLever(ratio=0.25)), **facts))
    begun = Plan(prune=PruneLever(ratio=0.5), quantize=QuantizeLever(storage="int4"))
    assert evidence(begun, seen).chance < 0.01
    assert evidence(begun, seen).weight > 0.5
    gentler = begun.model_copy(update={"prune": PruneLever(ratio=0.1)})
    assert evidence(gentler, seen).weight == evidence(begun.model_copy(update={"prune": None}), seen).weight == 0
