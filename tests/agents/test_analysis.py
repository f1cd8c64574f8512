"""The analysis by rule: what was done, what it gained and cost, what to watch."""

from __future__ import annotations

from shipfit.agents.advise import recommend
from shipfit.agents.analysis import analyse, with_words
from shipfit.agents.state import RunState
from shipfit.contracts import Analysis, DataRef, Impact, Optimization, Plan, QuantizeLever, Recommendation

from ..interfaces import responses
from .facts import make_attempt

PLAN = Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8"))
STORED = Plan(quantize=QuantizeLever(storage="int8"))


def test_the_product_comes_first_with_each_kind_of_gain_and_its_cost() -> None:
    lost = make_attempt(1, STORED, "not_met", size=0.26, speed=1.0, violated=("min_speedup",))
    best = make_attempt(2, PLAN, "met", size=0.27, speed=3.1, db=31.5, drop=0.003)
    found = analyse((lost, best), best, ()).optimizations
    assert [item.type for item in found] == ["performance", "size", "size"]
    assert found[0].impact.benefit == "3.1× as fast"
    assert found[0].technique == "convolutions static, storage int8"
    assert "accuracy -0.30 points" in found[0].impact.trade_off
    assert "31.5 dB" in found[0].impact.trade_off
    assert found[1].impact.benefit == "27 % of the size: 7.51 MB became 2.028 MB"
    assert found[2].impact.trade_off.startswith("not delivered, missed speedup")
    assert all(item.source == "measurements" for item in found)


def test_an_attempt_that_gained_nothing_says_nothing() -> None:
    same = make_attempt(1, Plan(tune=True), "not_met", size=1.0, speed=1.01)
    broken = make_attempt(2, PLAN, "failed").model_copy(update={"comparison": None})
    assert analyse((same, broken), None, ()).optimizations == ()


def test_monitoring_and_scaling_follow_from_what_was_measured() -> None:
    run = responses.response()
    best = next(item for item in run.attempts if item.index == run.delivered)
    state: RunState = {"data": DataRef(id="d" * 64, samples=1000, labelled=True, parts={"final": 1000})}
    advice = {item.category: item for item in recommend(run.request, state, best)}
    assert "p95" in advice["monitoring"].description
    assert "one thread answers" in advice["scaling"].description
    assert recommend(run.request, state, None) == ()


def test_words_of_a_model_come_behind_and_stay_marked() -> None:
    ruled = Analysis(recommendations=(Recommendation(category="runtime", description="ours"),))
    said = Optimization(
        type="size", technique="t", impact=Impact(benefit="b", trade_off="c"), source="language model"
    )  # fmt: skip
    both = with_words(ruled, Analysis(optimizations=(said,), dropped=3))
    assert both.recommendations == ruled.recommendations
    assert both.optimizations[-1].source == "language model"
    assert both.dropped == 3
    assert with_words(ruled, None) is ruled
