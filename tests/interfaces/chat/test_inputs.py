"""How data are read, told to a chat as options and configurations write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import Draft, Preprocess, RequestError
from shipfit.interfaces.chat.inputs import input_settings, placed, with_inputs
from shipfit.interfaces.workspace import Workspace

from .conftest import Talk


@pytest.fixture
def place(workspace: Path) -> Workspace:
    (workspace / "tok.json").write_text("{}")
    return Workspace(workspace)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("threads 4", Draft(threads=4)),
        ("--threads=2", Draft(threads=2)),
        ("use 3 threads", Draft(threads=3)),
        ("shape x=1,3,224,224", Draft(shape={"x": (1, 3, 224, 224)})),
        ("--shape in:0=1x8 b=2", Draft(shape={"in:0": (1, 8), "b": (2,)})),
        ("set shape to x = 1, 8", Draft(shape={"x": (1, 8)})),
        ("state h_in=h_out; c=c2", Draft(state={"h_in": "h_out", "c": "c2"})),
        (
            "preprocess size=8x8 scale=1/255 mean=0.5",
            Draft(preprocess=Preprocess(size=(8, 8), scale=1 / 255, mean=(0.5,))),
        ),
        ("preprocess.layout=NHWC channels=BGR", Draft(preprocess=Preprocess(layout="NHWC", channels="BGR"))),
        ('preprocess alphabet="ab c" blank=0', Draft(preprocess=Preprocess(alphabet=("a", "b", " ", "c"), blank=0))),
        ("preprocess tokenizer=tok.json", Draft(preprocess=Preprocess(tokenizer="tok.json"))),
    ],
)
def test_settings_are_read(place: Workspace, words: str, expected: Draft) -> None:
    assert with_inputs(Draft(), words, place) == (expected, "")


def test_what_is_set_again_is_laid_over_what_stands_and_none_takes_it_back(place: Workspace) -> None:
    draft = Draft()
    for words in (
        "shape x=1,8",
        "shape y=2",
        "preprocess size=8,8",
        "preprocess resize=crop",
        "state a=b",
        "threads 2",
    ):
        draft, _ = with_inputs(draft, words, place)
    assert input_settings(draft) == {
        "threads": "2", "shape": "x=1,8 y=2", "state": "a=b", "preprocess": "size=8,8 resize=crop",
    }  # fmt: skip
    for words in ("shape none", "preprocess none", "state none", "threads 1"):
        draft, _ = with_inputs(draft, words, place)
    assert draft == Draft()


def test_threads_are_read_within_a_wish_and_the_rest_stays(place: Workspace) -> None:
    draft, rest = with_inputs(Draft(), "make it half the size with 4 threads", place)
    assert (draft.threads, rest) == (4, "make it half the size")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("shape x=0,3", "dimension"), ("shape x=wide", "no dimensions"), ("state a=", "no pair"),
        ("preprocess colour=red", "colour"), ("preprocess size=wide", "size"), ("preprocess mean='1", "does not end"),
        ("preprocess tokenizer=../../secret.json", "leads out"), ("preprocess tokenizer=gone.json", "gone.json"),
        ("preprocess max_length=5", "tokenizer"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(place: Workspace, words: str, told: str) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        with_inputs(Draft(), words, place)
    assert "\n" not in refused.value.message


@given(st.text(max_size=60))
def test_other_words_stay_as_they_are(words: str) -> None:
    place = Workspace(Path("/"))
    try:
        draft, rest = with_inputs(Draft(), words, place)
    except RequestError:
        return
    assert draft != Draft() or rest == words or "thread" in words.lower()


def test_a_tokenizer_is_given_to_the_run_by_its_whole_path(place: Workspace) -> None:
    draft, _ = with_inputs(Draft(), "preprocess tokenizer=tok.json", place)
    how = placed(draft, place).preprocess
    assert how is not None
    assert how.tokenizer == str(place.root / "tok.json")


def test_a_conversation_takes_them_tells_what_changed_and_shows_how_it_stands(talk: Talk) -> None:
    talk("make net.onnx half the size")
    taken = talk("shape x=1,3,8,8")[0]
    assert taken.changed == ("shape: none → x=1,3,8,8",)
    assert talk("use 2 threads")[0].changed == ("threads: none → 2",)
    assert any("shape     x=1,3,8,8" in line for line in talk("status")[0].text)
    refused = talk("threads 900")[-1]
    assert refused.kind == "refused"
    assert talk.draft.threads == 2
    assert talk("undo")[0].changed == ("threads: 2 → none",)
