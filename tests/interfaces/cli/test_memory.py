"""`shipfit memory` over a real ledger: what is shown, taken in, given out and forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Constraints, OperatorShare, Outcome, Plan, Profile, QuantizeLever, Target, load_settings
from shipfit.memory.ledger import Ledger

from ..conftest import Answer

Shipfit = Callable[..., Answer]
HOSTILE = "\x1b[31mConv\u202e,=cmd|' /C calc'!A0\n[bold]"


def outcome(name: str, **changes: Any) -> Outcome:
    operator = OperatorShare(op_type="Conv", count=3, weight_bytes=4000, time_share=1.0)
    profile = Profile(
        opset=17, ir_version=8, parameters=1000, nodes=10, size_bytes=4100, weight_bytes=4000, graph_bytes=100,
        storable_bytes=4000, fixed_bytes=0, inputs=(), outputs=(), operators=(operator,), quantizable_share=1.0,
        prunable_share=1.0,
    )  # fmt: skip
    facts: dict[str, Any] = {
        "id": name, "run": name.partition("-")[0], "created": 1e9, "model": "a" * 64, "profile": profile,
        "target": Target(), "constraints": Constraints(max_size_ratio=0.3), "hardware": "here", "verdict": "met",
        "plan": Plan(quantize=QuantizeLever(storage="int8")), "size_ratio": 0.27, "fidelity_db": 38.0,
    }  # fmt: skip
    return Outcome.model_validate(facts | changes)


@pytest.fixture
def keep() -> Callable[..., None]:
    """Put outcomes into the ledger of the test's home."""

    def put(*outcomes: Outcome) -> None:
        with Ledger(load_settings().ledger) as ledger:
            ledger.outcomes.put(outcomes)

    return put


def damage(name: str, body: str) -> None:
    with Ledger(load_settings().ledger) as ledger, ledger.database.write() as database:
        database.execute("UPDATE outcomes SET body = ? WHERE id = ?", (body, name))


def documents(answer: Answer) -> list[dict[str, Any]]:
    return json.loads(answer.out)["outcomes"]


def test_an_empty_memory_says_so(shipfit: Shipfit):
    assert "nothing is remembered" in shipfit("memory", "list").out
    assert documents(shipfit("memory", "list", "--json")) == []
    assert json.loads(shipfit("memory", "stats", "--json").out)["outcomes"] == 0


def test_list_shows_the_latest_first_and_filters(shipfit: Shipfit, keep: Callable[..., None]):
    keep(outcome("r1-1"), outcome("r1-2", created=2e9, verdict="failed"), outcome("r2-1", model="b" * 64))
    assert [item["id"] for item in documents(shipfit("memory", "list", "--json"))] == ["r1-2", "r1-1", "r2-1"]
    assert [item["id"] for item in documents(shipfit("memory", "list", "--limit", "1", "--json"))] == ["r1-2"]
    assert [item["id"] for item in documents(shipfit("memory", "list", "--run", "r2", "--json"))] == ["r2-1"]
    assert [item["id"] for item in documents(shipfit("memory", "list", "--model", "bb", "--json"))] == ["r2-1"]
    assert [item["id"] for item in documents(shipfit("memory", "list", "--verdict", "failed", "--json"))] == ["r1-2"]
    lines = shipfit("memory", "list").out.splitlines()
    assert "int8 storage" in lines[2]
    assert "38 dB" in lines[2]


def test_show_takes_the_beginning_of_an_id(shipfit: Shipfit, keep: Callable[..., None]):
    keep(outcome("r1-1"), outcome("r1-10"))
    assert "size ratio ≤ 30 %" in shipfit("memory", "show", "r1-1").out  # the whole id of one, the beginning of both
    assert json.loads(shipfit("memory", "show", "r1-10", "--json").out)["outcome"]["verdict"] == "met"
    for wrong in ("r1", "x"):
        answer = shipfit("memory", "show", wrong)
        assert answer.status == 2
        assert "memory list" in answer.error


