"""The vector index under several processes, kills and damage."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import Constraints, Outcome, Profile, Request
from shipfit.memory.fingerprint import VECTOR_VERSION, fingerprint
from shipfit.memory.index import Batch, Entry, VectorIndex
from shipfit.memory.ledger import Ledger
from shipfit.memory.outcomes import ChromaOutcomeStore

Start = Callable[..., subprocess.Popen[str]]
MakeOutcome = Callable[..., Outcome]
MakeProfile = Callable[..., Profile]
MODEL = "a" * 64
REQUEST = Request(model="/m.onnx", constraints=Constraints(max_size_ratio=0.3))

HEAD = """
import sys, itertools
from pathlib import Path
from shipfit.contracts import Constraints, Outcome, Request
from shipfit.memory.ledger import Ledger
from shipfit.memory.outcomes import ChromaOutcomeStore

home, outcome, name = Path(sys.argv[1]), Outcome.model_validate_json(sys.argv[2]), sys.argv[3]
request = Request(model="/m.onnx", constraints=Constraints(max_size_ratio=0.3))
ledger = Ledger(home / "ledger.sqlite")
store = ChromaOutcomeStore(home / "outcomes", ledger)
def put(number):
    store.remember([outcome.model_copy(update={"id": f"{name}-{number}"})])
def seen(limit=5):
    return [item.outcome.id for item in store.recall(outcome.profile, request, "0" * 64, "here", limit)]
"""


@pytest.fixture
def home(ledger: Ledger) -> Path:
    return ledger.database.path.parent


@pytest.fixture
def outcomes(ledger: Ledger, home: Path) -> ChromaOutcomeStore:
    return ChromaOutcomeStore(home / "outcomes", ledger)


def recalled(store: ChromaOutcomeStore, profile: Profile, limit: int = 5000) -> set[str]:
    return {item.outcome.id for item in store.recall(profile, REQUEST, "0" * 64, "here", limit)}


def indexed(store: ChromaOutcomeStore, ledger: Ledger) -> set[str]:
    """Return what the open index holds, with what the ledger has had since."""
    mark, opened = store._index.mark, store._index._open
    assert mark is not None
    assert opened is not None
    held = set(opened[1].get(include=[])["ids"])
    for change in ledger.outcomes.changes(mark.change):
        (held.discard if change.body is None else held.add)(change.id)
    return held


def run(code: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-c", HEAD + code, *map(str, arguments)], check=True, timeout=120)


def test_an_index_of_earlier_vectors_is_replaced(tmp_path: Path):
    entries = [Entry("one", [1.0, 0.0]), Entry("two", [0.0, 1.0])]

    def feed(after: int) -> list[Batch]:
        return [Batch(2, entries, [])] if after < 2 else []

    earlier, present = VectorIndex(tmp_path, 1), VectorIndex(tmp_path, 2)
    earlier.refresh("ledger", feed)
    earlier.close()
    present.refresh("ledger", feed)
    assert [folder.name for folder in sorted(tmp_path.glob("outcomes-*"))] == ["outcomes-v2-000001"]
    assert present.near([1.0, 0.1], 1) == pytest.approx({"one": 0.995}, abs=1e-3)
    assert VECTOR_VERSION > 2  # the index that version 2 left in a home is replaced as well


def test_an_open_snapshot_sees_what_another_process_adds_and_forgets(
    outcomes: ChromaOutcomeStore, ledger: Ledger, home: Path, make_outcome: MakeOutcome, make_profile: MakeProfile
):
    outcomes.remember([make_outcome("mine-0", model="1" * 64), make_outcome("mine-1", model="1" * 64)])
    assert recalled(outcomes, make_profile()) == {"mine-0", "mine-1"}
    body = make_outcome("x", model="1" * 64).model_dump_json()
    run("put(0); ledger.outcomes.forget(['mine-0']); assert 'their-0' in seen()", home, body, "their")
    assert recalled(outcomes, make_profile()) == {"mine-1", "their-0"}


@pytest.mark.slow
def test_what_another_process_built_anew_is_taken(
    outcomes: ChromaOutcomeStore, home: Path, make_outcome: MakeOutcome, make_profile: MakeProfile
):
    outcomes.remember([make_outcome(f"mine-{number}", model="1" * 64) for number in range(5)])
    assert len(recalled(outcomes, make_profile())) == 5
    run("store.rebuild(); put(0)", home, make_outcome("x", model="1" * 64).model_dump_json(), "their")
    assert len(recalled(outcomes, make_profile())) == 6


@pytest.mark.slow
def test_many_changes_bring_the_index_up_to_date(
    outcomes: ChromaOutcomeStore, ledger: Ledger, make_outcome: MakeOutcome, make_profile: MakeProfile
):
    outcomes.remember([make_outcome("first", model="1" * 64)])
    recalled(outcomes, make_profile())
    outcomes.remember([make_outcome(f"o{number}", model="1" * 64) for number in range(1500)])
    ledger.outcomes.forget([f"o{number}" for number in range(100)])
    found = recalled(outcomes, make_profile())
    assert found == {"first", *(f"o{number}" for number in range(100, 1500))}
    assert indexed(outcomes, ledger) == found
    mark = outcomes._index.mark
    assert mark is not None
    assert (mark.ledger, mark.change, mark.sound) == (*ledger.outcomes.position(), True)


@pytest.mark.slow
def test_readers_and_writers_share_one_memory(
    outcomes: ChromaOutcomeStore,
    ledger: Ledger,
    home: Path,
    make_outcome: MakeOutcome,
    make_profile: MakeProfile,
    python: Start,
):
    body = make_outcome("x", model="1" * 64).model_dump_json()
    code = HEAD + "\nfor number in range(150):\n    put(number)\n    assert f'{name}-{number}' in seen(2000)\n"
    processes = [python(code, home, body, name) for name in "abc"]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    known = {f"{name}-{number}" for name in "abc" for number in range(150)}
    assert recalled(outcomes, make_profile()) == known
    assert indexed(outcomes, ledger) == known


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_memory_that_works(
    outcomes: ChromaOutcomeStore,
    ledger: Ledger,
    home: Path,
    make_outcome: MakeOutcome,
    make_profile: MakeProfile,
    python: Start,
):
    body = make_outcome("x", model="1" * 64).model_dump_json()
    # 300 at a time are more than are left to be compared one by one, so every other moment falls into writing.
    code = (
        HEAD
        + """
