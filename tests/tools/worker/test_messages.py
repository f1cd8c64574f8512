from __future__ import annotations

import errno
import json

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import MachineError, NoOpError, WorkerOutOfMemory
from shipfit.tools.worker.child import as_ours
from shipfit.tools.worker.messages import clean, clean_all, clean_line, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(max_examples=50, deadline=None)
def test_a_message_is_one_line_and_comes_back(body: dict[str, object]) -> None:
    line = encode("answer", body)
    assert line.count(b"\n") == 1
    assert decode(line).body == json.loads(json.dumps(body))


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert decode(encode("error", {"details": {"path": {1}}})).body == {"details": {"path": "{1}"}}


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"kind": "other"}', b'{"kind": "answer", "more": 1}', b"\xff"])
def test_anything_else_is_no_message(line: bytes) -> None:
    with pytest.raises(ValueError, match="ChildMessage"):
        decode(line)


@given(st.text(), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_cleaned_text_is_bounded_and_harmless(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable() or not any(ord(letter) < 32 or ord(letter) == 127 for letter in line)
    assert len(clean(text, limit)) <= limit
    assert "\x1b" not in clean(text, limit)


def test_terminal_sequences_go_whole() -> None:
    assert clean("a\x1b[1;31mb\x1b]8;;http://x\x07c\u202ed\te\nf") == "abcd\te\nf"
    assert clean_all({"k\x07": ["\x1b[0m1", {"n": 2}]}) == {"k": ["1", {"n": 2}]}


def test_errors_of_the_machine_are_told_apart() -> None:
    assert isinstance(as_ours(OSError(errno.ENOSPC, "no space")), MachineError)
    assert isinstance(as_ours(RuntimeError("std::bad_alloc")), WorkerOutOfMemory)
    ours = NoOpError("nothing changed")
    assert as_ours(ours) is ours
    assert as_ours(RuntimeError()).message == "RuntimeError: no message"
