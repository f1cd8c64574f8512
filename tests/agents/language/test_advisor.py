"""The advisor over real HTTP: the schema is at the wire, and no answer of a server does harm."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dspy
import pytest

from shipfit.agents.language import wire
from shipfit.agents.language.access import Access
from shipfit.agents.language.advisor import Advisor, Run
from shipfit.contracts import LanguageModelError, LanguageModelSettings

from ... import provider as play
from ...provider import Behaviour, Provider, completion, failing, serve

GOOD = '{"word": "hi", "count": 3}'
KEY = "sk-verysecret-0123456789"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before asking again are short here; what a server asks for is waited for all the same."""
    monkeypatch.setattr(wire, "FIRST_WAIT_S", 0.05)


class Say(dspy.Signature):
    """Say a word."""

    text: str = dspy.InputField()
    word: str = dspy.OutputField()
    count: int = dspy.OutputField(desc="how often")


@contextmanager
def advised(provider: Provider, name: str = "openai/scripted", base: str = "", **settings: Any) -> Generator[Advisor]:
    limits = LanguageModelSettings.model_validate({"name": name, "timeout_s": 20.0, "retries": 1, **settings})
    advisor = Advisor(limits, Access(name, base or provider.openai, KEY))
    try:
        yield advisor
    finally:
        advisor.close()


def say(advisor: Advisor, text: str = "hello") -> Any:
    return advisor.call("test", dspy.Predict(Say), text=text)


def trail_of(advisor: Advisor) -> list[dict[str, Any]]:
    trail: list[dict[str, Any]] = []
    advisor.attach(Run(trail.append, lambda: 100.0, lambda: False, lambda text: None))
    return trail


def test_the_schema_is_at_the_wire_and_the_answer_has_types() -> None:
    with serve(GOOD) as provider, advised(provider) as advisor:
        answer = say(advisor)
    assert (answer.word, answer.count) == ("hi", 3)
    form = provider.requests[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    assert schema["required"] == ["word", "count"]
    assert schema["additionalProperties"] is False
    assert advisor.use.constrained == advisor.use.calls == 1
    assert (advisor.use.input_tokens, advisor.use.output_tokens) == (11, 7)


def test_ollama_gets_the_schema_as_its_format() -> None:
    with serve(GOOD) as provider, advised(provider, "ollama_chat/scripted", provider.base) as advisor:
        assert say(advisor).count == 3
    assert provider.paths == ["/api/chat"]
    assert provider.requests[0]["format"]["required"] == ["word", "count"]
    assert provider.requests[0]["stream"] is False


def test_anthropic_is_asked_in_its_own_words() -> None:
    name = "anthropic/claude-haiku-4-5"
    said = {"content": [{"type": "tool_use", "id": "t", "name": "json_tool_call", "input": json.loads(GOOD)}]}
    usage = {"input_tokens": 1000, "output_tokens": 100}
    reply = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "usage": usage}
    with serve(play.body(reply | said)) as provider, advised(provider, name, provider.base) as advisor:
        assert say(advisor).count == 3
    assert provider.paths == ["/v1/messages"]
    assert provider.keys == [KEY]
    assert "count" in json.dumps(provider.requests[0])
    assert advisor.use.cost_usd is not None


FENCED = f"Sure! <think>{{1}}</think>\n```json\n{GOOD}\n```"
# What the server does → whether there is an answer in the end, and how many requests it took.
BEHAVIOURS: dict[str, tuple[tuple[str | Behaviour, ...], bool, int]] = {
    "a fence around it": ((FENCED,), True, 1),
    "rate limit with a wait": ((failing(429, Retry_After="0.1"), GOOD), True, 2),
    "rate limit without": ((failing(429), GOOD), True, 2),
    "rate limit for an hour": ((failing(429, Retry_After="3600"), GOOD), False, 1),
    "rate limit until next year": ((failing(429, Retry_After="Fri, 31 Dec 2117 23:59:59 GMT"), GOOD), False, 1),
    "rate limit for ever": ((failing(429, Retry_After="0"),), False, 2),
    "one error of its own": ((failing(500), GOOD), True, 2),
    "errors of its own": ((failing(503),), False, 2),
    "a refusal": ((play.body(completion(None, refusal="I cannot help with that")),), False, 2),
    "a refusal in words": (("I'm sorry, but I can't.",), False, 2),
    "nothing": (("",), False, 2),
    "nothing, then something": (("  ", GOOD), True, 2),
    "no JSON": (("word: hi", GOOD), True, 2),
    "half an object": (('{"word": "hi", "cou', GOOD), True, 2),
    "another object": (('{"verdict": "accepted"}', GOOD), True, 2),
    "values of other types": (('{"word": ["hi"], "count": "many"}',), False, 2),
    "a body that is no JSON": ((play.body(b"<html>502</html>"), GOOD), True, 2),
    "a body that is a list": ((play.body([]),), False, 2),
    "a body without choices": ((play.body({"choices": []}),), False, 2),
    "choices that are none": ((play.body({"choices": {"0": "hi"}}),), False, 2),
    "half a body": ((play.truncated, GOOD), True, 2),
    "a reset": ((play.reset, GOOD), True, 2),
    "resets": ((play.reset,), False, 2),
    "a huge answer": ((play.body(completion("x" * 6_000_000)),), False, 2),
    "a packed answer": ((play.packed,), False, 2),
    "depths": (("{" * 100_000, "[" * 100_000), False, 2),
    "a number beyond all": (('{"word": "hi", "count": ' + "9" * 5000 + "}",), False, 2),
}  # fmt: skip


