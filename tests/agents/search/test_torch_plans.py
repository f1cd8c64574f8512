"""Plans for exported torch programs, and that those of one format never serve the other."""

from __future__ import annotations

import pytest

from shipfit.agents.search.chance import chance
from shipfit.agents.search.plans import plans
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.predict import estimate
from shipfit.contracts import OptimizationConfig, Outcome, Plan, PolicyState, Profile, QuantizeLever, Recalled

from ..facts import make_profile, make_state

POLICY = BuiltInPolicy()


@pytest.fixture
def program() -> Profile:
    made = make_profile(conv2d=(4, 7_000_000, 0.9), linear=(1, 20_000, 0.02), relu=(4, 0, 0.08))
    return made.model_copy(update={"format": "torch", "storable_bytes": 0, "fixed_bytes": made.weight_bytes})


def allowed(state: PolicyState, **options: object) -> list[Plan]:
    optimization = OptimizationConfig.model_validate(options)
    request = state.request.model_copy(update={"optimization": optimization})
    return list(plans(state.model_copy(update={"request": request})))


def test_convolutions_get_integer_operators_first(program: Profile):
    state = make_state(program, min_speedup=1.3, max_accuracy_drop=0.001)
    plan = POLICY.propose(state)
    assert plan is not None
    assert plan.quantize is not None
    assert plan.quantize.compute["conv2d"] == "static"
    assert plan.graph is not None
    assert plan.graph.layout == "keep"  # a layout would hide the convolutions
    assert not plan.tune
    assert estimate(plan, state).size_bytes < 0.35 * program.size_bytes


def test_layouts_are_tried_where_convolutions_stay(program: Profile):
    found = allowed(make_state(program), quantization={"enabled": False})
    layouts = [plan.graph.layout for plan in found if plan.graph is not None]
    assert layouts == ["auto"]
    off = allowed(make_state(program), quantization={"enabled": False}, graph={"layer_optimization": False})
    assert [plan.graph.layout for plan in off if plan.graph is not None] == ["keep"]


def test_pruning_needs_leave_and_comes_before_folding(program: Profile):
    state = make_state(program)
    assert not [plan for plan in allowed(state) if plan.prune]
    pruned = [plan for plan in allowed(state, level="aggressive") if plan.prune]
    assert {plan.prune.ratio for plan in pruned if plan.prune} == {0.25, 0.5}
    assert all(plan.graph is None for plan in pruned)
    assert chance(pruned[0], make_state(program, max_accuracy_drop=0.01))[0] < 0.3


def test_nothing_at_level_none_and_no_storage_without_tables(program: Profile):
    assert allowed(make_state(program), level="none") == [Plan()]
    levers = [plan.quantize for plan in allowed(make_state(program)) if plan.quantize]
    assert {lever.storage for lever in levers} == {"none"}
    tables = program.model_copy(update={"storable_bytes": 1_000_000})
    stored = [plan.quantize.storage for plan in allowed(make_state(tables)) if plan.quantize]
    assert {"int8", "fp16"} <= set(stored)


def test_memory_never_mixes_formats(program: Profile):
    plan = Plan(quantize=QuantizeLever(compute={"conv2d": "static"}))
    state = make_state(program, max_size_ratio=0.5)
    outcome = Outcome(
        id="a", run="b", created=0, model="c" * 64, profile=program, target=state.request.target,
        constraints=state.request.constraints, hardware="", plan=plan, verdict="met", size_ratio=0.3, speedup=2.0,
    )  # fmt: skip
    recalled = (Recalled(outcome=outcome, similarity=1.0, same_model=True),)
    remembered = POLICY.propose(state.model_copy(update={"recalled": recalled}))
    assert remembered is not None
    assert remembered.proposer == "memory"
    onnx = program.model_copy(update={"format": "onnx"})
    mixed = POLICY.propose(state.model_copy(update={"recalled": recalled, "profile": onnx}))
    assert mixed is not None
    assert mixed.proposer == "policy"
