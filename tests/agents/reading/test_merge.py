"""What is given in numbers wins over words, and what words leave open is told."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.agents.reading import merge_words, read
from shipfit.contracts import Request, RequestError, validate


def merged(words: str, **given: Any) -> Request:
    asked = merge_words(given, words, read(words))
    return validate(Request, {"model": "m.onnx", **asked.fields})


def test_words_become_a_request() -> None:
    request = merged("under 10 MB on a phone, twice as fast, no int4, memory may grow, as small as possible")
    assert request.constraints.max_size_bytes == 10_000_000
    assert request.constraints.min_speedup == 2
    assert request.target.platform == "edge"
    assert request.optimization.forbid == ("int4",)
    assert request.allow_regression == ("memory",)
    assert request.objective == "size"
    assert request.words is not None
    assert request.understood[0].span == "under 10 MB"


@pytest.mark.parametrize(
    ("words", "given", "gone"),
    [
        ("under 10 MB", {"constraints": {"max_size_ratio": 0.3}}, "max_size_bytes"),
        ("under 10 MB", {"constraints": {"max_size_bytes": 5}}, "max_size_bytes"),
        ("on a phone, under 10 MB", {"target": {"platform": "server"}}, "target.platform"),
        ("as small as possible", {"objective": "latency"}, "objective"),
        ("I don't care about the size, 20 ms", {"constraints": {"max_size_bytes": 5}}, "allow_regression"),
        ("under 10 MB and 20 ms", {"allow_regression": ["size"]}, "max_size_bytes"),
        ("p99 under 20 ms", {"constraints": {"max_latency_ms": 5.0}}, "latency_statistic"),
    ],
)
def test_numbers_win_and_it_is_told(words: str, given: dict[str, Any], gone: str) -> None:
    asked = merge_words(given, words, read(words))
    assert gone in [each.field for each in asked.overridden]
    request = validate(Request, {"model": "m.onnx", **asked.fields})
    for group, value in given.items():
        got = getattr(request, group)
        if isinstance(value, dict):
            assert {name: getattr(got, name) for name in value} == value
        else:
            assert got == (tuple(value) if isinstance(value, list) else value)
    assert gone not in [each.field for each in request.understood]


def test_levers_that_words_and_numbers_rule_out_add_up() -> None:
    request = merged("under 10 MB, no pruning", optimization={"forbid": ["int4"], "level": "aggressive"})
    assert request.optimization.forbid == ("int4", "pruning")
    assert request.optimization.level == "aggressive"


def test_a_latency_keeps_its_statistic() -> None:
    assert merged("median latency under 20 ms").constraints.latency_statistic == "p50"
    assert merged("median latency 20 ms", constraints={"max_latency_ms": 5.0}).constraints.latency_statistic == "p95"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("hello", "nothing was understood|nothing in the request"),
        ("", "nothing"),
        ("no int4", "no constraint and no objective"),
        ("at least 10 MB and at most 5 MB", "contradicts itself"),
        ("under 10 MB and under 8 MB", "contradicts itself"),
        ("I don't care about the size but keep it under 10 MB", "contradicts itself"),
    ],
)
def test_what_is_missing_is_told_in_one_line(words: str, told: str) -> None:
    with pytest.raises(RequestError, match=told) as caught:
        merged(words)
    assert "\n" not in caught.value.message


def test_levers_alone_are_enough_beside_bounds_in_numbers() -> None:
    assert merged("no int4", constraints={"max_size_bytes": 5}).optimization.forbid == ("int4",)
