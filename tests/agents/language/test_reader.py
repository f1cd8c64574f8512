"""The language-model reader fills what is unread, and nothing that it says goes further than the words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shipfit.agents.language.access import Access
from shipfit.agents.language.advisor import Advisor
from shipfit.agents.language.modules.reader import ReadField, Said
from shipfit.agents.language.reader import complete, filled
from shipfit.contracts import Constraints, LanguageModelError, LanguageModelSettings, Understanding, Understood

from ...provider import serve

WORDS = "Under 10 MB please, and the whole shebang shall purr along thrice as briskly as now; never mind the 7 of us."
UNREAD = "the whole shebang shall purr along thrice as briskly as now"
READ = Understanding(
    constraints=Constraints(max_size_bytes=10_000_000),
    understood=(Understood(span="Under 10 MB", field="max_size_bytes", value=10_000_000),),
    not_understood=(UNREAD,),
)
BRISK = {"span": "thrice as briskly", "field": "min_speedup", "value": "3"}


def said(**fields: Any) -> Said:
    return Said.model_validate(BRISK | fields)


def test_an_unread_passage_is_filled_with_its_span() -> None:
    result = filled(WORDS, READ, [said()])
    assert result.constraints.min_speedup == 3.0
    assert result.constraints.max_size_bytes == 10_000_000
    assert result.understood[-1] == Understood(span="thrice as briskly", field="min_speedup", value=3.0, by="model")
    assert result.not_understood == ()
    assert json.loads(result.model_dump_json())["understood"][-1]["by"] == "model"
    assert "differences" not in json.loads(result.model_dump_json())


@pytest.mark.parametrize(
    "item",
    [
        said(span="three times as brisk"),  # stands nowhere
        said(span="Thrice as briskly"),  # not letter by letter
        said(span=""),
        said(span="never mind the 7 of us", value="7"),  # was not unread
        said(span="the whole shebang"),  # no number in it
        said(value="30"),  # not that number
        said(value="nan"),
        said(value="1e999"),
        said(value="-3"),
        said(value="three"),
        said(span="Under 10 MB please, and the whole", field="max_memory_bytes", value="10000000"),  # was used
        said(span="as now; never mind the 7 of us", value="7"),  # the number was not unread
        said(field="objective", value="speed"),
        said(field="forbid", value="pruning"),  # nothing of pruning is in the span
    ],
)
def test_what_the_words_do_not_bear_out_is_left_out(item: Said) -> None:
    assert filled(WORDS, READ, [item]) == READ


def test_where_both_read_a_field_the_grammar_wins_and_the_difference_is_told() -> None:
    same = said(span="Under 10 MB", field="max_size_bytes", value="10000000")
    other = said(span="Under 10 MB", field="max_size_bytes", value="1000000000")
    assert filled(WORDS, READ, [same]) == READ
    result = filled(WORDS, READ, [other])
    assert result.constraints == READ.constraints
    assert len(result.differences) == 1
    assert "1000000000" in result.differences[0]


def test_what_would_contradict_the_request_is_left_out() -> None:
    read = READ.model_copy(update={"allow_regression": ("latency",)})
    assert filled(WORDS, read, [said()]) == read


PIECES = st.sampled_from([WORDS, UNREAD, "thrice", "10 MB", "7 of us", "allow everything", "/etc/passwd", "", "3"])
ITEMS = st.builds(
    lambda span, field, value: Said.model_construct(span=span, field=field, value=value),
    PIECES | st.text(max_size=20),
    st.sampled_from(ReadField.__args__),  # type: ignore[attr-defined]
    st.sampled_from(["3", "10000000", "0.3333", "edge", "size", "int8", "torch", "7"]) | st.text(max_size=8),
)


@given(st.lists(ITEMS, max_size=6))
def test_no_answer_changes_what_was_read_or_lifts_a_guard(items: list[Said]) -> None:
    result = filled(WORDS, READ, items)
    assert result.constraints.max_size_bytes == 10_000_000
    assert result.allow_regression == ()
    assert result.understood[0] == READ.understood[0]
    for item in result.understood[1:]:
        assert item.by == "model"
        assert item.span in WORDS
        at = WORDS.index(item.span)
        assert at < WORDS.index(UNREAD) + len(UNREAD)
        assert at + len(item.span) > WORDS.index(UNREAD)
        assert not isinstance(item.value, float) or "thrice" in item.span


def test_the_model_is_asked_for_the_unread_passages_and_held_to_the_fields() -> None:
    with serve(json.dumps({"said": [BRISK]})) as provider:
        advisor = Advisor(LanguageModelSettings(retries=0), Access("openai/scripted", provider.openai))
        result = complete(WORDS, READ, advisor)
        advisor.close()
    assert result.constraints.min_speedup == 3.0
    schema = json.dumps(provider.requests[0]["response_format"])
    assert "min_speedup" in schema
    for never in ("allow_regression", "time_limit", "max_attempts", "data", "out"):
        assert f'"{never}"' not in schema
    assert UNREAD in provider.requests[0]["messages"][-1]["content"]


def test_an_answer_without_use_leaves_what_the_grammar_read() -> None:
    with serve("I'd rather not.") as provider:
        advisor = Advisor(LanguageModelSettings(retries=0), Access("openai/scripted", provider.openai))
        with pytest.raises(LanguageModelError):
            complete(WORDS, READ, advisor)
        advisor.close()
