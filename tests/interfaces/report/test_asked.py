"""The request in words on the report: its passages marked, its hostile parts harmless."""

from __future__ import annotations

from shipfit.agents.reading import merge_words, read
from shipfit.contracts import Request, validate
from shipfit.interfaces.report import render
from shipfit.interfaces.report.asked import asked_view

from .. import responses
from ..outline import Outline, assert_accessible

HOSTILE = "under 10 MB <script>alert(1)</script>\x1b[31m, 7 furlongs and twice as fast"


def request_of(words: str) -> Request:
    return validate(Request, {"model": "m.onnx", **merge_words({}, words, read(words)).fields})


def test_words_are_shown_with_what_was_read_from_them() -> None:
    page = render(responses.response(request=request_of(HOSTILE)))
    assert_accessible(page)
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "<mark>under 10 MB</mark>" in page
    words = Outline(page).words
    for told in ("What was asked", "“twice as fast”", "speedup", "≥ 2×", "≤ 10 MB", "Not understood"):
        assert told in words, told


def test_pieces_are_the_words() -> None:
    view = asked_view(request_of("please, under 10 MB, under 10 MB!"))
    assert view is not None
    assert "".join(text for text, _ in view.pieces) == "please, under 10 MB, under 10 MB!"
    assert [text for text, marked in view.pieces if marked] == ["under 10 MB"]


def test_requests_in_numbers_have_no_words() -> None:
    assert asked_view(Request(model="m.onnx")) is None
    assert "What was asked" not in render(responses.response())
