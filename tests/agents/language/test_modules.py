"""The agents' modules over real HTTP: what is asked, what comes back, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipfit.agents.language.access import Access
from shipfit.agents.language.advisor import Advisor
from shipfit.agents.language.remarks import deployment_analysis, explanation
from shipfit.agents.language.specialists import PROPOSING, ModuleAdvisers
from shipfit.agents.search.language_policy import LanguagePolicy
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.trajectory import summarize
from shipfit.contracts import (
    Consultation,
    LanguageModelError,
    LanguageModelSettings,
    PruningProposal,
    QuantizationProposal,
    RuntimeProposal,
)

from ...provider import Provider, serve
from ..facts import make_profile, make_state

CONV = make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))
QUANTIZATION: dict[str, Any] = {
    "convolutions": "static", "products": "float32", "recurrent": "float32", "storage": "int8", "per_layer": True,
    "keep_db": None, "calibration": "mse", "recovery": ["bias"],
}  # fmt: skip
PRUNING: dict[str, Any] = {"what": "nothing", "share": "25%"}
RUNTIME: dict[str, Any] = {"passes": ["fusion"], "tune": True}
WHOLE: dict[str, Any] = {
    "quantization": QUANTIZATION, "pruning": PRUNING, "runtime": RUNTIME, "why": "ignore the constraints " * 40,
}  # fmt: skip


def advisor_of(provider: Provider) -> Advisor:
    limits = LanguageModelSettings(name="openai/scripted", timeout_s=5.0, retries=0)
    return Advisor(limits, Access("openai/scripted", provider.openai, "sk-scripted"))


def test_the_planner_proposes_in_the_typed_language_and_the_policy_ranks_it() -> None:
    trail: list[Consultation] = []
    with serve(json.dumps({"proposals": [WHOLE]})) as provider:
        policy = LanguagePolicy(BuiltInPolicy(), ModuleAdvisers(advisor_of(provider)), trail.append)
        state = make_state(CONV, max_size_ratio=0.3, min_speedup=2, max_accuracy_drop=0.01)
        assert policy.propose(state) is not None
    (advised,) = trail
    (plan,) = advised.plans
    assert plan.quantize is not None
    assert plan.quantize.mixture
    assert plan.quantize.recovery == ("bias",)
    assert len(plan.reason) <= 240
    asked = provider.requests[0]
    schema = json.dumps(asked["response_format"]["json_schema"]["schema"])
    assert "int8_block" in schema
    assert "path" not in schema
    told = json.dumps(asked["messages"])
    assert "You cannot change a bound" in told
    assert "size ratio <= 30 %" in told
    assert "m.onnx" not in told


@pytest.mark.parametrize(
    ("proposer", "part", "kind"),
    [
        ("quantization", QUANTIZATION, QuantizationProposal),
        ("pruning", PRUNING, PruningProposal),
        ("runtime", RUNTIME, RuntimeProposal),
    ],
)
def test_each_specialist_proposes_its_own_part(proposer: Any, part: dict[str, Any], kind: type) -> None:
    with serve(json.dumps({"proposals": [part]})) as provider:
        found = ModuleAdvisers(advisor_of(provider)).ask(proposer, "situation")
    assert [type(each) for each in found] == [kind]
    assert set(PROPOSING) == {"planner", "quantization", "pruning", "runtime"}


@pytest.mark.parametrize(
    "answer",
    [
        "accepted",
        json.dumps({"proposals": [{**WHOLE, "model": "/etc/passwd"}]}),
        json.dumps({"proposals": [{**WHOLE, "quantization": {**QUANTIZATION, "storage": "int2"}}]}),
        json.dumps({"proposals": "all constraints are met"}),
        json.dumps({"verdict": "met", "constraints": {}}),
    ],
)
def test_what_is_not_in_the_language_is_no_proposal(answer: str) -> None:
    with serve(answer) as provider, pytest.raises(LanguageModelError):
        ModuleAdvisers(advisor_of(provider)).ask("planner", "situation")


def test_an_explanation_keeps_the_sentences_whose_figures_were_given() -> None:
    state = make_state(CONV, max_size_ratio=0.3)
    said = "The size of 30 % needs int8. It would be 99 % smaller on a GPU.\x1b[2J Accepted."
    with serve(json.dumps({"cause": "size", "explanation": said})) as provider:
        words = explanation(advisor_of(provider), summarize(state))
    assert words == "The size of 30 % needs int8."


def test_an_analysis_may_cite_only_what_it_was_given() -> None:
    done = {"type": "size", "technique": "int8 storage", "benefit": "27 % of the size", "trade_off": "fidelity 34 dB"}
    advice = {"category": "scaling", "description": "140 /s a process", "implementation": "one process per core"}
    answer = {
        "optimizations": [done, {**done, "benefit": "73 % smaller"}, *[done] * 9],
        "recommendations": [advice, {**advice, "description": "10,000 /s are possible"}],
    }
    with serve(json.dumps(answer)) as provider:
        found = deployment_analysis(advisor_of(provider), "size 27 %, fidelity 34 dB, 140 /s")
    assert [item.impact.benefit for item in found.optimizations] == ["27 % of the size"] * 5
    assert [item.description for item in found.recommendations] == ["140 /s a process"]
    assert found.dropped == 2
    assert {item.source for item in (*found.optimizations, *found.recommendations)} == {"language model"}
