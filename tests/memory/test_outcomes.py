from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Constraints, MachineError, Outcome, OutcomeStore, Profile, Request, Target
from shipfit.memory.ledger import Ledger
from shipfit.memory.outcomes import ChromaOutcomeStore, NoOutcomeStore

MakeProfile = Callable[..., Profile]
MakeOutcome = Callable[..., Outcome]
Start = Callable[..., subprocess.Popen[str]]
REQUEST = Request(model="/m.onnx", constraints=Constraints(max_size_ratio=0.3))
MODEL = "a" * 64


@pytest.fixture
def outcomes(ledger: Ledger, tmp_path: Path) -> ChromaOutcomeStore:
    return ChromaOutcomeStore(tmp_path / "home" / "outcomes", ledger)


@pytest.fixture(params=["chroma", "none"])
def any_store(request: pytest.FixtureRequest, outcomes: ChromaOutcomeStore) -> OutcomeStore:
    return outcomes if request.param == "chroma" else NoOutcomeStore()


def names(found: list[Any]) -> list[str]:
    return [item.outcome.id for item in found]


class TestEveryStore:
    """What the protocol promises."""

    def test_an_empty_store_recalls_nothing(self, any_store: OutcomeStore, make_profile: MakeProfile) -> None:
        assert any_store.count() == 0
        assert any_store.recall(make_profile(), REQUEST, MODEL, "here") == []

    def test_nothing_can_be_remembered(self, any_store: OutcomeStore) -> None:
        any_store.remember([])
        assert any_store.count() == 0

    def test_recall_is_bounded_and_sorted(
        self, any_store: OutcomeStore, make_profile: MakeProfile, make_outcome: MakeOutcome
    ) -> None:
        any_store.remember([make_outcome(f"o{n}", parameters=10 ** (n % 6 + 2), model=f"{n:064x}") for n in range(12)])
        found = any_store.recall(make_profile(), REQUEST, MODEL, "here", limit=5)
        assert len(found) == min(5, any_store.count())
        similarities = [round(item.similarity, 3) for item in found]
        assert similarities == sorted(similarities, reverse=True)
        assert all(-1 <= item.similarity <= 1 for item in found)