# A handful for every day; the others take a second each.
DAILY = {"rate limit with a wait", "rate limit for an hour", "nothing", "half an object", "resets"}


@pytest.mark.parametrize(
    "behaviour", [name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in BEHAVIOURS]
)
def test_whatever_a_server_does_there_is_an_answer_of_the_type_or_an_error(behaviour: str) -> None:
    script, answered, requests = BEHAVIOURS[behaviour]
    with serve(*script) as provider, advised(provider) as advisor:
        trail = trail_of(advisor)
        if answered:
            assert (say(advisor).word, say(advisor).count) == ("hi", 3)
            requests += 1
        else:
            with pytest.raises(LanguageModelError) as caught:
                say(advisor)
            assert "\n" not in caught.value.message
            assert len(caught.value.message) < 600
            assert len(advisor.use.took_over) == advisor.use.failed == 1
    assert len(provider.requests) == advisor.use.calls == requests
    assert len([body for body in trail if "messages" in body]) == requests
    assert len(json.dumps(trail)) < 200_000


def test_a_server_that_hangs_or_drips_costs_no_more_than_its_time() -> None:
    for behaviour in (play.slow(3.0), play.dripping(3.0)):
        with serve(behaviour) as provider, advised(provider, timeout_s=0.3, retries=0) as advisor:
            started = time.monotonic()
            with pytest.raises(LanguageModelError, match="in time"):
                say(advisor)
            assert time.monotonic() - started < 2.5


def test_a_provider_that_takes_no_schema_gets_it_in_the_prompt_from_then_on() -> None:
    with serve(play.picky(GOOD)) as provider, advised(provider) as advisor:
        assert say(advisor).count == 3
        assert say(advisor).count == 3
    assert ["response_format" in each for each in provider.requests] == [True, False, False]
    assert '"additionalProperties": false' in provider.requests[2]["messages"][-1]["content"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_later_question_can_mend_ends_the_asking(status: int) -> None:
    told: list[str] = []
    with serve(failing(status, f"no such thing, {KEY}")) as provider, advised(provider) as advisor:
        advisor.attach(Run(lambda body: None, lambda: 100.0, lambda: False, told.append))
        for _ in range(3):
            with pytest.raises(LanguageModelError) as caught:
                say(advisor)
            assert caught.value.lasting
    assert len(provider.requests) == len(told) == 1
    assert "SHIPFIT_LLM" in advisor.use.note
    assert KEY not in advisor.use.note + told[0]


def test_no_redirect_is_followed() -> None:
    with serve(GOOD) as other, serve(play.moved(f"{other.openai}/chat/completions")) as provider:
        with advised(provider) as advisor, pytest.raises(LanguageModelError):
            say(advisor)
        assert other.requests == []


def test_calls_and_cost_are_bounded_and_a_resumed_run_keeps_the_budget() -> None:
    with serve(GOOD) as provider, advised(provider, "openai/gpt-4.1-mini", max_calls=2) as advisor:
        trail = trail_of(advisor)
        say(advisor)
        say(advisor)
        with pytest.raises(LanguageModelError, match=r"llm\.max_calls"):
            say(advisor)
        assert len(provider.requests) == 2
        again = Advisor(advisor.settings, Access("openai/gpt-4.1-mini", provider.openai, KEY), earlier=trail)
        assert again.use == advisor.use
        with pytest.raises(LanguageModelError, match=r"llm\.max_calls"):
            say(again)
        again.close()
    with serve(GOOD) as provider, advised(provider, "openai/gpt-4.1-mini", max_cost_usd=1e-6) as advisor:
        say(advisor)
        with pytest.raises(LanguageModelError, match=r"llm\.max_cost_usd"):
            say(advisor)


def test_the_time_of_the_run_bounds_every_question() -> None:
    with serve(play.slow(3.0)) as provider, advised(provider) as advisor:
        advisor.attach(Run(lambda body: None, lambda: 0.2, lambda: False, lambda text: None))
        started = time.monotonic()
        with pytest.raises(LanguageModelError):
            say(advisor)
        assert time.monotonic() - started < 2.5


def test_what_is_kept_is_bounded_and_without_secrets() -> None:
    echo = '{"word": "' + KEY + '", "count": 1}'
    with serve(failing(400, f"key {KEY} is bad"), echo) as provider, advised(provider) as advisor:
        trail = trail_of(advisor)
        say(advisor, f"my key is {KEY} " + "x" * 50_000)
    assert provider.keys[0] == f"Bearer {KEY}"
    text = json.dumps(trail)
    assert KEY not in text
    assert "***" in text
    assert len(text) < 200_000
    assert trail[-1]["answer"] == '{"word": "***", "count": 1}'


def test_nothing_of_dspy_is_left_changed() -> None:
    before = (dspy.settings.lm, dspy.settings.adapter, len(dspy.clients.base_lm.GLOBAL_HISTORY))
    with serve(GOOD) as provider, advised(provider) as advisor:
        say(advisor)
    assert (dspy.settings.lm, dspy.settings.adapter, len(dspy.clients.base_lm.GLOBAL_HISTORY)) == before
