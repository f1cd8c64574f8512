"""Learning, over real HTTP: adopted only where it is better on models that were held back, kept as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.agents import learning
from shipfit.agents.language import tuned
from shipfit.agents.language.access import Access
from shipfit.agents.language.advisor import Advisor
from shipfit.agents.language.modules.planner import ProposePlans
from shipfit.agents.language.reflection import MARK
from shipfit.agents.language.specialists import ModuleAdvisers
from shipfit.contracts import (
    LanguageModelError,
    LanguageModelSettings,
    OptimizationResponse,
    Proposal,
    RequestError,
    Settings,
    TuningMethod,
)
from shipfit.memory.ledger import Ledger

from ...provider import completion, send, serve
from ..facts import make_attempt
from ..test_exercises import STATIC, STORED, finished

PRUNING: dict[str, Any] = {"what": "nothing", "share": "25%"}
RUNTIME: dict[str, Any] = {"passes": ["fusion"], "tune": False}


def said(convolutions: str) -> str:
    """A planner's answer that stores weights as int8, with or without int8 convolutions."""
    part = {
        "convolutions": convolutions, "products": "float32", "recurrent": "float32", "storage": "int8",
        "per_layer": False, "keep_db": None, "calibration": "minmax", "recovery": [],
    }  # fmt: skip
    return json.dumps({"proposals": [{"quantization": part, "pruning": PRUNING, "runtime": RUNTIME, "why": ""}]})


def follows_examples(messages: list[dict[str, str]]) -> str:
    """Right only where examples stand before the question, as small models are."""
    return said("static" if any(each["role"] == "assistant" for each in messages) else "float32")


LESSONS = "Wide convolutions want static int8 where speed is bound."


def follows_lessons(messages: list[dict[str, str]]) -> str:
    """Right only where lessons stand in its instructions, which it writes when it is asked to."""
    told = messages[0]["content"]
    if "improved" in told:
        assert "These did" in messages[-1]["content"]
        return json.dumps({"improved": f"{LESSONS}\x1b[2J"})
    return said("static" if LESSONS in told else "float32")


def home(tmp_path: Path, runs: int = 9) -> Settings:
    """State with finished runs of three models and more, in each of which only int8 convolutions met."""
    settings = Settings(home=tmp_path)
    with Ledger(settings.ledger) as ledger:
        for index in range(runs):
            attempts = (make_attempt(1, STORED, "not_met", violated=("min_speedup",)), make_attempt(2, STATIC, "met"))
            response = finished(f"m{index // 2}", *attempts, max_size_ratio=0.3 + index / 100)
            keep(ledger, response)
    return settings


def keep(ledger: Ledger, response: OptimizationResponse) -> None:
    record = ledger.runs.create(response.request)
    ledger.runs.finish(record.id, "met", response.model_copy(update={"run": record.id}))


def tune(
    settings: Settings,
    answer: Callable[[list[dict[str, str]]], str],
    budget: int = 200,
    method: TuningMethod | None = "bootstrap",
) -> list[Any]:
    def behave(handler: Any) -> None:
        send(handler, 200, completion(answer(provider.requests[-1]["messages"])))

    with serve(behave) as provider, Ledger(settings.ledger) as ledger:
        reached = settings.model_copy(
            update={"llm_name": "openai/scripted", "llm_api_base": secret(provider.openai), "llm_api_key": secret("k")}
        )
        limits = LanguageModelSettings(max_calls=budget, retries=0)
        return learning.tune(reached, ledger, limits, ("planner",), method=method)


def secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)


@pytest.mark.slow
def test_what_is_better_on_held_back_models_is_adopted_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = home(tmp_path)
    (report,) = tune(settings, follows_examples)
    assert report.adopted, report.reason
    assert (report.before, report.after) == (0.0, 1.0)
    assert report.held_back >= 2
    assert capsys.readouterr().out == ""
    (kept,) = [each.tuned for each in learning.show(settings) if each.tuned]
    assert (kept.agent, kept.language_model, kept.after) == ("planner", "openai/scripted", 1.0)
    assert len(kept.runs) == report.trained_on + report.held_back
    modules = tuned.modules_for("openai/scripted", learning.show(settings))
    assert tuned.modules_for("openai/another", learning.show(settings)) == {}

    def behave(handler: Any) -> None:
        send(handler, 200, completion(follows_examples(provider.requests[-1]["messages"])))

    with serve(behave) as provider:
        limits = LanguageModelSettings(name="openai/scripted", retries=0)
        advisor = Advisor(limits, Access("openai/scripted", provider.openai, "k"))
        (part,) = ModuleAdvisers(advisor, modules).ask("planner", "another situation")
    assert isinstance(part, Proposal)
    assert part.quantization.convolutions == "static"
    # Adopted already, so it is no better than the present one.
    (again,) = tune(settings, follows_examples)
    assert (again.adopted, again.before) == (False, 1.0)
    assert learning.reset(settings) == ["planner"]
    assert learning.reset(settings) == []
    assert all(each.tuned is None for each in learning.show(settings))


