"""The schema that goes to the provider, and what is read out of an answer."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from shipfit.agents.language.schema import parse_answer, strict_schema, without_bounds


class Inner(BaseModel):
    name: str = Field(max_length=9)
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    title: str
    inner: list[Inner]
    share: float | None = Field(default=None, ge=0, le=1)


def test_everything_is_required_closed_and_has_an_end() -> None:
    schema = strict_schema(Outer)
    inner = schema["$defs"]["Inner"]
    assert schema["required"] == ["title", "inner", "share"]  # a field that is called title is no annotation
    assert inner["required"] == ["name", "kind"]
    assert schema["additionalProperties"] is inner["additionalProperties"] is False
    assert schema["properties"]["inner"]["maxItems"] > 0
    assert "default" not in json.dumps(schema)


def test_for_hosted_providers_the_bounds_are_left_to_pydantic() -> None:
    text = json.dumps(without_bounds(strict_schema(Outer)))
    assert not any(bound in text for bound in ("maxLength", "maxItems", "minimum", "maximum"))
    assert '"enum": ["a", "b"]' in text


@given(st.dictionaries(st.text(max_size=5), st.integers()), st.text(max_size=30), st.text(max_size=30))
def test_an_object_is_found_in_whatever_stands_around_it(extra: dict[str, int], before: str, after: str) -> None:
    answer = {**extra, "title": "t", "inner": [{"name": "n", "kind": "b"}], "share": 0.5}
    said = f"{before.replace('{', '')}\n```json\n{json.dumps(answer)}\n```{after.replace('{', '')}"
    values = parse_answer(Outer, said)
    assert (values["title"], values["inner"][0].kind, values["share"]) == ("t", "b", 0.5)


@given(st.text(alphabet='{}[]":,ab1 ', max_size=200))
def test_no_text_does_more_than_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_answer(Outer, text)
