"""The advisor over real HTTP: the schema is at the wire, and no answer of a server does harm."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from shipfit.agents.language.access import Access
from shipfit.agents.language.advisor import Advisor
from shipfit.contracts import LanguageModelSettings

from ...provider import Provider, serve

dspy = pytest.importorskip("dspy")
GOOD = '{"word": "hi", "count": 3}'
KEY = "sk-verysecret-0123456789"


class Say(dspy.Signature):
    """Say a word."""

    text: str = dspy.InputField()
    word: str = dspy.OutputField()
    count: int = dspy.OutputField(desc="how often")


@contextmanager
def advised(provider: Provider, name: str = "openai/scripted", base: str = "", **settings: Any) -> Generator[Advisor]:
    limits = LanguageModelSettings.model_validate({"name": name, "timeout_s": 5.0, "retries": 1, **settings})
    advisor = Advisor(limits, Access(name, base or provider.openai, KEY))
    try:
        yield advisor
    finally:
        advisor.close()


def say(advisor: Advisor, text: str = "hello") -> Any:
    return advisor.call("test", dspy.Predict(Say), text=text)


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
