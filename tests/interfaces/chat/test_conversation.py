"""What a conversation understands, asks for, refuses and keeps, before anything is run."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import (
    Broken,
    MachineError,
    Prompted,
    Question,
    Questioned,
    Refused,
    Request,
    RequestError,
    Started,
    Taken,
    Told,
    load_settings,
)
from shipfit.contracts.recipe import Plan
from shipfit.interfaces.chat.desk import Desk
from shipfit.interfaces.chat.log import EntryLog
from shipfit.interfaces.chat.telling import lines

from .conftest import Talk

WISH = "make net.onnx half the size and at least 1.5 times as fast"


def refusal(entries: list[Any]) -> str:
    assert [entry.kind for entry in entries] == ["refused"]
    return str(entries[0].text)


def prompt(entries: list[Any]) -> Prompted:
    assert isinstance(entries[-1], Prompted)
    return entries[-1]


def test_what_is_missing_is_asked_for_piece_by_piece(talk: Talk) -> None:
    asked = prompt(talk("half the size, and lose at most 1 % accuracy"))
    assert asked.about == "model"
    assert asked.models == ("net.onnx", "other net.onnx", "sub/deep.pt2")
    taken, asked = talk("use 'other net.onnx'")
    assert taken.draft.model == "other net.onnx"
    assert asked.about == "data"
    assert "net.npz" in asked.text
    assert prompt(talk("with samples.csv")).about == "start"
    assert (talk.draft.model, talk.draft.data) == ("other net.onnx", "samples.csv")
    assert talk.draft.constraints.max_size_ratio == 0.5
    assert talk.draft.constraints.max_accuracy_drop == 0.01


def test_a_model_without_a_goal_is_asked_for_one_and_its_data_are_found(talk: Talk) -> None:
    taken, asked = talk(model="net.onnx")
    assert (taken.draft.model, taken.draft.data) == ("net.onnx", "net.npz")
    assert asked.about == "goal"
    assert any("net.npz" in note for note in taken.notes)


def test_what_was_understood_is_shown_with_its_passage(talk: Talk) -> None:
    (taken, _) = talk("make net.onnx under 5 MB, and flurbish the 7 gnoms")
    assert [(each.span, each.value) for each in taken.understanding.understood] == [("under 5 MB", 5_000_000)]
    assert taken.understanding.not_understood
    assert any("not understood" in line for line in lines(taken))


@pytest.mark.parametrize(
    ("correction", "bounds"),
    [
        ("make it 8 MB instead", {"max_size_bytes": 8_000_000, "min_speedup": 1.5}),
        ("no, 40 % of the size", {"max_size_ratio": 0.4, "min_speedup": 1.5}),
        ("max_size 3MB, min_speedup none", {"max_size_bytes": 3_000_000}),
        ("forget the size limit", {"min_speedup": 1.5}),
        ("I don't care about the size", {"min_speedup": 1.5}),
        ("drop the speed bound and make it 30 % of the size", {"max_size_ratio": 0.3}),
        ("at most 5 ms instead", {"max_size_ratio": 0.5, "max_latency_ms": 5.0}),
        ("start over", {}),
    ],
)
def test_a_wish_is_corrected_before_anything_runs(talk: Talk, correction: str, bounds: dict[str, float]) -> None:
    talk(WISH)
    taken = talk(correction)[0]
    assert isinstance(taken, Taken)
    found = taken.draft.constraints.model_dump(exclude_none=True)
    assert {name: value for name, value in found.items() if name != "latency_statistic"} == bounds
    assert taken.changed
    assert taken.draft.model == "net.onnx"


def test_what_means_something_only_after_what_was_said_is_read_together_with_it(talk: Talk) -> None:
    talk("make net.onnx under 10 MB, and do not use int8")
    assert talk("8 instead")[0].draft.constraints.max_size_bytes == 8_000_000
    assert talk("int8 is fine after all")[0].draft.optimization.forbid == ()


@pytest.mark.parametrize(
    ("said", "level", "metric", "bounded"),
    [
        ("level aggressive", "aggressive", None, False),
        ("be aggressive", "aggressive", None, False),
        ("metric f1", "basic", "f1", False),
        ("--level none, metric: top5 and at most 3 MB", "none", "top5", True),
    ],
)
def test_level_and_metric_are_said_as_options_say_them(
    talk: Talk, said: str, level: str, metric: str | None, bounded: bool
) -> None:
    draft = talk(said)[0].draft
    assert (draft.optimization.level, draft.metric) == (level, metric)
    assert (draft.constraints.max_size_bytes == 3_000_000) is bounded


def test_the_last_change_is_taken_back_again_and_again(talk: Talk) -> None:
    talk(WISH)
    talk("make it 8 MB instead")
    talk("do not prune")
    assert talk("never mind")[0].draft.optimization.forbid == ()
    assert talk("undo")[0].draft.constraints.max_size_ratio == 0.5
    assert talk("undo")[0].draft.model is None
    assert "could be taken back" in refusal(talk("undo"))


def test_a_corrected_latency_is_meant_as_before(talk: Talk) -> None:
    talk("make net.onnx take at most 4 ms p99")
    assert talk("5 ms instead")[0].draft.constraints.latency_statistic == "p99"
    assert talk("5 ms on average")[0].draft.constraints.latency_statistic == "mean"


def test_one_message_may_ask_to_be_asked_and_wish_something(talk: Talk) -> None:
    taken = talk("make net.onnx half the size. ask me first")[0]
    assert taken.draft.approve
    assert taken.draft.constraints.max_size_ratio == 0.5
    assert not talk("don't ask me")[0].draft.approve


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("use ../net.onnx", "leads out"),
        ("use /etc/passwd as data", "lies outside"),
        ("use link.onnx", "link"),
        ("use missing.onnx", "not in the workspace"),
        ("use .shipfit/desk.lock/", "keeps its own"),
        ("model os:system", "code is never run"),
        ("with data package.module:function", "code is never run"),
        ("os.path:join", "code is never run"),
        ("fetch https://example.org/net.onnx", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        ("use net.onnx and 'other net.onnx'", "two files"),
        ("under 5 MB but at least 9 MB in size", "contradicts"),
        ("max_size -3", "max_size"),
        ("level heroic", "level 'heroic' is unknown; there are none, basic, aggressive"),
        ("metric beauty", "metric 'beauty' is not known"),
        ("metric os:getcwd", "code is never run"),
        ("compare run 1 and run 2", "there is no run 1"),
        ("why not int4?", "nothing was run"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_changes(talk: Talk, said: str, told: str) -> None:
    talk(WISH)
    before = talk.draft
    text = refusal(talk(said))
    assert told in text
    assert "\n" not in text
    assert talk.draft == before


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"model": "os:system"}, "code is never run"),
        ({"data": "a.b:c"}, "code is never run"),
        ({"model": "net.npz"}, "is no model"),
        ({"data": "net.onnx"}, "is no data"),
        ({"model": "../x"}, "leads out"),
        ({"model": "\udcff"}, "not in the workspace"),
    ],
)
def test_files_named_beside_the_words_are_held_to_the_same(talk: Talk, named: dict[str, str], told: str) -> None:
    assert told in refusal(talk("hello", **named))


def test_a_message_of_a_megabyte_is_answered_at_once_and_not_kept_whole(talk: Talk) -> None:
    assert "1,000,000 characters" in refusal(talk("x " * 500_000))
    said = talk.conversation.entries()[0]
    assert said.kind == "said"
    assert (len(said.text), said.left_out) == (8000, 992_000)


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["x:y ", "5 MB ", "'\"", "“", "no. ", "what would ", "drop size and ", "? "])
def test_the_longest_message_that_is_read_is_answered_soon(talk: Talk, piece: str) -> None:
    began = time.process_time()
    assert talk((piece * 8000)[:8000])
    assert time.process_time() - began < 5


def test_words_that_fit_nothing_are_told_so_with_what_can_be_said(talk: Talk) -> None:
    for text in ("the weather is nice", "\U0001f600", "'; DROP TABLE runs; --"):
        (told,) = talk(text)
        assert isinstance(told, Told)
        assert "could not make anything of that" in told.text[0]
        assert "help" in told.text[-1]


@pytest.mark.parametrize("text", ["stop", "go on", "yes", "no", "files", "runs", "status", "help", "hello", "thanks"])
def test_orders_without_anything_to_order_are_answered(talk: Talk, text: str) -> None:
    (told,) = talk(text)
    assert isinstance(told, Told)


def test_everything_is_found_again_by_the_next_process(desk: Desk, talk: Talk) -> None:
    talk(WISH)
    name, draft, entries = talk.conversation.id, talk.draft, talk.conversation.entries()
    desk.close()
    with Desk(load_settings(), desk.workspace.root) as later:
        assert [(each.id, each.title) for each in later.list()] == [(name, WISH)]
        found = later.open(name)
        assert found.entries() == entries
        assert Talk(found)("status")[0].text[0].endswith(str(draft.model))


def test_conversations_do_not_mix(desk: Desk) -> None:
    one, two = Talk(desk.open()), Talk(desk.open())
    one(WISH)
    assert two.draft.model is None
    assert "1 characters" not in str(two("status")[0].text)
    assert one.conversation.id != two.conversation.id
    with pytest.raises(RequestError, match="no file of this conversation"):
        two.conversation.open_file("net.onnx")


def test_a_second_process_on_a_workspace_is_told_who_holds_it(desk: Desk) -> None:
    with pytest.raises(RequestError, match=rf"another shipfit \(process {os.getpid()}\) works on this workspace"):
        Desk(load_settings(), desk.workspace.root)


def test_a_workspace_is_free_again_whichever_thread_closes_it(desk: Desk) -> None:
    closing = threading.Thread(target=desk.close)
    closing.start()
    closing.join()
    again = Desk(load_settings(), desk.workspace.root)
    assert again.open().id
    again.close()


@pytest.mark.parametrize("name", ["../../etc/passwd", "20260101-000000-abcdef", "", "a\0b", "*"])
def test_a_conversation_that_is_not_there_is_refused(desk: Desk, name: str) -> None:
    if name:
        with pytest.raises(RequestError, match="no conversation"):
            desk.open(name)


def test_a_run_that_was_at_work_when_the_process_died_is_told_of(desk: Desk) -> None:
    name = desk.open().id
    desk.close()
    log = EntryLog(desk.workspace.own / "conversations" / f"{name}.jsonl", lambda _entry: None)
    log.add(Started, run="20260301-101500-ab12", ordinal=1, request=Request(model="/net.onnx"))
    log.close()
    with Desk(load_settings(), desk.workspace.root) as later:
        broken = later.open(name).entries()[-1]
        assert isinstance(broken, Broken)
        assert broken.cause == "closed"
        assert "go on" in broken.text
        refused = Talk(later.open(name))("go on")
    assert "there is no run" in refusal(refused)


def test_a_question_waits_over_a_restart(desk: Desk) -> None:
    name = desk.open().id
    desk.close()
    log = EntryLog(desk.workspace.own / "conversations" / f"{name}.jsonl", lambda _entry: None)
    request = Request(model="/net.onnx")
    log.add(Started, run="20260301-101500-ab12", ordinal=1, request=request)
    question = Question(id="q", about="plan", attempt=1, plan=Plan(), request=request)
    log.add(Questioned, run="20260301-101500-ab12", question=question, text=("Shall this be tried?",))
    log.close()
    with Desk(load_settings(), desk.workspace.root) as later:
        assert later.open(name).waits
        later.open(name).stop()
        told = later.open(name).entries()[-1]
        assert isinstance(told, Told)
        assert "waits for an answer" in told.text[0]


def test_nothing_hostile_reaches_a_terminal(talk: Talk) -> None:
    evil = "\x1b[31m<script>\u202e=cmd()"
    (Path(talk.conversation._room.workspace.root) / f"{evil.replace('/', '')}.onnx").write_bytes(b"x")
    talk(f"make {evil}.onnx half the size")
    talk("half the size", model=f"{evil.replace('/', '')}.onnx")
    assert talk.draft.model is not None
    assert "\x1b" in talk.draft.model
    event = Started(number=1, at=0.0, run=evil, ordinal=1, request=Request(model=evil))
    noticed = Told(number=2, at=0.0, text=(evil,))
    for entry in [
        *talk.conversation.entries(),
        event,
        noticed,
        Refused(number=3, at=0.0, text=evil, type="model"),
    ]:
        for line in lines(entry):
            assert line.isprintable() or not set(line) & {"\x1b", "\u202e", "\n"}


def test_a_link_in_the_place_of_its_own_folder_is_refused(desk: Desk, tmp_path: Path) -> None:
    root = desk.workspace.root
    desk.close()
    shutil.rmtree(root / ".shipfit")
    (root / ".shipfit").symlink_to(tmp_path / "home")
    with pytest.raises(MachineError, match="no folder of shipfit's own"):
        Desk(load_settings(), root)
