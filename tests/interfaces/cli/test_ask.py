"""Questions on a terminal, and what happens where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Question, Request, RequestError
from shipfit.interfaces.cli import ask

from .. import responses
from ..conftest import Answer, FakeService

Shipfit = Callable[..., Answer]
ASKED = ("optimize", "digits.onnx", "--data", "digits.npz", "--max-size", "30%", "--approve")


def question(request: Request) -> Question:
    attempt = responses.response().attempts[1]
    plan = attempt.plan.model_copy(update={"reason": "\x1b[2Jwhat a node is called"})
    return Question(
        id="1", about="result", attempt=2, plan=plan, request=request, constraints=attempt.verdict.constraints
    )


@pytest.fixture
def asking(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """A service whose runs ask once before they end."""
    answered: list[Any] = []

    def answer(run: str, given: Any) -> None:
        if given.action == "edit":
            raise RequestError("that is how it stands already")
        answered.append(given)

    monkeypatch.setattr(service, "answers", answered, raising=False)
    monkeypatch.setattr(service, "question", lambda run: None if answered else question(service.run(run).request))
    monkeypatch.setattr(service, "answer", answer, raising=False)
    monkeypatch.setattr(service, "resume", lambda run: run)
    return service


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    waiting = list(lines)
    monkeypatch.setattr(ask, "_typed", lambda: waiting.pop(0) if waiting else None)


def test_a_wrong_answer_is_asked_again(asking: FakeService, shipfit: Shipfit, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "wurst\n", "max_size 30%\n", "go\n")
    answer = shipfit(*ASKED, "--out", "fitted")
    assert answer.status == 0
    assert "Shall this be delivered?" in answer.err
    assert "'wurst' is no answer" in answer.err
    assert "that is how it stands already" in answer.err
    assert "\x1b" not in answer.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_anybody_it_says_how_to_answer(options: tuple[str, ...], asking: FakeService, shipfit: Shipfit) -> None:
    answer = shipfit(*ASKED, *options)
    (record,) = asking.runs()
    assert answer.status == 130
    assert f"shipfit resume {record.id} --answer 'go'" in answer.err.splitlines()[-1]
    assert not Path("fitted").exists()
    if options:
        document = json.loads(answer.out)
        assert document["details"]["run"] == record.id
        assert document["details"]["question"]["about"] == "result"


def test_resume_carries_an_answer(asking: FakeService, shipfit: Shipfit) -> None:
    shipfit(*ASKED, "--out", "fitted")
    (record,) = asking.runs()
    wrong = shipfit("resume", record.id, "--answer", "wurst")
    assert (wrong.status, "is no answer" in wrong.error) == (2, True)
    assert shipfit("resume", record.id, "--answer", "go").status == 0
    assert asking.answers[0].words == "go"  # type: ignore[attr-defined]
