"""Whole conversations with real runs in real processes: started, approved, corrected, stopped, killed, gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import (
    Answer,
    Answered,
    Broken,
    Compared,
    Ended,
    Explained,
    Happened,
    NodeStarted,
    Questioned,
    Started,
    Supposed,
    load_settings,
)
from shipfit.interfaces.chat.conversation import Conversation
from shipfit.interfaces.chat.desk import Desk
from shipfit.tools.worker.processes import descendants

from .conftest import Talk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def place(tmp_path: Path, digits_model: Path, digits_data: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    shutil.copyfile(digits_model, folder / "digits.onnx")
    shutil.copyfile(digits_data, folder / "digits.npz")
    return folder


@pytest.fixture
def desk(place: Path) -> Iterator[Desk]:
    with Desk(load_settings(), place) as opened:
        yield opened


def of(kind: type[Any], entries: list[Any]) -> list[Any]:
    return [entry for entry in entries if isinstance(entry, kind)]


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def node_began(conversation: Conversation, after: int) -> bool:
    told = of(Happened, conversation.entries(after))
    return any(isinstance(entry.event, NodeStarted) for entry in told)


def interrupted_run(talk: Talk, order: str, end: Callable[[], None]) -> list[Any]:
    """Have a run begin by an order, wait until it is at work on its graph, have it end, and return what was told."""
    after = len(talk.conversation.entries())
    talk.conversation.say(order)
    wait_for(lambda: node_began(talk.conversation, after))
    end()
    return talk.news()


def test_a_run_is_approved_edited_explained_and_its_product_found_by_the_next_process(desk: Desk) -> None:
    talk = Talk(desk.open())
    talk("make digits.onnx 40 % of the size and lose at most 2 %. ask me first")
    talk("max_attempts 1")
    asked = talk("yes")
    assert of(Started, asked)[0].ordinal == 1
    assert of(Questioned, asked)[0].question.about == "plan"
    assert any("why not int4" not in line for line in of(Questioned, asked)[0].text)

    edited = talk("make it 45 % of the size instead")
    assert [edit.text() for edit in of(Answered, edited)[0].edits] == ["size ratio: ≤ 40 % → ≤ 45 %"]
    question = of(Questioned, edited)[0].question
    assert question.request.constraints.max_size_ratio == 0.45
    assert talk.draft.constraints.max_size_ratio == 0.45

    while question.about == "plan":
        question = of(Questioned, talk("go ahead"))[0].question
    talk.conversation.answer(Answer(action="go"))
    ended = of(Ended, talk.news())[0]
    assert ended.status == "met"
    names = {Path(file.name).name for file in ended.files}
    assert {"model.onnx", "report.html", "report.json", "recipe.json", "runtime.json", "trail.jsonl"} <= names
    with talk.conversation.open_file(f"{ended.folder}/model.onnx") as product:
        assert len(product.read()) < 0.45 * (desk.workspace.root / "digits.onnx").stat().st_size

    explained = of(Explained, talk("why not int4?"))[0].explanation
    assert [item.topic for item in explained.alternatives] == ["int4"]
    shares = [of(Supposed, talk(question))[0].what_if for question in ("what would 20% cost?", "what about 3x?")]
    changed = [each.request.constraints for each in shares]
    assert (changed[0].max_size_ratio, changed[1].min_speedup) == (0.2, 3.0)
    supposed = of(Supposed, talk("what would 1 kB cost?"))[0].what_if
    assert supposed.request.constraints.max_size_bytes == 1000
    assert supposed.outcome == "unlikely"

    name, entries = talk.conversation.id, talk.conversation.entries()
    desk.close()
    with Desk(load_settings(), desk.workspace.root) as later:
        again = Talk(later.open(name))
        assert again.conversation.entries() == entries
        assert again("files")[0].files == ended.files
        talked = again("how big is it now?")
        assert of(Explained, talked)

        again("don't ask me, max_attempts 1")
        second = of(Ended, again("yes"))[0]
        compared = of(Compared, again("compare the two results"))[0]
        assert (compared.first, compared.second) == (ended.run, second.run)
        assert {row.group for row in compared.rows} >= {"asked", "product", "effort"}


def test_a_run_is_stopped_killed_gone_on_with_and_replaced_by_a_corrected_one(desk: Desk) -> None:
    talk = Talk(desk.open())
    talk("make digits.onnx 45 % of the size")
    talk("max_attempts 1")
    stopped = interrupted_run(talk, "yes", talk.conversation.stop)
    assert of(Broken, stopped)[0].cause == "stopped"

    other = Talk(desk.open())
    assert "nothing was run" in other("why?")[0].text

    def kill() -> None:
        for child in descendants(os.getpid()):
            if b"shipfit.interfaces.running" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
                return

    died = of(Broken, interrupted_run(talk, "go on", kill))[0]
    assert died.cause == "died"
    assert "SIGKILL" in died.text

    def correct() -> None:
        talk.conversation.say("make it 50 % of the size instead")
        talk.conversation.say("yes")

    went_on = interrupted_run(talk, "go on", correct)
    first, second = of(Started, went_on)
    assert first.resumed
    assert [entry.about for entry in went_on if entry.kind == "prompt"] == ["restart"]
    assert of(Broken, went_on)[0].cause == "stopped"
    assert second.request.constraints.max_size_ratio == 0.5
    assert [(entry.run, entry.status) for entry in of(Ended, went_on)] == [(second.run, "met")]
    assert {entry.run for entry in of(Started, talk.conversation.entries())} == {first.run, second.run}


def test_a_file_that_is_no_model_is_refused_and_everything_goes_on(desk: Desk) -> None:
    (desk.workspace.root / "fake.onnx").write_bytes(b"not a model at all")
    talk = Talk(desk.open())
    talk("make fake.onnx half the size")
    refused = talk("yes")[-1]
    assert refused.kind == "refused"
    assert refused.type == "model"
    assert talk("status")[0].kind == "notice"
