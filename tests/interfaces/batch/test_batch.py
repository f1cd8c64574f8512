"""`shipfit batch`: a row for each model, nothing done twice, everything resumable."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import OptimizationResponse, Request

from .. import responses
from ..conftest import MODEL_BYTES, Answer
from .conftest import FakeExecutor, Services, rows, wait_for_the_end

Shipfit = Callable[..., Answer]
MakeZoo = Callable[..., Path]


def rolled_back(request: Request) -> OptimizationResponse:
    return responses.rolled_back().model_copy(update={"request": request})


def test_a_row_for_each_model_whatever_becomes_of_it(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo(
        "a", "b", "c", lines="  - {path: missing.onnx}\n  - {path: ../../up.onnx}\n  - {module: os:getcwd}\n"
    )
    services.refuse = {"b"}
    services.finish = lambda request: (
        rolled_back(request) if request.model.endswith("c.onnx") else responses.response(request=request)
    )
    answer = shipfit("batch", str(zoo), "--out", "out", "--workers", "2")
    assert answer.status == 3
    found = rows(Path("out"))
    assert {name: row["status"] for name, row in found.items()} == {
        "a": "met", "b": "failed", "c": "rolled_back", "missing": "failed", "../../up": "failed", "os.getcwd": "failed",
    }  # fmt: skip
    assert found["a"]["report"] == "a/report.json"
    assert json.loads((Path("out") / found["a"]["report"]).read_text())["run"] == found["a"]["run"]
    assert (Path("out") / "a" / "model.onnx").read_bytes() == MODEL_BYTES
    assert found["b"]["reason"] == "'b.onnx' is not a model"
    assert "no model at 'missing.onnx'" in found["missing"]["reason"]
    assert "line 7" in found["../../up"]["reason"]
    assert "--trust-code" in found["os.getcwd"]["reason"]
    assert sorted(services.started) == ["a", "b", "c"]
    assert "6 models: 1 met, 4 failed, 1 rolled back" in answer.out or "6 models" in answer.out
    assert "\x1b" not in answer.out + answer.err
    with Path("out/summary.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(found)


def test_all_met_is_zero_and_json_is_the_summary(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo("a", "b")
    answer = shipfit(
        "batch", str(zoo / "zoo.yaml"), "--json", "--max-attempts", "3", "--no-memory", "--max-size", "1MB"
    )
    assert answer.status == 0
    summary = json.loads(answer.out)
    out = Path(summary["out"])
    assert out.parent == Path("shipfit-out").absolute()
    assert out.name.startswith("zoo-")
    assert json.loads((out / "summary.json").read_text())["models"] == summary["models"]
    asked = json.loads((out / "a/report.json").read_text())["request"]
    assert (asked["budget"]["max_attempts"], asked["memory"]) == (3, False)
    assert asked["constraints"]["max_size_bytes"] == 1_000_000
    assert asked["constraints"]["max_size_ratio"] is None


def test_a_finished_batch_is_not_repeated(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo("a", "b")
    services.refuse = {"b"}
    assert shipfit("batch", str(zoo), "--out", "out").status == 3
    services.started.clear()
    again = shipfit("batch", str(zoo), "--out", "out")
    assert (again.status, "--resume" in again.error) == (2, True)
    assert shipfit("batch", str(zoo), "--out", "out", "--resume").status == 3
    assert shipfit("batch", str(zoo), "--resume").status == 3, "without --out, the latest batch of this zoo"
    assert services.started == []


def test_what_changed_is_done_anew(services: Services, shipfit: Shipfit, make_zoo: MakeZoo, zoo: Path):
    make_zoo("a", "b", "c", "d")
    shipfit("batch", str(zoo), "--out", "out")
    before = rows(Path("out"))
    services.started.clear()
    (zoo / "zoo.yaml").write_text(
        "defaults: {max_size: 30%}\nmodels:\n  - path: a.onnx\n  - {path: b.onnx, max_size: 20%}\n  - path: c.onnx\n"
        "  - path: e.onnx\n"
    )
    (zoo / "c.onnx").write_bytes(b"another")
    (zoo / "e.onnx").write_bytes(b"e")
    os.utime(zoo / "a.onnx")  # touched, and the same
    assert shipfit("batch", str(zoo), "--out", "out", "--resume").status == 0
    after = rows(Path("out"))
    assert sorted(services.started) == ["b", "c", "e"]
    assert list(after) == ["a", "b", "c", "e"]
    assert after["a"] == before["a"]
    assert after["b"]["run"] != before["b"]["run"]
    assert json.loads(Path("out/c/report.json").read_text())["run"] == after["c"]["run"]
    assert not Path("out/d").exists()


def test_a_lost_product_is_delivered_again(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    import shutil

    zoo = make_zoo("a", "b")
    shipfit("batch", str(zoo), "--out", "out")
    services.started.clear()
    shutil.rmtree("out/a")
    assert shipfit("batch", str(zoo), "--out", "out", "--resume").status == 0
    assert Path("out/a/report.json").is_file()
    assert services.started == []


def test_a_fault_of_the_machine_is_tried_again(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo("a", "b")

    def spoil(name: str, executor: FakeExecutor) -> None:
        if name == "a":
            Path("out/a").mkdir(parents=True, exist_ok=True)
            Path("out/a/mine.txt").touch()

    services.during = spoil
    assert shipfit("batch", str(zoo), "--out", "out").status == 1
    assert "cannot be written" in rows(Path("out"))["a"]["reason"]
    assert rows(Path("out"))["b"]["status"] == "met"
    services.during = lambda name, executor: None
    services.started.clear()
    Path("out/a/mine.txt").unlink()
    assert shipfit("batch", str(zoo), "--out", "out", "--resume").status == 0
    assert services.started == [], "its run had ended; only its delivery is made up for"


def test_a_fault_of_ours_is_a_row_and_the_others_go_on(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    def break_down(name: str, executor: FakeExecutor) -> None:
        if name == "a":
            raise ZeroDivisionError("nobody foresaw this")

    services.during = break_down
    assert shipfit("batch", str(make_zoo("a", "b")), "--out", "out").status == 1
    found = rows(Path("out"))
    assert "ZeroDivisionError" in found["a"]["reason"]
    assert found["b"]["status"] == "met"


def test_fail_fast_stops_at_the_first_failure(services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo("a", "b", "c", "d")
    services.refuse = {"b"}
    assert shipfit("batch", str(zoo), "--out", "out", "--fail-fast", "--workers", "1").status == 3
    assert [row["status"] for row in rows(Path("out")).values()] == ["met", "failed", "pending", "pending"]
    assert shipfit("batch", str(zoo), "--out", "out", "--resume").status == 3
    assert sorted(services.started) == ["a", "b", "c", "d"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests may have been started with SIGINT ignored, as in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_resumed(number: int, services: Services, shipfit: Shipfit, make_zoo: MakeZoo):
    zoo = make_zoo("a", "b", "c", "d")
    begun = threading.Event()

    def stop(name: str, executor: FakeExecutor) -> None:
        if name in ("b", "c"):
            if name == "b":
                begun.set()
            if name == "c":
                assert begun.wait(60)
                os.kill(os.getpid(), number)
            wait_for_the_end(name, executor)

    services.during = stop
    stopped = shipfit("batch", str(zoo), "--out", "out", "--workers", "2")
    assert stopped.status == 130
    again = f"shipfit batch {zoo} --resume --out {Path('out').absolute()}"
    assert stopped.err.splitlines()[-1] == f"interrupted; go on with: {again}"
    assert [row["status"] for row in rows(Path("out")).values()] == ["met", "interrupted", "interrupted", "pending"]
    services.during = lambda name, executor: None
    services.started.clear()
    assert shipfit(*again.split()[1:]).status == 0
    assert sorted(services.resumed) == ["b", "c"]
    assert services.started == ["d"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.yaml"], "there is no zoo"),
        (["."], "two"),
        (["zoo", "--max-size", "3 parsecs"], "--max-size"),
        (["empty"], "holds no model"),
        (["zoo", "--out", "full"], "is not empty"),
        (["zoo", "--workers", "0"], "workers"),
        (["zoo", "--level", "extreme"], "level"),
    ],
)  # fmt: skip
def test_wrong_arguments_write_nothing(
    arguments: list[str], said: str, services: Services, shipfit: Shipfit, home: Path
):
    Path("zoo").mkdir()
    Path("zoo/m.onnx").write_bytes(b"m")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/mine.txt").touch()
    if arguments == ["."]:
        Path("zoo.yaml").write_text("models:\n  - path: digits.onnx\n  - {path: digits.onnx}\n")
    answer = shipfit("batch", *arguments)
    assert answer.status == 2
    assert said in answer.error
    assert not home.exists()
    assert not Path("shipfit-out").exists()


def test_a_folder_of_models(services: Services, shipfit: Shipfit, zoo: Path):
    told = b"constraints: {max_size: 10%}\ndata: ../plain.npz\n"
    files = {
        "plain.onnx": b"m", "plain.npz": b"d", "digits/model.onnx": b"m", "digits/data.npz": b"d", "two/x.onnx": b"m",
        "two/y.onnx": b"m", "told/net.onnx": b"m", "told/shipfit.yaml": told, "broken/net.onnx": b"m",
        "broken/shipfit.yaml": b"constraints:\n  max_sise: 10%\n", ".git/x.onnx": b"m", "words/net.onnx": b"m",
        "words/shipfit.yaml": b"request: make it small\n", "out/shipfit.yaml": b"data: /etc/passwd\n",
        "out/net.onnx": b"m", "texts/net.onnx": b"m", "vague/net.onnx": b"m", "vague/shipfit.yaml": b"request: hello\n",
        "texts/shipfit.yaml": b"data: ../plain.npz\npreprocess: {tokenizer: ../../secret.json}\n",
    }  # fmt: skip
    for name, body in files.items():
        (zoo / name).parent.mkdir(parents=True, exist_ok=True)
        (zoo / name).write_bytes(body)
    assert shipfit("batch", str(zoo), "--out", str(zoo / "results")).status == 3
    found = rows(zoo / "results")
    assert {name: row["status"] for name, row in found.items()} == {
        "plain": "met", "broken": "failed", "digits": "met", "out": "failed", "told": "met", "two/x": "met",
        "two/y": "met", "words": "met", "texts": "failed", "vague": "failed",
    }  # fmt: skip
    assert "broken/shipfit.yaml, line 2: unknown bound" in found["broken"]["reason"]
    assert "nothing was understood" in found["vague"]["reason"]
    assert "leads out of the folder" in found["out"]["reason"]
    assert found["texts"]["reason"].startswith("preprocess.tokenizer: '../secret.json' leads out of the folder")

    def asked(name: str) -> Any:
        return json.loads((zoo / "results" / name / "report.json").read_text())["request"]

    assert asked("told")["constraints"]["max_size_ratio"] == 0.1
    assert asked("words")["objective"] == "size"
    assert asked("words")["words"] == "make it small"
    assert Path(asked("told")["data"]).resolve() == zoo / "plain.npz"
    assert asked("digits")["data"] == str(zoo / "digits/data.npz")
    assert asked("two/x")["data"] is None
    assert shipfit("batch", str(zoo), "--resume").status == 3, "its own products are no models"
    assert list(rows(zoo / "results")) == list(found)