def test_the_same_case_comes_first(
    outcomes: ChromaOutcomeStore, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    outcomes.remember([
        make_outcome("other kind", "LSTM", model="1" * 64),
        make_outcome("other size", parameters=10**3, model="2" * 64),
        make_outcome("other wish", model="3" * 64, constraints=Constraints(min_fidelity_db=30)),
        make_outcome("other place", model="4" * 64, target=Target(platform="edge")),
        make_outcome("same", model=MODEL),
    ])  # fmt: skip
    found = outcomes.recall(make_profile(), REQUEST, MODEL, "here")
    assert found[0].outcome.id == "same"
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert [item.same_model for item in found] == [True, False, False, False, False]
    assert found[-1].similarity < 0.95


def test_the_equally_similar_are_ordered_by_what_they_are_worth(
    outcomes: ChromaOutcomeStore, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    outcomes.remember([
        make_outcome("another model", model="1" * 64),
        make_outcome("elsewhere", hardware="there"),
        make_outcome("missed", verdict="not_met"),
        make_outcome("met", created=1.0),
        make_outcome("later", created=2.0),
        make_outcome("delivered", created=0.0, delivered=True),
    ])  # fmt: skip
    found = outcomes.recall(make_profile(), REQUEST, MODEL, "here")
    assert names(found) == ["delivered", "later", "met", "missed", "elsewhere", "another model"]


def test_a_models_own_outcomes_are_found_among_many_that_look_alike(
    outcomes: ChromaOutcomeStore, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    crowd = [make_outcome(f"o{n}", parameters=10**6 + n, model=f"{n:064x}") for n in range(600)]
    outcomes.remember([make_outcome("own"), *crowd])
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here", limit=3))[0] == "own"
    assert outcomes.count() == 601


def test_an_outcome_of_the_same_id_is_replaced(
    outcomes: ChromaOutcomeStore, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    outcomes.remember([make_outcome("one", "LSTM")])
    outcomes.remember([make_outcome("one", "Conv", verdict="failed")])
    found = outcomes.recall(make_profile("Conv"), REQUEST, MODEL, "here")
    assert [(item.outcome.verdict, round(item.similarity, 4)) for item in found] == [("failed", 1.0)]


def test_another_process_of_this_home_recalls_the_same(
    outcomes: ChromaOutcomeStore, ledger: Ledger, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    outcomes.remember([make_outcome("one")])
    with Ledger(ledger.database.path) as other_ledger:
        other = ChromaOutcomeStore(ledger.database.path.parent / "outcomes", other_ledger)
        other.remember([make_outcome("two", parameters=5)])
        assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["one", "two"]


def vanish(folder: Path) -> None:
    shutil.rmtree(folder)


def garbage(folder: Path) -> None:
    (folder / "chroma.sqlite3").write_bytes(os.urandom(5000))


def half(folder: Path) -> None:
    content = (folder / "chroma.sqlite3").read_bytes()
    (folder / "chroma.sqlite3").write_bytes(content[: len(content) // 2])


def empty(folder: Path) -> None:
    (folder / "chroma.sqlite3").write_bytes(b"")


def displaced(folder: Path) -> None:
    vanish(folder)
    folder.write_text("a file in its place")


def killed_meanwhile(folder: Path) -> None:
    mark = json.loads((folder / "mark.json").read_text())
    (folder / "mark.json").write_text(json.dumps({**mark, "sound": False}))
    garbage(folder)


def of_another_ledger(folder: Path) -> None:
    mark = json.loads((folder / "mark.json").read_text())
    (folder / "mark.json").write_text(json.dumps({**mark, "ledger": "another", "change": 10**6}))


@pytest.mark.parametrize("is_open", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.parametrize("damage", [vanish, garbage, half, empty, displaced, killed_meanwhile, of_another_ledger])
def test_the_index_is_built_anew_from_the_ledger(
    outcomes: ChromaOutcomeStore,
    make_profile: MakeProfile,
    make_outcome: MakeOutcome,
    tmp_path: Path,
    damage: Callable[[Path], None],
    is_open: bool,
) -> None:
    outcomes.remember([make_outcome("one"), make_outcome("two", "LSTM")])
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["one", "two"]
    (folder,) = (tmp_path / "home" / "outcomes").glob("outcomes-*")
    if not is_open:
        outcomes.close()
    damage(folder)
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["one", "two"]
    outcomes.remember([make_outcome("three", parameters=10)])
    assert len(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == 3


def test_what_a_crash_left_unindexed_is_found(
    outcomes: ChromaOutcomeStore, ledger: Ledger, make_profile: MakeProfile, make_outcome: MakeOutcome
) -> None:
    outcomes.remember([make_outcome("one"), make_outcome("gone")])
    ledger.outcomes.put([make_outcome("two", parameters=10)])  # as if killed before the index was written
    ledger.outcomes.forget(["gone"])
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["one", "two"]


@pytest.mark.parametrize("body", ["", "null", "{", '{"id": "bad"}', "[" * 100_000, "x" * (2**20 + 1), None])
def test_hostile_notes_are_skipped_and_counted(
    outcomes: ChromaOutcomeStore,
    ledger: Ledger,
    make_profile: MakeProfile,
    make_outcome: MakeOutcome,
    body: str | None,
) -> None:
    outcomes.remember([make_outcome("good"), make_outcome("bad")])
    foreign = body if body is not None else json.dumps(make_outcome("other").model_dump(mode="json"))
    with ledger.database.write() as database:
        database.execute("UPDATE outcomes SET body = ? WHERE id = 'bad'", (foreign,))
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["good"]
    assert outcomes.skipped == {"bad"}


def test_a_place_that_cannot_hold_it(ledger: Ledger, make_outcome: MakeOutcome, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ChromaOutcomeStore(tmp_path / "file" / "outcomes", ledger)
    store.remember([make_outcome("one")])  # the ledger has it, whatever becomes of the index
    with pytest.raises(MachineError, match="outcomes"):
        store.recall(make_outcome("one").profile, REQUEST, MODEL, "here")


def test_nothing_is_imported_before_there_is_something_to_recall(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from shipfit.memory.ledger import Ledger
from shipfit.memory.outcomes import ChromaOutcomeStore
with Ledger(Path(sys.argv[1]) / "ledger.sqlite") as ledger:
    ChromaOutcomeStore(Path(sys.argv[1]) / "outcomes", ledger).recall(None, None, "", "")
sys.exit(any(name in sys.modules for name in ("chromadb", "onnx", "torch", "langgraph", "numpy")))
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0


def test_no_connection_is_opened(
    outcomes: ChromaOutcomeStore, make_outcome: MakeOutcome, make_profile: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    outcomes.remember([make_outcome("one")])
    assert names(outcomes.recall(make_profile(), REQUEST, MODEL, "here")) == ["one"]


REMEMBER = """
import sys
from pathlib import Path
from shipfit.contracts import Outcome
from shipfit.memory.ledger import Ledger
from shipfit.memory.outcomes import ChromaOutcomeStore

home = Path(sys.argv[1])
outcome = Outcome.model_validate_json(sys.argv[2])
with Ledger(home / "ledger.sqlite") as ledger:
    store = ChromaOutcomeStore(home / "outcomes", ledger)
    for number in range(6):
        store.remember([outcome.model_copy(update={"id": f"{sys.argv[3]}-{number}"})])
"""


@pytest.mark.slow
def test_several_processes_share_one_memory(
    outcomes: ChromaOutcomeStore,
    ledger: Ledger,
    make_outcome: MakeOutcome,
    make_profile: MakeProfile,
    python: Start,
) -> None:
    body = make_outcome("x").model_dump_json()
    processes = [python(REMEMBER, ledger.database.path.parent, body, name) for name in ("a", "b")]
    assert [process.wait(90) for process in processes] == [0, 0]
    assert outcomes.count() == 12
    found = outcomes.recall(make_profile(), REQUEST, MODEL, "here", limit=50)
    assert sorted(names(found)) == sorted(f"{name}-{n}" for name in "ab" for n in range(6))