print("ready", flush=True)
def at(number):
    profile = outcome.profile.model_copy(update={"parameters": 1000 * (1 + number)})
    return outcome.model_copy(update={"id": f"{name}-{number}", "profile": profile})
for round in itertools.count():
    store.remember([at(number) for number in range(300 * round, 300 * round + 300)])
    seen()
"""
    )
    rng = random.Random(0)
    for kill in range(6):
        process = python(code, home, body, f"k{kill}")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.3, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        known = set(ledger.outcomes.where())
        assert recalled(outcomes, make_profile(), 20_000) == known
        assert indexed(outcomes, ledger) == known


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["data_level0.bin", "link_lists.bin", "header.bin", "length.bin", "index_metadata.pickle"]
)
@pytest.mark.parametrize("torn", [True, False])
def test_torn_files_of_a_large_index_cost_a_rebuild_at_most(
    outcomes: ChromaOutcomeStore, home: Path, make_outcome: MakeOutcome, name: str, torn: bool
):
    outcomes.remember([make_outcome(f"o{number}", parameters=1000 + 7 * number) for number in range(2500)])
    outcomes.rebuild()
    outcomes.close()
    files = list((home / "outcomes").rglob(name))
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if torn else b"")
    # Loading them may end a process, as a fault in Chroma's half in C++ does; the next one finds the mark and rebuilds.
    body = make_outcome("x").model_dump_json()
    command = [sys.executable, "-c", HEAD + "assert len(seen()) == 5", str(home), body, "x"]
    statuses = [subprocess.run(command, timeout=120, stderr=subprocess.DEVNULL).returncode for _ in range(2)]
    assert statuses[1] == 0


def test_likeness_is_compared_exactly(
    outcomes: ChromaOutcomeStore, make_outcome: MakeOutcome, make_profile: MakeProfile
):
    outcomes.remember([make_outcome("one", model="1" * 64)])
    (item,) = outcomes.recall(make_profile(), REQUEST, MODEL, "here")
    vector = fingerprint(make_profile(), REQUEST.target, REQUEST.constraints)
    assert len(vector) == 91
    assert (item.similarity, item.likeness) == (pytest.approx(1), pytest.approx(1))
