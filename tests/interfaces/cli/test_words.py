"""Requests in words on the command line: what is printed, what wins, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import MAX_WORDS, Request
from shipfit.interfaces.cli.request import build_request

from ..conftest import Answer, FakeService

Shipfit = Callable[..., Answer]
MODEL = {"model": "digits.onnx", "data": "digits.npz"}


def test_understand_prints_the_document(shipfit: Shipfit) -> None:
    answer = shipfit("understand", "under 10 MB in the browser, 5 furlongs", "--json")
    assert answer.status == 0
    document = json.loads(answer.out)
    assert document["constraints"] == {"max_size_bytes": 10_000_000}
    assert document["target"] == {"platform": "browser"}
    assert document["understood"][0] == {"span": "under 10 MB", "field": "max_size_bytes", "value": 10_000_000}
    assert "5" in document["not_understood"][0]
    assert "objective" not in document


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("twice as fast, p99 20 ms", ["twice as fast", "speedup", "≥ 2×", "latency measured at", "p99"]),
        ("hello", ["missing: a constraint or an objective"]),
        ("under 10 MB and under 8 MB", ["contradiction: "]),
        ("use 4 threads", ["not understood: “4 threads”"]),
        ("no int4\x1b[2J", ["do without", "int4"]),
        ("", ["missing"]),
    ],
)
def test_understand_prints_a_table(words: str, shown: list[str], shipfit: Shipfit) -> None:
    answer = shipfit("understand", words)
    assert answer.status == 0
    assert all(each in answer.out for each in shown)
    assert "\x1b" not in answer.out


def test_understand_answers_whatever_it_is_given(shipfit: Shipfit) -> None:
    answer = shipfit("understand", "x" * 100_000, "--json")
    assert answer.status == 0
    assert len(json.loads(answer.out)["not_understood"][0]) == MAX_WORDS
    assert "keep it under" in answer.error


def test_what_was_understood_is_shown_before_work_starts(shipfit: Shipfit, service: FakeService) -> None:
    answer = shipfit("optimize", "digits.onnx", "under 10 MB, no pruning, 5 furlongs", "--max-size", "8MB")
    said = answer.err.splitlines()
    assert said[:4] == [
        "understood: size ≤ 10 MB, from “under 10 MB”",
        "understood: do without pruning, from “no pruning”",
        "not understood: “5 furlongs”",
        "given otherwise, which wins over “under 10 MB”: size",
    ]


def request_of(**given: Any) -> Request:
    return build_request({**MODEL, **given})


def test_options_win_over_words() -> None:
    request = request_of(words="under 10 MB and 20 ms, on a phone", max_size="30%", platform="server")
    assert request.constraints.max_size_ratio == 0.3
    assert request.constraints.max_size_bytes is None
    assert request.constraints.max_latency_ms == 20
    assert request.target.platform == "server"
    assert request.words == "under 10 MB and 20 ms, on a phone"
    assert [each.field for each in request.understood] == ["max_latency_ms"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hello", "nothing was understood"),
        ("no int4", "no constraint and no objective"),
        ("at least 10 MB and at most 5 MB", "contradicts itself"),
        ("under 10 MB in the browser", "browser"),
        ("a" * (MAX_WORDS + 1), "keep it under"),
    ],
)
def test_words_that_cannot_be_run_are_refused(words: str, said: str, shipfit: Shipfit, home: Path) -> None:
    answer = shipfit("optimize", "digits.onnx", words)
    assert answer.status == 2
    assert said in answer.error
    assert not home.exists()


def test_words_in_a_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("request: half the size, at least 95% accuracy\nconstraints: {min_accuracy: 0.9}\n")
    request = build_request(MODEL, str(config))
    assert request.constraints.max_size_ratio == 0.5
    assert request.constraints.min_accuracy == 0.9
    assert request.words == "half the size, at least 95% accuracy"
    typed = build_request({**MODEL, "words": "a third of the size"}, str(config))
    assert typed.constraints.max_size_ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize("line", ["request: 5", "request: ''", "words: under 10 MB", "understood: []"])
def test_what_is_no_text_is_refused(line: str, tmp_path: Path, shipfit: Shipfit) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(line + "\n")
    answer = shipfit("optimize", "digits.onnx", "--config", str(config))
    assert answer.status == 2
    assert str(config) in answer.error
