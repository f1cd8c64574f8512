"""Mixtures: what is aimed at, what measured ones teach, and when there is nothing more to learn from them."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.agents.search.corrections import corrections
from shipfit.agents.search.mixture_plans import mixture_levers
from shipfit.agents.search.needs import quality_need
from shipfit.agents.search.plans import plans
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.predict import estimate
from shipfit.contracts import (
    Attempt,
    Compute,
    Corrections,
    MixtureForecast,
    OptimizationConfig,
    Plan,
    PolicyState,
    Profile,
    Quantity,
    QuantizeLever,
)

from ..facts import make_attempt, make_profile, make_state

POLICY = BuiltInPolicy()
STATIC: dict[str, Compute] = {"Conv": "static"}
BOUNDS: dict[str, Any] = {"max_size_ratio": 0.4, "min_fidelity_db": 28, "min_speedup": 1.3}


def mixture(compute: dict[str, Compute] | None = None, aim: float = 29.5, **changes: Any) -> QuantizeLever:
    return QuantizeLever(mixture=True, compute=compute or {}, storage="int8", min_fidelity_db=aim, **changes)


def attempt(lever: QuantizeLever, kind: str, noise: dict[str, float], *, index: int = 1, **measured: Any) -> Attempt:
    """A mixture that was predicted at the noise given, 1.5 times the speed and 36 % of the size."""
    total, used = sum(noise.values()), lever.corrections
    forecast = MixtureForecast(
        size_bytes=2_700_000, speedup=1.5, fidelity_db=db(total), within=True,
        noise={form: power * used.noise.get(form, 1.0) for form, power in noise.items()},
    )  # fmt: skip
    made = make_attempt(index, Plan(quantize=lever), kind, **measured)
    return made.model_copy(update={"forecast": forecast})


def db(noise: float) -> float:
    from math import log10

    return -10 * log10(noise)


def test_additivity_that_was_too_pessimistic_makes_the_next_mixture_bolder(conv_profile: Profile) -> None:
    first = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=37.5, speed=1.2, size=0.36)
    known = corrections(make_state(conv_profile, first, labelled=False, **BOUNDS))
    assert known.noise == {"static": pytest.approx(10**-0.8, rel=0.01)}
    bolder = POLICY.propose(make_state(conv_profile, first, labelled=False, **BOUNDS))
    assert bolder is not None
    assert bolder.quantize is not None
    assert bolder.quantize.corrections == known


def test_hope_that_was_too_high_makes_it_safer(conv_profile: Profile) -> None:
    first = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=24.0, speed=None, size=0.36)
    assert corrections(make_state(conv_profile, first)).noise["static"] > 3


def test_mixtures_of_several_forms_tell_them_apart(conv_profile: Profile) -> None:
    mostly_static = attempt(mixture(STATIC), "not_met", {"static": 1e-3, "int8": 1e-5}, db=db(4e-3), speed=1.0)
    mostly_stored = attempt(mixture(STATIC), "not_met", {"static": 1e-5, "int8": 1e-3}, db=db(1e-3), speed=1.0, index=2)
    known = corrections(make_state(conv_profile, mostly_static, mostly_stored)).noise
    assert known["static"] == pytest.approx(4.0, rel=0.1)
    assert known["int8"] == pytest.approx(1.0, rel=0.1)


def test_corrections_are_of_the_tables_and_do_not_pile_up(conv_profile: Profile) -> None:
    used = Corrections(noise={"static": 0.2}, saving=0.8, size_ratio=0.01)
    again = attempt(mixture(STATIC, corrections=used), "met", {"static": 5e-3}, db=db(1e-3), speed=1.5, size=0.36)
    known = corrections(make_state(conv_profile, again))
    assert known.noise["static"] == pytest.approx(0.2, rel=0.02)
    assert known.saving == pytest.approx(0.8, rel=0.01)


def test_time_that_was_not_saved_is_not_expected_again(conv_profile: Profile) -> None:
    slow = attempt(mixture(STATIC), "not_met", {"static": 1e-3}, db=30.0, speed=1.2, size=0.36)
    assert corrections(make_state(conv_profile, slow)).saving == pytest.approx((1 - 1 / 1.2) / (1 - 1 / 1.5), rel=0.01)


def test_what_passes_gained_is_not_taken_for_a_saving(conv_profile: Profile) -> None:
    made = attempt(mixture(STATIC), "met", {"static": 1e-3}, db=30.0, speed=1.5, size=0.36)
    assert made.forecast is not None
    rewritten = made.model_copy(update={"forecast": made.forecast.model_copy(update={"gained": 1.4})})
    assert corrections(make_state(conv_profile, rewritten)).saving == pytest.approx(1.0)


def test_nothing_new_is_expected_of_a_mixture_that_quality_did_not_bound(conv_profile: Profile) -> None:
    state = make_state(conv_profile, labelled=False, **BOUNDS)
    free = attempt(mixture(STATIC), "not_met", {"static": 1e-5}, db=50.0, speed=1.2, size=0.36)
    bound = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=50.0, speed=1.2, size=0.36)
    for tried, is_hopeless in ((free, True), (bound, False)):
        seen = state.model_copy(update={"attempts": (tried,)})
        assert estimate(Plan(quantize=mixture(STATIC)), seen).repeats == is_hopeless


def test_quality_that_was_far_beyond_its_forecast_lets_the_next_mixture_aim_lower(conv_profile: Profile) -> None:
    """A run gave up with a mixture that was too large and 15 dB too good, for it had been predicted above its aim."""
    state = make_state(conv_profile, labelled=False, max_size_ratio=0.3, min_fidelity_db=45)
    large = attempt(mixture(aim=49.0), "not_met", {"int8": 10**-5.3}, db=64.0, speed=None, size=0.36)
    seen = state.model_copy(update={"attempts": (large,)})
    assert not estimate(Plan(quantize=mixture(aim=46.5)), seen).repeats


def test_the_aims_are_the_bounds_with_a_margin(conv_profile: Profile) -> None:
    offers: list[dict[str, tuple[Compute, ...]]] = [{"Conv": ("static",)}, {}]
    levers = list(mixture_levers(make_state(conv_profile, labelled=False, **BOUNDS), offers, ["int8"]))
    assert all(lever.max_size_ratio is not None and 0.38 < lever.max_size_ratio < 0.4 for lever in levers)
    assert {lever.min_speedup for lever in levers if lever.compute} == {1.365}
    assert {lever.min_speedup for lever in levers if not lever.compute} == {None}
    assert min(lever.min_fidelity_db or 0 for lever in levers) > 28


def test_a_model_whose_units_are_not_timed_is_mixed_of_storage_alone(conv_profile: Profile) -> None:
    large = conv_profile.model_copy(update={"weight_bytes": 2_300_000_000})
    offers: list[dict[str, tuple[Compute, ...]]] = [{"Conv": ("static",)}, {}]
    levers = list(mixture_levers(make_state(large, labelled=False, **BOUNDS), offers, ["int8"]))
    assert levers
    assert not any(lever.compute for lever in levers)


def test_units_are_told_apart_where_a_form_by_class_lost_too_much(mobile_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.4, "min_fidelity_db": 28, "min_speedup": 1.1}
    first = POLICY.propose(make_state(mobile_profile, labelled=False, **bounds))
    assert first is not None
    coarse = Plan(quantize=QuantizeLever(compute=STATIC, storage="int8"))
    own: dict[str, Any] = {"violated": ("min_fidelity_db",), "original_bytes": mobile_profile.size_bytes}
    lost = make_attempt(1, coarse, "not_met", size=0.3, speed=None, db=14.0, **own)
    second = POLICY.propose(make_state(mobile_profile, lost, labelled=False, **bounds))
    assert second is not None
    assert second.quantize is not None
    assert second.quantize.mixture
    assert "a form for each unit" in second.reason


def given_up(index: int = 2, **changes: Any) -> Attempt:
    """A mixture that was chosen and not worth building."""
    made = attempt(mixture(STATIC, **changes), "not_met", {"static": 10**-1.8}, index=index)
    return made.model_copy(update={"candidate": None, "comparison": None})


def test_what_was_not_worth_building_is_left_until_something_new_is_known(conv_profile: Profile) -> None:
    state = make_state(conv_profile, labelled=False, **BOUNDS)
    measured = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=18.0, speed=None, size=0.36)
    plan = Plan(quantize=mixture(STATIC))
    for tried, is_hopeless in (
        ((measured,), False),
        ((measured, given_up()), True),
        ((measured, given_up(), measured), False),
        ((measured, given_up(recovery=("bias",))), False),
    ):
        assert estimate(plan, state.model_copy(update={"attempts": tried})).repeats == is_hopeless


def test_recovery_is_mixed_in_once_a_mixture_missed(conv_profile: Profile) -> None:
    def careful(*tried: Attempt) -> list[QuantizeLever]:
        state = make_state(conv_profile, *tried, labelled=False, **BOUNDS)
        found = [plan.quantize for plan in plans(state) if plan.quantize and plan.quantize.mixture]
        return [lever for lever in found if lever.recovery or lever.calibration != "minmax"]

    missed = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=24.0, speed=None, size=0.36)
    assert not careful()
    assert {(lever.recovery, lever.calibration) for lever in careful(missed)} == {
        ((), "mse"), (("feedback", "bias"), "mse"),
    }  # fmt: skip
    state = make_state(conv_profile, missed, labelled=False, **BOUNDS)
    plain, better = (
        estimate(Plan(quantize=lever), state).speedup
        for lever in (mixture(STATIC), mixture(STATIC, recovery=("feedback", "bias"), calibration="mse"))
    )
    assert better > plain


def test_noise_is_corrected_by_mixtures_with_the_same_recovery(conv_profile: Profile) -> None:
    plain = attempt(mixture(STATIC), "not_met", {"static": 1e-3}, db=db(4e-3), speed=1.0)
    recovered = attempt(mixture(STATIC, recovery=("bias",)), "not_met", {"static": 1e-3}, db=db(2e-3), index=2)
    state = make_state(conv_profile, plain, recovered)
    assert corrections(state).noise["static"] == pytest.approx(4.0, rel=0.01)
    assert corrections(state, ("bias",)).noise["static"] == pytest.approx(2.0, rel=0.01)
    assert corrections(state, ("smooth",)).noise["static"] == pytest.approx(2.83, rel=0.3)


def test_products_may_take_either_form_unit_by_unit() -> None:
    profile = make_profile(Conv=(8, 3_000_000, 0.5), MatMul=(4, 3_000_000, 0.3), LSTM=(1, 1_500_000, 0.2))
    found = [plan.quantize for plan in plans(make_state(profile)) if plan.quantize and plan.quantize.mixture]
    offered = [lever.offered for lever in found if lever.compute]
    assert offered
    assert all(each == {"Conv": ("static",), "MatMul": ("static", "dynamic"), "LSTM": ("dynamic",)} for each in offered)
    fast = Plan(quantize=next(lever for lever in found if lever.compute))
    tried = QuantizeLever(compute={"Conv": "static", "MatMul": "dynamic", "LSTM": "dynamic"}, storage="int8")
    assert (
        estimate(fast, make_state(profile, make_attempt(1, Plan(quantize=tried), "not_met", speed=3.1))).speedup > 2.5
    )


def test_only_mixtures_have_alternatives() -> None:
    with pytest.raises(ValueError, match="alternatives are for mixtures"):
        QuantizeLever(compute={"MatMul": "static"}, alternatives={"MatMul": ("dynamic",)})
    with pytest.raises(ValueError, match="alternatives are for mixtures"):
        QuantizeLever(mixture=True, alternatives={"MatMul": ("dynamic",)})


def restricted(state: PolicyState, **options: object) -> PolicyState:
    optimization = OptimizationConfig.model_validate(options)
    return state.model_copy(update={"request": state.request.model_copy(update={"optimization": optimization})})


def test_four_bits_are_mixed_only_where_they_may_be_used() -> None:
    profile = make_profile(Conv=(8, 7_000_000, 0.9))
    eight = restricted(make_state(profile))
    assert not any(plan.quantize.storage == "int4" for plan in plans(eight) if plan.quantize)
    four = [plan.quantize for plan in plans(restricted(make_state(profile), level="aggressive")) if plan.quantize]
    assert {lever.rounding for lever in four if lever.storage == "int4"} == {"error_feedback"}
    assert {lever.mixture for lever in four if lever.storage == "int4"} == {True, False}
    sixteen = restricted(make_state(profile), quantization={"precision": "16bit"})
    assert not any(plan.quantize.mixture for plan in plans(sixteen) if plan.quantize)


def test_quality_counts_at_the_logits(conv_profile: Profile) -> None:
    lost = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=30.0, speed=1.2)
    assert lost.comparison is not None
    logits = Quantity(value=24.0, unit="dB")
    seen = lost.model_copy(update={"comparison": lost.comparison.model_copy(update={"logits_fidelity": logits})})
    assert (
        corrections(make_state(conv_profile, seen)).noise["static"]
        > corrections(make_state(conv_profile, lost)).noise["static"]
    )


def test_a_bound_at_the_logits_is_needed_as_it_stands(conv_profile: Profile) -> None:
    """What a softmax gains behind them does not lower it, as it does a bound on the outputs."""
    tried = attempt(mixture(STATIC), "not_met", {"static": 10**-2.95}, db=30.0, speed=1.2)
    assert tried.comparison is not None
    logits = Quantity(value=22.0, unit="dB")
    seen = tried.model_copy(update={"comparison": tried.comparison.model_copy(update={"logits_fidelity": logits})})
    assert quality_need(make_state(conv_profile, seen, labelled=False, min_logits_fidelity_db=28.0)) == 28.0
    assert quality_need(make_state(conv_profile, seen, labelled=False, min_fidelity_db=28.0)) == 20.0


def test_what_recovery_gains_at_the_logits_alone_raises_no_need(conv_profile: Profile) -> None:
    def lost(behind: float, **changes: Any) -> Attempt:
        made = attempt(mixture(STATIC, **changes), "not_met", {"static": 10**-2.95}, db=27.0)
        assert made.comparison is not None
        logits = Quantity(value=27.0 + behind, unit="dB")
        return made.model_copy(update={"comparison": made.comparison.model_copy(update={"logits_fidelity": logits})})

    recovered = lost(6.0, recovery=("equalize", "bias"))
    assert quality_need(make_state(conv_profile, recovered, labelled=False, **BOUNDS)) == 34.0
    assert quality_need(make_state(conv_profile, lost(2.0), recovered, labelled=False, **BOUNDS)) == 30.0


def test_what_failed_on_the_final_part_needs_more_quality(conv_profile: Profile) -> None:
    passed = make_attempt(1, Plan(quantize=QuantizeLever(storage="int8")), "not_met", db=31.0, speed=1.4)
    looked = passed.model_copy(update={"final_look": True})
    assert quality_need(make_state(conv_profile, passed, labelled=False, **BOUNDS)) == 28.0
    once = quality_need(make_state(conv_profile, looked, labelled=False, **BOUNDS))
    assert once > 31.0
    again = quality_need(make_state(conv_profile, looked, looked, labelled=False, **BOUNDS))
    assert again - 31.0 == 2 * (once - 31.0)


def test_what_graph_passes_gained_is_no_saving_of_forms(conv_profile: Profile) -> None:
    met = attempt(mixture(STATIC, aim=33.5), "met", {"static": 10**-3.4}, db=34.0, speed=3.05)
    assert met.forecast is not None
    met = met.model_copy(update={"forecast": met.forecast.model_copy(update={"gained": 3.0, "speedup": 3.05})})
    bolder = Plan(quantize=mixture(STATIC, aim=29.5, corrections=Corrections(noise={"static": 1.1})))
    assert estimate(bolder, make_state(conv_profile, met, labelled=False, **BOUNDS)).speedup == pytest.approx(
        3.05, abs=0.03
    )


def test_weights_that_are_stored_wider_cost_what_lies_between_the_forms(conv_profile: Profile) -> None:
    """Of two sizes that were built and the aim between them, the size lies between, and is not taken for certain."""
    stored = QuantizeLever(storage="int4", rounding="error_feedback")
    lever = mixture(aim=44.0).model_copy(update={"storage": "int4", "rounding": "error_feedback"})
    own: dict[str, Any] = {"original_bytes": conv_profile.size_bytes, "speed": None}
    coarse = make_attempt(1, Plan(quantize=stored), "not_met", size=0.144, db=38.0, **own)
    bold = attempt(
        lever.model_copy(update={"min_fidelity_db": 47.0}),
        "not_met",
        {"int4": 1e-5},
        index=2,
        size=0.29,
        db=50.0,
        **own,
    )
    found = estimate(Plan(quantize=lever), make_state(conv_profile, coarse, bold, labelled=False, max_size_ratio=0.216))
    ratio = found.size_bytes / conv_profile.size_bytes
    assert 0.144 < ratio < 0.29 * 0.8
    assert found.size_spread > 0.05


def test_what_was_built_too_large_by_a_hair_is_not_built_again(conv_profile: Profile) -> None:
    bounds: dict[str, Any] = {"max_size_ratio": 0.266, "min_fidelity_db": 38}
    config = OptimizationConfig(level="aggressive")
    lever = QuantizeLever(storage="int8")
    missed = make_attempt(
        1, Plan(quantize=lever), "not_met", size=0.2685, db=50.0, speed=None, violated=("max_size_ratio",),
        original_bytes=conv_profile.size_bytes,
    )  # fmt: skip
    state = make_state(conv_profile, missed, labelled=False, **bounds)
    request = state.request.model_copy(update={"optimization": config})
    found = POLICY.propose(state.model_copy(update={"request": request}))
    assert found is not None
    assert found.quantize is not None
    assert found.quantize.storage == "int4"
