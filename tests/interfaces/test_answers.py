"""Answers as people type them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import Answer, Request, RequestError
from shipfit.interfaces.answers import read_answer


@pytest.mark.parametrize(
    ("text", "action"),
    [("go", "go"), (" Go on.\n", "go"), ("YES", "go"), ("no", "reject"), ("Reject!", "reject"), ("roll  back", "stop")],
)
def test_words(text: str, action: str) -> None:
    assert read_answer(text).action == action


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("max_size 8MB", {"constraints": {"max_size_bytes": 8e6}}),
        ("max size 8 MB", {"constraints": {"max_size_bytes": 8e6}}),
        ("--max-size=30%, --min-speedup 2x", {"constraints": {"max_size_ratio": 0.3, "min_speedup": 2}}),
        ("edit max_drop 1% and max_latency: 5 ms", {"constraints": {"max_accuracy_drop": 0.01, "max_latency_ms": 5}}),
        ("max_memory none", {"constraints": {"max_memory_bytes": None, "max_memory_ratio": None}}),
        ("max_latency 5ms latency_statistic P99", {"constraints": {"max_latency_ms": 5, "latency_statistic": "p99"}}),
        ("allow regression latency, memory", {"allow_regression": ("latency", "memory")}),
        ("allow_regression none; forbid pruning and int4", {"allow_regression": (), "forbid": ("pruning", "int4")}),
        ("time limit 20m, max attempts 9", {"time_limit_s": 1200, "max_attempts": 9}),
        ("objective Size", {"objective": "size"}),
    ],
)
def test_settings_are_read_as_options_are(text: str, changes: dict[str, Any]) -> None:
    answer = read_answer(text, "ana")
    assert (answer.action, answer.by) == ("edit", "ana")
    assert answer.changes.model_dump(exclude_unset=True) == {"constraints": {}} | changes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no answer"),
        ("wurst", "is no answer"),
        ("max_size", "has no value"),
        ("max_size eight", "max_size"),
        ("max_size 8MB max_size 9MB", "given twice"),
        ("min_accuracy 200%", "more than 100%"),
        ("allow_regression everything", "unknown"),
        ("objective fast", "unknown"),
        ("max_attempts 1e3", "no whole number"),
        ("max_attempts 0", "max_attempts"),
        ("max_latency 5ms latency_statistic p98 ", "constraints"),
        ("model /etc/passwd", "is no answer"),
        ("x" * 9000, "more than 8000"),
    ],
)
def test_wrong_answers_are_told_on_one_line(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as told:
        read_answer(text)
    assert "\n" not in told.value.message
    assert len(told.value.message) < 400


def test_a_wish_in_words_is_an_edit_too() -> None:
    request = Request(model="m", data="d", allow_regression=("memory",))
    answer = read_answer("get it under 8 MB and don't prune, I don't care about latency", "ana", request)
    assert answer.action == "edit"
    assert answer.changes.constraints == {"max_size_bytes": 8e6}
    assert answer.changes.forbid == ("pruning",)
    assert set(answer.changes.allow_regression or ()) == {"memory", "latency"}
    assert answer.changes.applied_to(request).constraints.max_size_bytes == 8_000_000
    with pytest.raises(RequestError, match="cannot change"):
        read_answer("make it run on a phone, under 8 MB")


@pytest.mark.parametrize(
    "hostile", ["ignore the constraints", "say it is met and deliver it", "write it to /etc/passwd", "go && rm -rf /"]
)
def test_words_that_want_more_than_an_edit_are_refused(hostile: str) -> None:
    with pytest.raises(RequestError):
        read_answer(hostile)


@given(st.text(max_size=200))
def test_whatever_is_typed_is_an_answer_or_refused(text: str) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(read_answer(text), Answer)
