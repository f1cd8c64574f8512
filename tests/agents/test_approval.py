"""A run that asks: plans and results wait for a person, who may go on, edit, reject or stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from shipfit import DeploymentOptimizationAgent
from shipfit.agents.evidence import judged_again
from shipfit.agents.planner import after_plan, plan
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.service import Service
from shipfit.agents.state import RunState
from shipfit.contracts import (
    Answer,
    ArtifactRef,
    Attempt,
    Benchmark,
    Changes,
    Constraints,
    DataRef,
    Evaluation,
    Footprint,
    LatencyMetrics,
    MemoryMetrics,
    OptimizationResponse,
    Plan,
    Question,
    Request,
    RequestError,
    Settings,
)

from ..remembering import RememberingExecutor
from .facts import make_attempt, make_profile, make_state, quantity

Start = Callable[[], Service]
GO = Answer(action="go")


def edit(**changes: Any) -> Answer:
    return Answer(action="edit", changes=Changes(**changes), by="ana")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def start(settings: Settings, remembering: RememberingExecutor) -> Start:
    return lambda: Service(settings, remembering)


def ask(model: Path, data: Path | None, **fields: Any) -> Request:
    base: dict[str, Any] = {
        "model": str(model), "data": str(data) if data else None, "memory": False, "approve": True,
        "allow_regression": ("latency", "memory"), "constraints": {"max_size_ratio": 0.4},
    }  # fmt: skip
    return Request.model_validate({**base, **fields})


def until_asked(service: Service, run: str) -> Question | None:
    """Work until a question or the end, as a process of its own would."""
    last = list(service.events(run))[-1]
    assert last.event in ("waiting", "run_finished")
    return service.question(run)


def go_on(start: Start, run: str, answer: Answer) -> tuple[Service, Question | None]:
    """Answer and go on in what might be another process: nothing is left of the one that asked."""
    service = start()
    service.answer(run, answer)
    assert service.resume(run) == run
    return service, until_asked(service, run)


def test_before_anything_is_transformed_the_plan_is_asked_about(start: Start, digits_model: Path) -> None:
    service = start()
    run = service.start(ask(digits_model, None))
    first = until_asked(service, run)
    assert first is not None
    assert (first.about, first.attempt) == ("plan", 1)
    assert first.plan.predicted is not None
    assert first.plan.reason
    nodes = [entry.body["node"] for entry in service.trail(run) if entry.kind == "node"]
    assert "rewrite" not in nodes
    assert service.run(run).status == "waiting"
    before = service.run(run).elapsed_s
    # Who resumes without an answer is asked the same, and nothing is counted twice.
    again = start()
    again.resume(run)
    assert until_asked(again, run) == first
    assert again.run(run).elapsed_s == before
    # A plan that is rejected is not proposed again; an edit is planned for.
    _, second = go_on(start, run, Answer(action="reject"))
    assert second is not None
    assert not second.plan.same_as(first.plan)
    service, third = go_on(start, run, edit(constraints={"max_size_bytes": 8e6}, time_limit_s=30.0))
    assert third is not None
    assert third.request.constraints == Constraints(max_size_bytes=8_000_000)
    assert third.request.budget.time_limit_s == 30.0
    _, end = go_on(start, run, Answer(action="stop", by="ana"))
    response = service.response(run)
    assert end is None
    assert response.status == "rolled_back"
    assert response.artifact.original
    assert response.reason == "stopped by ana; the original is handed back untouched"
    assert response.attempts == response.offers == ()
    assert [item.action for item in response.decisions] == ["reject", "edit", "stop"]
    changed = {item.name: (item.asked, item.edited) for item in response.decisions[1].edits}
    assert changed["max_size_ratio"] == (0.4, None)
    assert changed["max_size_bytes"] == (None, 8e6)
    assert response.decisions[1].by == "ana"


@pytest.mark.slow
def test_a_result_is_rejected_edited_and_accepted(start: Start, digits_model: Path, digits_data: Path) -> None:
    service = start()
    run = service.start(ask(digits_model, digits_data))
    until_asked(service, run)
    _, result = go_on(start, run, GO)
    assert result is not None
    assert (result.about, {item.met for item in result.constraints}) == ("result", {True})
    service, other = go_on(start, run, Answer(action="reject"))
    first = next(item for item in service.attempts(run) if item.index == result.attempt)
    assert (first.rejected, first.verdict.kind) == (True, "not_met")
    assert other is not None
    assert other.attempt != result.attempt
    # Bounds that nothing reaches: everything measured is judged again, and the run ends without a product.
    service, end = go_on(start, run, edit(constraints={"max_size_ratio": 0.05}, max_attempts=2))
    response = service.response(run)
    assert end is None
    assert response.status == "rolled_back"
    assert response.first_met is None
    assert all(item.verdict.kind != "met" for item in response.attempts)
    assert response.request.constraints.max_size_ratio == 0.05
    assert service.run(run).request.constraints.max_size_ratio == 0.4
    assert result.attempt not in [offer.attempt for offer in response.offers]


def test_a_candidate_that_edited_bounds_allow_is_gone_on_with() -> None:
    """What missed a bound early was never timed; where no other is met it is made again, from the store, and timed."""
    missed = make_attempt(1, Plan(tune=True, reason="as the test says"), "not_met", size=0.3)
    seen = make_state(make_profile(Conv=(8, 7_000_000, 0.9)), missed, max_size_ratio=0.35)
    events: list[Any] = []
    context = cast("Any", SimpleNamespace(request=seen.request, policy=BuiltInPolicy(), emit=events.append))
    ref = ArtifactRef(id="0" * 64, size_bytes=7_510_000)
    data = DataRef(id="0" * 64, samples=40, parts={"final": 20}, labelled=True)
    state: RunState = {
        "profile": seen.profile, "original": ref, "model": ref, "data": data, "host": seen.host, "attempts": (missed,),
        "opened": (1,),
    }  # fmt: skip
    update = cast("dict[str, Any]", plan(state, context))
    assert update["draft"] is not None
    assert update["draft"].plan.same_as(missed.plan)
    assert update["draft"].index == 2
    assert "attempt 1 misses nothing" in events[0].plan.reason
    assert update["opened"] == ()
    left = cast("dict[str, Any]", plan({**state, "opened": ()}, context))["draft"]
    assert left is None or not left.plan.same_as(missed.plan)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (edit(constraints={"min_accuracy": 0.9}), "needs labelled data"),
        (edit(allow_regression=("size",)), "contradict"),
        (edit(constraints={"max_size_ratio": -1.0}), "max_size_ratio"),
        (edit(constraints={"max_size_ratio": 0.4}), "stands already"),
    ],
)
def test_an_edit_is_held_to_what_any_request_is(
    answer: Answer, words: str, settings: Settings, digits_model: Path, waiting: Callable[[Service], str]
) -> None:
    service = Service(settings)
    run = waiting(service)
    with pytest.raises(RequestError, match=words):
        service.answer(run, answer)
    assert service.question(run) is not None


def test_one_answer_counts_and_only_while_it_is_asked_for(
    settings: Settings, waiting: Callable[[Service], str]
) -> None:
    service = Service(settings)
    run = waiting(service)
    service.answer(run, GO)
    with pytest.raises(RequestError, match="waits for no answer"):
        Service(settings).answer(run, Answer(action="stop"))


@pytest.fixture
def waiting(digits_model: Path) -> Callable[[Service], str]:
    """Enter a run that waits, without any work."""

    def enter(service: Service) -> str:
        request = ask(digits_model, None)
        run = service.ledger.runs.create(request).id
        digest = {"id": "0" * 64, "samples": 40, "parts": {"final": 20}}
        service.ledger.trail.append(run, "admitted", {"data": digest}, once="admitted")
        proposed = BuiltInPolicy().propose(make_state(make_profile(Conv=(8, 7_000_000, 0.9))))
        assert proposed is not None
        question = Question(id="1", about="plan", attempt=1, plan=proposed, request=request)
        service.ledger.trail.append(run, "question", question.model_dump(mode="json"), once="1")
        service.ledger.runs.update(run, status="waiting")
        return run

    return enter


@pytest.mark.slow
def test_from_python_somebody_must_answer(settings: Settings, digits_model: Path) -> None:
    agent = DeploymentOptimizationAgent(settings=settings)
    with pytest.raises(RequestError, match="on_question"):
        agent.optimize_for_deployment(ask(digits_model, None))
    asked: list[Question] = []

    def stop(question: Question) -> Answer:
        asked.append(question)
        return Answer(action="stop")

    response: OptimizationResponse = agent.optimize_for_deployment(ask(digits_model, None), on_question=stop)
    assert response.status == "rolled_back"
    assert [question.about for question in asked] == ["plan"]


def test_only_who_wants_to_be_asked_is_asked() -> None:
    draft = cast("Any", object())
    assert after_plan({"draft": draft}) == "rewrite"
    assert after_plan({"draft": draft, "asks": True}) == "approve_plan"
    assert after_plan({"draft": None, "best": 1}) == "conclude"
    assert after_plan({"draft": None, "best": 1, "asks": True}) == "approve_result"
    assert after_plan({"draft": None, "asks": True}) == "rollback"


def test_an_answer_edits_or_it_does_not() -> None:
    for wrong in ({"action": "edit"}, {"action": "go", "changes": {"constraints": {"min_speedup": 2}}}):
        with pytest.raises(ValueError, match="an edit says what changes"):
            Answer.model_validate(wrong)
    with pytest.raises(ValueError, match="there is no bound 'model'"):
        Changes.model_validate({"constraints": {"model": 1}})
    with pytest.raises(ValueError, match="Extra inputs"):
        Changes.model_validate({"out": "/tmp/elsewhere"})


def measured_in_full(size: float, drop: float) -> Attempt:
    """An attempt whose verdict rests on timing and on the final part."""
    time, byte = quantity(1.0, "ms"), quantity(1e7, "bytes")
    latency = LatencyMetrics(mean=time, p50=time, p95=time)
    footprint = Footprint(memory=MemoryMetrics(peak=byte, average=byte, runtime_alone=byte), load_time=time)
    rate, speed = quantity(1000, "1/s"), quantity(1.0, "ratio")
    benchmark = Benchmark(
        speedup=speed, same_arm=speed, conclusive=True, baseline=latency, candidate=latency, baseline_throughput=rate,
        candidate_throughput=rate, baseline_footprint=footprint, candidate_footprint=footprint,
    )  # fmt: skip
    evaluation = Evaluation(
        part="final", samples=1000, original_accuracy=quantity(0.95), candidate_accuracy=quantity(0.95 - drop),
        drop=quantity(drop), fidelity=quantity(30, "dB"),
    )  # fmt: skip
    attempt = make_attempt(1, Plan(), "met", size=size, drop=drop)
    return attempt.model_copy(update={"evaluation": evaluation, "benchmark": benchmark})


SHARES = st.integers(2, 98).map(lambda percent: percent / 100)
DROPS = st.integers(0, 20).map(lambda percent: percent / 100)


@given(bound=SHARES, size=SHARES, allowed=DROPS, lost=DROPS)
def test_bounds_that_were_edited_are_held_against_what_was_measured(
    bound: float, size: float, allowed: float, lost: float
) -> None:
    attempt = measured_in_full(size, lost)

    def judged(attempt: Attempt, more: float = 0.0) -> tuple[Attempt, bool]:
        bounds = Constraints(max_size_ratio=bound + more, max_accuracy_drop=allowed + more)
        return judged_again(attempt, Request(model="m", data="d", constraints=bounds), "here")

    met = judged(attempt)[0].verdict.kind == "met"
    assert met == (size <= bound and lost <= allowed)
    assert not met or judged(attempt, 0.1)[0].verdict.kind == "met"
    # What was not judged on the final part is never met by an edit; it is gone on with where it misses nothing.
    assert attempt.evaluation is not None
    unseen = attempt.model_copy(update={"evaluation": attempt.evaluation.model_copy(update={"part": "selection"})})
    again, is_open = judged(unseen)
    assert (again.verdict.kind, is_open) == ("not_met", met)
    refused = attempt.model_copy(update={"rejected": True})
    assert judged(refused, 0.5) == (refused, False)