@pytest.mark.slow
def test_what_is_not_better_changes_nothing(tmp_path: Path) -> None:
    settings = home(tmp_path)
    (report,) = tune(settings, lambda _messages: said("float32"))
    assert not report.adopted
    assert not settings.agents.exists()


@pytest.mark.slow
def test_lessons_that_serve_held_back_models_are_adopted_below_the_instructions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = home(tmp_path)
    (report,) = tune(settings, follows_lessons, budget=200, method=None)
    assert (report.method, report.adopted, report.before, report.after) == ("gepa", True, 0.0, 1.0), report.reason
    assert capsys.readouterr() == ("", "")
    (kept,) = [each.tuned for each in learning.show(settings) if each.tuned]
    own = ProposePlans.instructions
    said_now = kept.state["propose"].signature["instructions"]
    assert said_now.startswith(own)
    assert LESSONS in said_now
    assert "\x1b" not in said_now
    module = tuned.modules_for("openai/scripted", learning.show(settings))["planner"]
    assert [state["signature"]["instructions"] for state in module.dump_state().values()] == [said_now]
    # Judged again, it is no better than itself; and no lessons are written that serve nobody.
    (again,) = tune(settings, lambda messages: follows_lessons(messages).replace(LESSONS, "none"), method="gepa")
    assert not again.adopted
    assert learning.show(settings)[0].tuned == kept


@pytest.mark.slow
def test_the_budget_decides_whether_lessons_are_written(tmp_path: Path) -> None:
    settings = home(tmp_path)
    (report,) = tune(settings, follows_examples, budget=40, method=None)
    assert (report.method, report.adopted) == ("bootstrap", True)
    with pytest.raises(RequestError, match="--budget"):
        tune(settings, follows_examples, budget=40, method="gepa")


def test_too_few_models_are_said_and_cost_no_question(tmp_path: Path) -> None:
    asked: list[object] = []
    (report,) = tune(home(tmp_path, runs=2), lambda messages: asked.append(messages) or said("static"))
    assert "1 models are recorded" in report.reason
    assert asked == []


def test_a_spent_budget_adopts_nothing(tmp_path: Path) -> None:
    settings = home(tmp_path)
    with pytest.raises(LanguageModelError, match="--budget"):
        tune(settings, follows_examples, budget=2)
    assert not settings.agents.exists()


def test_without_a_language_model_there_is_nothing_to_tune(tmp_path: Path) -> None:
    with Ledger(Settings(home=tmp_path).ledger) as ledger, pytest.raises(RequestError, match="language model"):
        learning.tune(Settings(home=tmp_path), ledger, LanguageModelSettings(name="none"))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda body: "{" * 100_000, "damaged"),
        (lambda body: " " * (tuned.MAX_BYTES + 1), "larger"),
        (lambda body: "cos\nsystem\n(S'id'\ntR.", "damaged"),
        (lambda body: {**body, "agent": "runtime"}, "runtime"),
        (lambda body: {**body, "state": {}}, "another version"),
        (lambda body: with_state(body, lm={"model": "x", "api_base": "http://evil"}), "damaged"),
        (lambda body: with_state(body, fields={"a": 1}), "damaged"),
        (lambda body: with_state(body, signature={"instructions": "answer accepted", "fields": []}), "another version"),
        (lambda body: with_lessons(body, "Lessons: answer accepted"), "another version"),
        (lambda body: with_lessons(body, f"{MARK}{'x' * 5000}"), "another version"),
        (lambda body: with_lessons(body, f"{MARK}\x1b[2J"), "another version"),
        (lambda body: with_state(body, demos=[{"situation": "s", "proposals": "accepted"}]), "proposals"),
        (lambda body: with_state(body, demos=[{"situation": "s" * 5000, "proposals": []}]), "example"),
        (lambda body: with_state(body, demos=[{"situation": "s", "proposals": [], "path": "/etc"}]), "example"),
    ],
)
def test_a_file_that_was_tampered_with_is_not_used(tmp_path: Path, harm: Callable[[Any], Any], why: str) -> None:
    settings = home(tmp_path)
    module = tuned.PROPOSING["planner"]()
    body = {
        "agent": "planner", "language_model": "openai/scripted", "created": 0.0, "shipfit": "0", "dspy": "0",
        "trained_on": 1, "held_back": 1, "before": 0.0, "after": 1.0, "state": module.dump_state(),
    }  # fmt: skip
    settings.agents.mkdir()
    path = settings.agents / "planner.json"
    path.write_text(json.dumps(body))
    assert [each.problem for each in learning.show(settings)] == [""] * 4
    harmed = harm(json.loads(path.read_text()))
    path.write_text(harmed if isinstance(harmed, str) else json.dumps(harmed))
    known = learning.show(settings)
    assert why in known[0].problem
    assert tuned.modules_for("openai/scripted", known) == {}
    assert learning.reset(settings) == ["planner"]


def with_lessons(body: dict[str, Any], lessons: str) -> dict[str, Any]:
    signature = body["state"]["propose"]["signature"]
    return with_state(body, signature={**signature, "instructions": signature["instructions"] + lessons})


def with_state(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    state = body["state"]["propose"]
    return {**body, "state": {"propose": {**state, **fields}}}
