"""What the page is given: words that are safe to show, numbers that JSON can hold."""

import json
import math
import unicodedata

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import (
    Attempt,
    AttemptFinished,
    Constraints,
    Draft,
    Entry,
    Happened,
    Measured,
    NodeStarted,
    OptimizationMetrics,
    Plan,
    ProductFile,
    Prompted,
    Quantity,
    Refused,
    Request,
    Said,
    Started,
    Taken,
    Understanding,
    Understood,
    Verdict,
)
from shipfit.interfaces.web.feed import written
from shipfit.interfaces.web.view import view

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202eevil\u2028\x00"


def speaking(words: str) -> list[Entry]:
    """Entries that carry words from outside."""
    request = Request(model=f"/work/{words.replace('/', '')}.onnx", constraints=Constraints(max_size_ratio=0.5))
    understood = Understanding(
        understood=(Understood(span=words, field="max_size_ratio", value=0.5),), not_understood=(words,)
    )
    verdict = Verdict(kind="failed", reason=words)
    return [
        Said(number=1, at=0, text=words, model=words),
        Taken(number=2, at=0, understanding=understood, draft=Draft(model=words), changed=(words,), notes=(words,)),
        Prompted(number=3, at=0, about="model", text=words),
        Started(number=4, at=0, run="r", ordinal=1, request=request),
        Happened(number=5, at=0, run="r", event=NodeStarted(node=words, detail=words)),
        Happened(number=6, at=0, run="r", event=Measured(name=words, text=words)),
        Happened(
            number=7, at=0, run="r", event=AttemptFinished(attempt=Attempt(index=1, plan=Plan(), verdict=verdict))
        ),
        Refused(number=8, at=0, text=words, type="request"),
    ]


@given(st.text(max_size=200) | st.just(HOSTILE))
def test_no_word_drives_a_terminal_or_turns_text_around(words: str):
    for entry in speaking(words):
        text = written(entry)
        assert text.count("\n") == 3
        document = json.loads(text.splitlines()[1].removeprefix("data: "))
        shown = json.dumps(document, ensure_ascii=False).replace("\\n", "")
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_paths_are_kept_as_they_are_where_they_are_sent_back():
    asked = view(Prompted(number=1, at=0, about="model", text="which?", models=("a/\u202eb.onnx",)))
    assert asked["models"] == [{"path": "a/\u202eb.onnx", "name": "a/\\u202eb.onnx"}]


@pytest.mark.parametrize("value", [math.inf, math.nan, -math.inf])
def test_numbers_without_a_place_are_left_out(value: float):
    size = Quantity(value=10, unit="bytes")
    comparison = OptimizationMetrics(
        original_size=size, optimized_size=size, size_ratio=Quantity(value=value, unit="fraction"),
        speedup=Quantity(value=value, unit="ratio"),
    )  # fmt: skip
    attempt = Attempt(index=1, plan=Plan(), comparison=comparison, verdict=Verdict(kind="met", reason="-"))
    shown = view(Happened(number=1, at=0, run="r", event=AttemptFinished(attempt=attempt)))["attempt"]
    assert (shown["x"], shown["y"]) == (None, None)


def test_bounds_have_a_line_where_an_axis_can_show_them():
    constraints = Constraints(max_size_bytes=10**6, min_speedup=2, max_latency_ms=5, min_accuracy=0.9)
    request = Request(model="/m.onnx", constraints=constraints)
    limits = view(Started(number=1, at=0, run="r", ordinal=1, request=request))["limits"]
    assert [line["text"] for line in limits["lines"]] == ["≤ 1 MB", "≥ 2×"]
    assert len(limits["asked"]) == 4


def test_a_file_is_called_by_its_last_name():
    file = ProductFile(name="out/model.onnx", run="r", about="model", size_bytes=1000)
    assert file.name.endswith(view(Said(number=1, at=0, text="", model=file.name))["files"][0])
