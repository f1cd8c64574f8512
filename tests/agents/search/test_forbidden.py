"""Levers that a request rules out stay out of every plan, wherever it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.agents.search.allowed import allowed
from shipfit.agents.search.plans import plans
from shipfit.contracts import Plan, PolicyState, PruneLever, QuantizeLever, Request, validate

from ..facts import make_profile, make_state

PLANS = {
    "pruning": Plan(prune=PruneLever(threshold=0.01)),
    "int8": Plan(quantize=QuantizeLever(storage="int8")),
    "int4": Plan(quantize=QuantizeLever(storage="int4")),
    "fp16": Plan(quantize=QuantizeLever(storage="fp16")),
    "computed": Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8")),
}


def state_of(*forbid: str) -> PolicyState:
    state = make_state(make_profile(Conv=(8, 7_000_000, 0.8), Gemm=(2, 500_000, 0.1)))
    fields: dict[str, Any] = {**state.request.model_dump(), "optimization": {"level": "aggressive", "forbid": forbid}}
    return state.model_copy(update={"request": validate(Request, fields)})


@pytest.mark.parametrize(
    ("forbid", "left"),
    [
        ((), {"pruning", "int8", "int4", "fp16", "computed"}),
        (("pruning",), {"int8", "int4", "fp16", "computed"}),
        (("quantization",), {"pruning"}),
        (("int8",), {"pruning", "fp16"}),
        (("int4",), {"pruning", "int8", "fp16", "computed"}),
        (("fp16",), {"pruning", "int8", "computed"}),
    ],
)
def test_what_comes_from_outside_keeps_to_it(forbid: tuple[str, ...], left: set[str]) -> None:
    state = state_of(*forbid)
    assert {name for name, plan in PLANS.items() if allowed(plan, state)} == left


@pytest.mark.parametrize("lever", ["pruning", "quantization", "int8", "int4", "fp16"])
def test_plans_of_the_policy_are_allowed(lever: str) -> None:
    state = state_of(lever)
    made = list(plans(state))
    assert made
    assert all(allowed(plan, state) for plan in made)
