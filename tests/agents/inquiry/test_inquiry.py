"""Why a run did what it did, and what other bounds would cost: from the trail, without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.agents.inquiry.explanation import explain
from shipfit.agents.inquiry.past import Past
from shipfit.agents.inquiry.topics import topics_in
from shipfit.agents.inquiry.what_if import what_if
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.service import Service
from shipfit.contracts import (
    Answer,
    Attempt,
    Changes,
    ConstraintResult,
    OptimizationConfig,
    Plan,
    Profiled,
    QuantizeLever,
    Question,
    Request,
    RequestError,
    Settings,
    Verdict,
)

from ..facts import make_attempt, make_profile, make_state
from ..test_approval import measured_in_full

PROFILE = make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))


def seen(*attempts: Attempt, optimization: OptimizationConfig | None = None, **bounds: Any) -> Past:
    state = make_state(PROFILE, *attempts, **bounds)
    request = state.request.model_copy(update={"optimization": optimization or OptimizationConfig()})
    state = state.model_copy(update={"request": request})
    return Past(
        run="r", status="rolled_back", request=request, attempts=attempts, decisions=(), delivered=None, reason="",
        state=state,
    )  # fmt: skip


def stored(size: float, drop: float) -> Attempt:
    plan = Plan(quantize=QuantizeLever(storage="int8"), reason="weights stored as int8")
    return measured_in_full(size, drop).model_copy(update={"plan": plan})


def missed() -> Attempt:
    plan = Plan(quantize=QuantizeLever(storage="int8"), reason="weights stored as int8")
    result = ConstraintResult(
        name="max_size_ratio", bound=0.3, measured=0.41, unit="fraction", met=False, shortfall=0.37
    )
    attempt = make_attempt(1, plan, "not_met", size=0.41)
    verdict = Verdict(kind="not_met", reason="size ratio 41 % is above 30 %", constraints=(result,))
    return attempt.model_copy(update={"verdict": verdict})


def test_an_attempt_is_explained_by_what_it_missed_and_by_how_much() -> None:
    found = explain(seen(missed(), max_size_ratio=0.3), "why did attempt 1 fail?")
    (account,) = found.attempts
    assert account.missed[0].shortfall == 0.37
    assert "size ratio 41 % is above 30 % (by 37 % of the bound)" in account.text
    assert found.alternatives == ()
    assert "there is no attempt 7" in explain(seen(missed()), "attempt 7?").text


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, ("level",)),
        ({"forbid": ("int4",), "level": "aggressive"}, ("forbid",)),
        ({"quantization": {"precision": "8bit"}, "level": "aggressive"}, ("quantization.precision",)),
        ({"quantization": {"enabled": False}}, ("quantization.enabled", "level")),
    ],
)
def test_why_not_int4_names_the_settings_that_rule_it_out(config: dict[str, Any], names: tuple[str, ...]) -> None:
    optimization = OptimizationConfig.model_validate(config)
    (found,) = explain(seen(optimization=optimization), "why not 4-bit weights?").alternatives
    assert (found.topic, found.status, found.ruled_out_by) == ("int4", "ruled_out", names)
    assert found.plan is not None
    assert found.plan.predicted is not None
    assert found.plan.quantize is not None
    assert "likely to meet everything" in found.text


def test_what_is_open_has_its_chance_and_what_a_model_lacks_is_said() -> None:
    open_one = explain(seen(max_size_ratio=0.3), "why not dynamic").alternatives[0]
    assert open_one.status == "open"
    assert open_one.plan is not None
    assert open_one.plan.predicted is not None
    lstm_less = explain(seen(max_size_ratio=0.3), "why no pruning").alternatives[0]
    assert (lstm_less.status, lstm_less.ruled_out_by) == ("ruled_out", ("level",))
    none = explain(seen(optimization=OptimizationConfig(level="none")), "graph fusion").alternatives[0]
    assert (none.status, none.ruled_out_by) == ("ruled_out", ("level",))
    tried = explain(seen(missed()), "int8?").alternatives[0]
    assert (tried.status, tried.attempts) == ("tried", (1,))


def test_bounds_are_answered_with_what_was_reached() -> None:
    text = explain(seen(missed(), max_size_ratio=0.3), "how small did it get?").text
    assert any("attempt 1: size ratio 41 % is above 30 %" in line for line in text)


@settings(max_examples=10)
@given(st.text(max_size=120))
def test_any_question_is_answered(question: str) -> None:
    found = explain(seen(missed(), max_size_ratio=0.3), question)
    assert found.text
    assert set(topics_in(question)) <= {item.topic for item in found.alternatives}


def test_other_bounds_are_judged_by_what_was_measured() -> None:
    attempt = stored(0.3, 0.005)
    run = seen(attempt, max_size_ratio=0.25)
    looser = what_if(run, Changes(constraints={"max_size_ratio": 0.35}))
    assert looser.outcome == "met"
    assert (looser.candidates[0].attempt, looser.candidates[0].meets) == (1, True)
    assert [edit.text() for edit in looser.edits] == ["size ratio: ≤ 25 % → ≤ 35 %"]
    tighter = what_if(run, Changes(constraints={"max_size_ratio": 0.01}))
    assert tighter.outcome == "unlikely"
    assert tighter.candidates[0].missed[0].name == "max_size_ratio"
    assert any(item.basis == "predicted" and item.chance is not None for item in tighter.candidates)
    with pytest.raises(RequestError, match="contradict"):
        what_if(run, Changes(allow_regression=("size",)))


@settings(max_examples=10)
@given(bound=st.integers(2, 98), size=st.integers(2, 98))
def test_what_if_never_calls_met_what_was_not(bound: int, size: int) -> None:
    run = seen(stored(size / 100, 0.0), max_size_ratio=0.5)
    found = what_if(run, Changes(constraints={"max_size_ratio": bound / 100}))
    assert (found.outcome == "met") == (size <= bound)


def test_a_form_is_never_expected_to_take_less_than_nothing() -> None:
    """Passes that dropped nearly everything, as of weights that nothing reads, tell little of other forms."""
    bare = make_attempt(1, Plan(), "met", size=0.02)
    found = what_if(seen(bare, max_size_ratio=0.5), Changes(constraints={"max_size_ratio": 0.4}))
    assert all(item.size_ratio is not None and item.size_ratio > 0 for item in found.candidates)


def test_the_trail_alone_tells_the_request_as_people_left_it(tmp_path: Path) -> None:
    """Edits and rejected plans count; a run that has not inspected its model cannot say what bounds would cost."""
    service = Service(Settings(home=tmp_path / "home"))
    request = Request(model="m.onnx", data="d.npz", approve=True, constraints={"max_size_ratio": 0.3})  # type: ignore[arg-type]
    run = service.ledger.runs.create(request).id
    with pytest.raises(RequestError, match="has not inspected"):
        service.what_if(run, Changes(objective="size"))
    assert service.explain(run).text
    trail = service.ledger.trail
    admitted = {
        "original": {"id": "1" * 64, "size_bytes": 7_510_000},
        "data": {"id": "0" * 64, "samples": 9, "parts": {}},
    }
    trail.append(run, "admitted", admitted)
    trail.append(run, "profiled", Profiled(profile=PROFILE).model_dump(mode="json"))
    plan = BuiltInPolicy().propose(make_state(PROFILE, max_size_ratio=0.3))
    assert plan is not None
    edited = Answer(action="edit", changes=Changes(objective="size"))
    for number, answer in enumerate((Answer(action="reject"), edited)):
        question = Question(id=str(number), about="plan", attempt=1, plan=plan, request=request)
        trail.append(run, "question", question.model_dump(mode="json"))
        service.answer(run, answer)
    found = service.what_if(run, Changes(constraints={"max_size_ratio": 0.2}))
    assert (found.request.objective, found.request.constraints.max_size_ratio) == ("size", 0.2)
    assert all(not item.plan.same_as(plan) for item in found.candidates)
    assert [item.action for item in service.explain(run).decisions] == ["reject", "edit"]
    alike = service.what_if(request, Changes(constraints={"max_size_ratio": 0.2}))
    assert alike.request.objective == "balanced"
    with pytest.raises(RequestError, match="no run of this model"):
        service.what_if(request.model_copy(update={"model": "other.onnx"}), Changes(objective="size"))
