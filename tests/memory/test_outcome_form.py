"""What earlier versions kept is brought to today's form; what is none of ours is not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import OUTCOME_VERSION, Outcome, QuantizeStep
from shipfit.memory.fingerprint import fingerprint
from shipfit.memory.outcome_form import Unreadable, read_outcome

MakeOutcome = Callable[..., Outcome]


def earlier(outcome: Outcome, **recipe: Any) -> str:
    """The body of an outcome as version 1 wrote it: three lists of exceptions, and shares of units to spare."""
    body = json.loads(outcome.model_dump_json())
    del body["version"], body["forecast_db"], body["logits_fidelity_db"], body["metric"]
    body["recipe"] = {"model": "a" * 64, "steps": [{"kind": "quantize", **recipe}]}
    body["plan"]["quantize"] = {"storage": "int8", "spare": 0.1, "widen": 0.0}
    return json.dumps(body)


def test_an_outcome_of_version_1_is_brought_to_todays_form(make_outcome: MakeOutcome):
    body = earlier(make_outcome("old"), keep=["first"], store_fp16=["a", "b"], store_fp32=["c"])
    outcome = read_outcome(body)
    assert (outcome.id, outcome.version) == ("old", OUTCOME_VERSION)
    assert outcome.recipe is not None
    (step,) = outcome.recipe.steps
    assert isinstance(step, QuantizeStep)
    assert step.nodes == {"first": "fp32"}
    assert step.stored == {"a": "fp16", "b": "fp16", "c": "fp32"}
    assert read_outcome(outcome.model_dump_json()) == outcome


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"version": 99}', "newer"),
        ('{"version": "x"}', "no number"),
        ('{"version": -1}', "no number"),
        ("[]", "object"),
        ("{", "JSON"),
        (" " * (2**20 + 1), "characters"),
        ('{"version": 1, "recipe": {"steps": [{"keep": 5}]}}', "no outcome of an earlier version"),
    ],
)
def test_what_cannot_be_read_says_why(body: str, why: str):
    with pytest.raises(Unreadable, match=why):
        read_outcome(body)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["version", "recipe", "plan", "steps", "quantize",
    "keep", "profile", "id"]) | st.text(max_size=3), inner, max_size=4)
), max_leaves=12))  # fmt: skip
def test_whatever_json_it_is_it_is_refused_in_words(value: Any):
    with pytest.raises(Unreadable):
        read_outcome(json.dumps(value))


@given(
    field=st.sampled_from(["parameters", "nodes", "size_bytes", "weight_bytes", "opset", "latency_ms", "inner_share"]),
    value=st.integers(-(10**30), 10**30) | st.floats() | st.just(10**400),
)
def test_what_is_read_has_a_finite_vector(field: str, value: float):
    profile: dict[str, Any] = {
        "opset": 17, "ir_version": 8, "parameters": 5, "nodes": 1, "size_bytes": 9, "weight_bytes": 8, "graph_bytes": 1,
        "storable_bytes": 8, "fixed_bytes": 0, "inputs": [], "outputs": [], "operators": [], "quantizable_share": 1,
        "prunable_share": 1,
    }  # fmt: skip
    body = {
        "id": "x", "run": "r", "created": 0, "model": "m", "profile": profile | {field: value}, "target": {},
        "constraints": {}, "hardware": "h", "plan": {}, "verdict": "met",
    }  # fmt: skip
    try:
        outcome = read_outcome(json.dumps(body))
    except Unreadable:
        return
    vector = fingerprint(outcome.profile, outcome.target, outcome.constraints, outcome.objective)
    assert all(-1 <= entry <= 1 for entry in vector)
