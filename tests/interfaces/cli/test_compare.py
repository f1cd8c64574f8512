"""`shipfit runs compare` from the ledger and from folders that anyone may have filled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import Request
from shipfit.interfaces.report.compare import MARK

from .. import responses
from ..conftest import Answer, FakeService

Shipfit = Callable[..., Answer]


def report(folder: str, text: str | None = None) -> str:
    """A folder with a report in it."""
    Path(folder).mkdir()
    body = responses.response().model_dump_json() if text is None else text
    (Path(folder) / "report.json").write_text(body, encoding="utf-8")
    return folder


def test_runs_of_the_ledger(service: FakeService, shipfit: Shipfit):
    shipfit("optimize", "digits.onnx", "--data", "digits.npz", "--max-size", "30%", "--out", "one")
    service.finish = lambda request: responses.rolled_back(request=request)
    shipfit("optimize", "digits.onnx", "--data", "digits.npz", "--max-size", "1%", "--out", "two")
    second, first = [record.id for record in service.runs()]
    answer = shipfit("runs", "compare", first, second)
    words = " ".join(answer.out.split())
    assert answer.status == 0
    for expected in (f"A {first}", "Rolled back", "constraints.max_size_ratio 0.3 0.01", "+283 %", "step quantize"):
        assert expected in words
    assert json.loads(shipfit("runs", "compare", first, "two", "--json").out)["second"]["status"] == "rolled_back"


def test_folders_need_no_ledger(shipfit: Shipfit, home: Path):
    assert shipfit("runs", "compare", report("a"), f"{report('b')}/report.json").status == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: "zzz", "there is no run 'zzz'"),
        (lambda: report("x", "{}"), "is no report of this version"),
        (lambda: report("x", "[" * 100_000), "is no report of this version"),
        (
            lambda: report("x", '{"run": "\ud83d"}'.encode("utf-16", "surrogatepass").decode("utf-16", "replace")),
            "no report",
        ),
        (lambda: str(Path().absolute()), "report.json' cannot be read (No such file or directory)"),
    ],
    ids=["unknown run", "empty document", "deep document", "broken text", "folder without a report"],
)
def test_wrong_runs(make: Callable[[], str], words: str, service: FakeService, shipfit: Shipfit):
    answer = shipfit("runs", "compare", report("good"), make(), "--html", "page.html")
    assert answer.status == 2
    assert words in answer.error
    assert not Path("page.html").exists()


def test_unfinished_runs_are_refused(service: FakeService, shipfit: Shipfit):
    run = service.ledger.runs.create(Request(model="m.onnx")).id
    answer = shipfit("runs", "compare", run, run)
    assert (answer.status, "has not finished" in answer.error) == (2, True)


def test_a_pipe_is_no_report(shipfit: Shipfit):
    Path("x").mkdir()
    os.mkfifo("x/report.json")
    answer = shipfit("runs", "compare", "x", "x")
    assert (answer.status, "no regular file" in answer.error) == (2, True)


def test_page_replaces_only_such_a_page(shipfit: Shipfit):
    report("a")
    assert shipfit("runs", "compare", "a", "a", "--html", "page.html").status == 0
    assert Path("page.html").read_text().startswith(MARK)
    assert shipfit("runs", "compare", "a", "a", "--html", "page.html").status == 0
    Path("mine.html").write_text("<!doctype html>\nmy own")
    Path("link.html").symlink_to("nowhere")
    for taken in ("mine.html", "link.html", "a", "missing/page.html"):
        answer = shipfit("runs", "compare", "a", "a", "--html", taken)
        assert (answer.status, "--html" in answer.error) == (2, True)
    assert Path("mine.html").read_text().endswith("my own")
    assert sorted(os.listdir()) == ["a", "digits.npz", "digits.onnx", "link.html", "mine.html", "page.html"]


def test_folder_receives_page_and_document(shipfit: Shipfit):
    report("a")
    assert shipfit("runs", "compare", "a", "a", "--out", "both").status == 0
    assert sorted(os.listdir("both")) == ["compare.html", "compare.json"]
    assert json.loads(Path("both/compare.json").read_text())["fairness"]["problems"]
    answer = shipfit("runs", "compare", "a", "a", "--out", "both")
    assert (answer.status, "not an empty folder" in answer.error) == (2, True)