@pytest.mark.parametrize("command", [("list",), ("show", "r1-1")])
def test_what_an_outcome_says_cannot_steer_a_terminal(shipfit: Shipfit, keep: Callable[..., None], command: Any):
    lever = QuantizeLever(compute={HOSTILE: "static"}, storage="int8")
    keep(outcome("r1-1", plan=Plan(quantize=lever, reason=HOSTILE)))
    with Ledger(load_settings().ledger) as ledger, ledger.database.write() as database:
        database.execute("UPDATE outcomes SET origin = ?", (HOSTILE,))
    out = shipfit("memory", *command).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[31mConv\\u202e" in out


def test_damaged_outcomes_are_named(shipfit: Shipfit, keep: Callable[..., None]):
    keep(outcome("r1-1"), outcome("r1-2"))
    damage("r1-2", '{"version": 99}')
    answer = shipfit("memory", "list")
    assert answer.status == 0
    assert "r1-2 cannot be read: written by a newer shipfit" in answer.err
    found = json.loads(shipfit("memory", "stats", "--json").out)
    assert (found["damaged"], found["damages"]) == (1, {"r1-2": "written by a newer shipfit"})
    assert "damaged" in shipfit("memory", "show", "r1-2").out
    assert json.loads(shipfit("memory", "forget", "r1-2", "--json").out) == {"forgotten": 1}


def test_outcomes_travel_from_one_home_to_another(
    shipfit: Shipfit, keep: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keep(outcome("r1-1"), outcome("r1-2", fidelity_db=float("inf")))
    damage("r1-1", "{")
    file = tmp_path / "kept.jsonl"
    assert json.loads(shipfit("memory", "export", str(file), "--json").out) == {"exported": 1, "path": str(file)}
    assert shipfit("memory", "export", str(file)).status == 2  # never written over
    assert shipfit("memory", "export", "-").out == file.read_text()
    monkeypatch.setenv("SHIPFIT_HOME", str(tmp_path / "elsewhere"))
    for added in (1, 0):
        taken = json.loads(shipfit("memory", "import", str(file), "--json").out)
        assert (taken["added"], taken["known"], taken["refused_count"]) == (added, 1 - added, 0)
    (item,) = documents(shipfit("memory", "list", "--json"))
    assert (item["id"], item["origin"], item["outcome"]["fidelity_db"]) == ("r1-2", "kept.jsonl", "Infinity")


def poisoned(**changes: Any) -> str:
    return json.dumps(outcome("p").model_dump(mode="json") | changes)


NONE_OF_OURS = (
    "{", "null", "[" * 100_000, '"x"', poisoned(size_ratio="NaN"), poisoned(speedup=-1), poisoned(speedup="Infinity"),
    poisoned(id=""), poisoned(id="a\nb"), poisoned(id="x" * 1000), poisoned(version=3), poisoned(unknown=1),
    poisoned(created=-5), poisoned(drop="NaN"), poisoned(model="\u202e"), poisoned(verdict="excellent"),
    poisoned(profile=outcome("p").profile.model_dump() | {"parameters": 10**400}),
    poisoned(constraints={"max_size_bytes": 10**400}), "x" * (2**20 + 1), "\udcff",
)  # fmt: skip


def test_lines_that_are_no_outcomes_of_ours_are_refused_one_by_one(shipfit: Shipfit, tmp_path: Path):
    file = tmp_path / "foreign.jsonl"
    lines = [line.encode("utf-8", "surrogateescape") for line in NONE_OF_OURS]
    file.write_bytes(b"\n".join([*lines, outcome("good").model_dump_json().encode(), b""]))
    answer = shipfit("memory", "import", str(file), "--json")
    assert answer.status == 0
    taken = json.loads(answer.out)
    assert (taken["added"], taken["refused_count"]) == (1, len(lines))
    assert [number for number, _ in taken["refused"]] == list(range(1, len(lines) + 1))
    assert answer.err.startswith("line 1 refused: ")
    assert "\x1b" not in answer.err
    file.write_bytes(lines[0])
    alone = shipfit("memory", "import", str(file))
    assert alone.status == 2
    assert "line 1" in alone.error


def test_an_import_never_replaces_what_was_measured_here(shipfit: Shipfit, keep: Callable[..., None], tmp_path: Path):
    keep(outcome("r1-1"))
    file = tmp_path / "foreign.jsonl"
    file.write_text(outcome("r1-1", speedup=100.0).model_dump_json())
    assert json.loads(shipfit("memory", "import", str(file), "--json").out)["known"] == 1
    (item,) = documents(shipfit("memory", "list", "--json"))
    assert (item["origin"], item["outcome"]["speedup"]) == ("", None)


def test_forget_says_what_it_needs(shipfit: Shipfit, keep: Callable[..., None]):
    keep(*(outcome(f"r{run}-{index}", model=str(run) * 64) for run in (1, 2, 3) for index in (1, 2)))
    assert shipfit("memory", "forget").status == 2
    assert "--yes" in shipfit("memory", "forget", "--all").error
    assert shipfit("memory", "forget", "--all", "r1-1", "--yes").status == 2
    assert shipfit("memory", "forget", "r1-1", "nothing").status == 2
    assert len(documents(shipfit("memory", "list", "--json"))) == 6  # one wrong id, and nothing is forgotten
    assert json.loads(shipfit("memory", "forget", "r1-1", "--json").out) == {"forgotten": 1}
    assert "2 outcomes forgotten" in shipfit("memory", "forget", "--run", "r2").out
    assert json.loads(shipfit("memory", "forget", "--model", "33", "--json").out) == {"forgotten": 2}
    assert json.loads(shipfit("memory", "forget", "--all", "--yes", "--json").out) == {"forgotten": 1}


def test_rebuild_tells_what_it_skips(shipfit: Shipfit, keep: Callable[..., None], home: Path):
    keep(outcome("r1-1"), outcome("r1-2"))
    damage("r1-2", "{")
    older = home / "outcomes" / "outcomes-v2-000001"
    older.mkdir(parents=True)
    answer = json.loads(shipfit("memory", "rebuild", "--json").out)
    assert answer == {"indexed": 1, "skipped": {"r1-2": "no JSON"}}
    assert not older.exists()


def test_search_wants_a_model_that_is_there(shipfit: Shipfit):
    assert shipfit("memory", "search", "missing.onnx").status == 2


@pytest.mark.slow
def test_search_recalls_as_a_run_would(shipfit: Shipfit, keep: Callable[..., None], digits_model: Path):
    keep(outcome("r1-1"))
    answer = json.loads(shipfit("memory", "search", str(digits_model), "--max-size", "30%", "--json").out)
    assert [item["outcome"]["id"] for item in answer["recalled"]] == ["r1-1"]
    assert answer["first"]["proposer"] in ("memory", "policy")
    assert "r1-1" in shipfit("memory", "search", str(digits_model)).out
