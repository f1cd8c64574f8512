"""A run on the command line: what is shown, what is delivered, which status it ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import MachineError, OptimizationResponse, Request, ToolError
from shipfit.interfaces.cli import app, run as run_module

from .. import responses
from ..conftest import MODEL_BYTES, Answer, FakeService

Shipfit = Callable[..., Answer]
ASKED = ("optimize", "digits.onnx", "--data", "digits.npz", "--max-size", "30%", "--min-speedup", "3")


def ends_with(service: FakeService, make: Callable[..., OptimizationResponse]) -> None:
    service.finish = lambda request: make(request=request)


def unverified(request: Request) -> OptimizationResponse:
    return responses.unverified().model_copy(update={"request": request})


@pytest.mark.parametrize(
    ("make", "status", "headline"),
    [
        (responses.response, 0, "Every constraint is met"),
        (responses.rolled_back, 3, "Rolled back"),
        (unverified, 4, "not where the model will run"),
    ],
    ids=["met", "rolled back", "unverified"],
)
def test_outcomes(make: Any, status: int, headline: str, service: FakeService, shipfit: Shipfit):
    ends_with(service, make)
    answer = shipfit(*ASKED, "--out", "fitted")
    assert answer.status == status
    assert headline in answer.out
    assert Path("fitted/model.onnx").read_bytes() == MODEL_BYTES
    assert str(Path("fitted/report.html").absolute()) in answer.out
    assert "\x1b" not in answer.out + answer.err


def test_summary_tells_measures_constraints_and_offers(service: FakeService, shipfit: Shipfit):
    ends_with(service, responses.rolled_back)
    words = " ".join(shipfit(*ASKED).out.split())
    for expected in ("no change not met", "size, share of the original ≤ 30 % 26.1 % not met", "1. 26.1 % of the size",
                     "--max-size 26.13% --min-speedup 3", "memory (guard)"):  # fmt: skip
        assert expected in words


def test_progress_is_one_line_for_each_event(service: FakeService, shipfit: Shipfit):
    lines = shipfit(*ASKED).err.splitlines()
    assert all(line.startswith("[") for line in lines)
    text = "\n".join(lines)
    for expected in ("started", "inspect 50% timing", "2,100,000 parameters", "plan (attempt 2): Conv takes",
                     "attempt 2: met (size 26.1 %, speed 4.21×", "attempt 4: failed"):  # fmt: skip
        assert expected in text


def test_json_is_one_document(service: FakeService, shipfit: Shipfit):
    answer = shipfit(*ASKED, "--json", "--out", "fitted")
    response = OptimizationResponse.model_validate(json.loads(answer.out))
    assert response.out == str(Path("fitted").absolute())
    assert json.loads(Path("fitted/report.json").read_text()) == json.loads(answer.out)


def test_default_folder_is_named_after_model_and_run(service: FakeService, shipfit: Shipfit):
    shipfit(*ASKED)
    (record,) = service.runs()
    assert record.out == str(Path("shipfit-out").absolute() / f"digits-{record.id}")
    assert "model.onnx" in os.listdir(record.out)


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def terminate_self() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("stop", [raise_interrupt, terminate_self])
def test_interrupted_run_is_resumed_to_its_folder(
    stop: Callable[[], None], service: FakeService, shipfit: Shipfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    service.during = stop
    stopped = shipfit(*ASKED)
    (record,) = service.runs()
    assert stopped.status == 130
    assert service.cancelled == [record.id]
    assert stopped.err.splitlines()[-1] == f"interrupted; go on with: shipfit resume {record.id}"
    assert not Path("shipfit-out").exists()
    service.during = lambda: None
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = shipfit("resume")
    assert resumed.status == 0
    assert (tmp_path / "work" / "shipfit-out" / f"digits-{record.id}" / "model.onnx").is_file()


def test_run_that_could_not_be_delivered_is_delivered_later(service: FakeService, shipfit: Shipfit):
    service.during = lambda: Path("fitted").mkdir() or Path("fitted/mine.txt").touch()  # type: ignore[func-returns-value]
    failed = shipfit(*ASKED, "--out", "fitted")
    (record,) = service.runs()
    assert failed.status == 1
    assert failed.err.splitlines()[-1].endswith(f"then: shipfit resume {record.id}")
    assert os.listdir("fitted") == ["mine.txt"]
    Path("fitted/mine.txt").unlink()
    assert run_module.undelivered(service, record.id) is None  # type: ignore[arg-type]  # its process lives: this one
    with service.ledger.database.write() as database:
        database.execute("UPDATE runs SET pid = 2000000000")
    assert shipfit("resume").status == 0
    assert Path("fitted/model.onnx").read_bytes() == MODEL_BYTES
    again = shipfit("resume", record.id)
    assert (again.status, "has ended" in again.error) == (2, True)


@pytest.mark.parametrize(
    ("error", "status"), [(MachineError("the disk is full; free some space"), 1), (ToolError("all is lost"), 1)]
)
def test_errors_are_one_line(error: Exception, status: int, service: FakeService, shipfit: Shipfit):
    def fail() -> None:
        raise error

    service.during = fail
    answer = shipfit(*ASKED)
    assert answer.status == status
    assert answer.err.splitlines()[-1] == f"error: {error}"
    assert "Traceback" not in answer.err


def test_unforeseen_error_is_saved(service: FakeService, shipfit: Shipfit, home: Path):
    service.during = lambda: {}["nothing"]
    answer = shipfit(*ASKED)
    (saved,) = (home / "logs").iterdir()
    assert answer.status == 1
    last = answer.err.splitlines()[-1]
    assert last.startswith("error: this is a fault of shipfit, not of your request: KeyError")
    assert str(saved) in last
    assert "Traceback" in saved.read_text()


def test_error_document(shipfit: Shipfit):
    answer = shipfit("optimize", "missing.onnx", "--json")
    assert json.loads(answer.out)["error"] == "ModelFileError"
    assert answer.error.startswith("error: there is no model")


def test_interrupted_before_a_command_is_there(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "command", interrupt)
    answer = shipfit("optimize", "digits.onnx")
    assert (answer.status, answer.err) == (130, "interrupted\n")


@pytest.mark.parametrize(
    "words", [("optimize", "digits.onnx", "--threads", "0"), ("optimise",), ("runs", "show"), ("optimize", "--maxsize")]
)
def test_wrong_arguments_are_a_document_too(words: tuple[str, ...], shipfit: Shipfit):
    answer = shipfit(*words, "--json")
    assert answer.status == 2
    assert f"error: {json.loads(answer.out)['message']}" == answer.error


def test_unforeseen_error_is_a_document_too(service: FakeService, shipfit: Shipfit):
    service.during = lambda: {}["nothing"]
    answer = shipfit(*ASKED, "--json")
    assert (answer.status, json.loads(answer.out)["error"]) == (1, "OptimizationError")


def test_nothing_is_written_for_a_wrong_request(service: FakeService, shipfit: Shipfit):
    before = sorted(os.listdir())
    assert shipfit(*ASKED, "--max-latency", "5 furlongs").status == 2
    assert service.runs() == []
    assert sorted(os.listdir()) == before


def test_runs_are_listed_and_shown(service: FakeService, shipfit: Shipfit):
    assert "no runs yet" in shipfit("runs", "list").out
    shipfit(*ASKED)
    (record,) = service.runs()
    listed = json.loads(shipfit("runs", "list", "--json").out)["runs"]
    assert [(item["id"], item["status"], item["alive"]) for item in listed] == [(record.id, "met", False)]
    assert record.id in shipfit("runs", "list").out
    shown = shipfit("runs", "show", record.id[:12]).out
    assert "met" in shown
    assert "speed 1.01× is below 3×" in shown
    assert "stages   measure 31.2 s" in shown
    assert f"report   {record.out}" in shown
    document = json.loads(shipfit("runs", "show", record.id, "--json").out)
    assert [item["node"] for item in document["timeline"]] == ["measure"] * 4
    assert [entry["kind"] for entry in document["trail"]] == ["node", "attempt"] * 4 + ["delivered"]
    assert "there is no run 'zzz'" in shipfit("runs", "show", "zzz").error


def test_run_on_a_terminal(tmp_path: Path):
    """On a pseudo-terminal the board is drawn; the process is a real one, so that streams are too."""
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from rich.console import Console\n"
        "import responses; from shipfit.contracts import *; from shipfit.interfaces.cli.progress import open_display\n"
        "with open_display(Budget()) as display:\n"
        "    for a in responses.response().attempts:\n"
        "        display.show(Planned(attempt=a.index, plan=a.plan)); display.show(AttemptFinished(attempt=a))\n"
    )
    master, slave = os.openpty()
    subprocess.run(
        [sys.executable, "-c", script, str(Path(responses.__file__).parent)],
        stderr=slave, cwd=tmp_path, check=True, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}, timeout=60,
    )  # fmt: skip
    shown = os.read(master, 100_000).decode()
    assert "met" in shown
    assert "static int8 Conv/Gemm" in shown
