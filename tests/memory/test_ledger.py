from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import ArtifactRef, JobResult, MachineError
from shipfit.memory.database import MIGRATIONS, connection
from shipfit.memory.ledger import Ledger
from shipfit.memory.runs import RunRecord

REF = ArtifactRef(id="b" * 64, kind="model", size_bytes=3)
Start = Callable[..., subprocess.Popen[str]]

APPEND = """
import sys
from pathlib import Path
from shipfit.memory.ledger import Ledger

with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(40):
        ledger.trail.append(sys.argv[2], sys.argv[3], {"number": number})
"""


def test_nothing_happens_before_the_first_use(tmp_path: Path) -> None:
    Ledger(tmp_path / "home" / "ledger.sqlite").close()
    assert not (tmp_path / "home").exists()


def test_a_ledger_is_the_same_when_opened_again(ledger: Ledger, run: RunRecord) -> None:
    ledger.close()
    assert ledger.runs.get(run.id) == run
    with Ledger(ledger.database.path) as again:
        assert again.runs.get(run.id) == run


def test_the_trail_keeps_its_order_and_each_mark_once(ledger: Ledger, run: RunRecord) -> None:
    assert ledger.trail.append(run.id, "planned", {"plan": "ä"})
    assert ledger.trail.append(run.id, "attempt", {"index": 1}, once="1")
    assert not ledger.trail.append(run.id, "attempt", {"index": 1}, once="1")
    assert ledger.trail.append(run.id, "attempt", {"index": 2}, once="2")
    assert ledger.trail.append(run.id, "planned", {"plan": "ä"})
    assert [(entry.position, entry.kind) for entry in ledger.trail.of(run.id)] == [
        (1, "planned"),
        (2, "attempt"),
        (3, "attempt"),
        (4, "planned"),
    ]
    assert [entry.body for entry in ledger.trail.of(run.id, "attempt")] == [{"index": 1}, {"index": 2}]


def test_the_trail_is_append_only(ledger: Ledger, run: RunRecord) -> None:
    ledger.trail.append(run.id, "attempt", {"index": 1})
    with pytest.raises(MachineError, match="append-only"), ledger.database.write() as database:
        database.execute("UPDATE trail SET body = '{}'")
    assert ledger.trail.of(run.id)[0].body == {"index": 1}


def test_processes_and_threads_write_at_once(ledger: Ledger, run: RunRecord, python: Start) -> None:
    processes = [python(APPEND, ledger.database.path, run.id, name) for name in ("a", "b")]
    threads = [
        threading.Thread(target=lambda: [ledger.trail.append(run.id, "c", {}) for _ in range(40)]) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert [entry.position for entry in ledger.trail.of(run.id)] == list(range(1, 161))
    assert [entry.body["number"] for entry in ledger.trail.of(run.id, "a")] == list(range(40))


def test_an_execution_is_found_by_its_key_and_leased(ledger: Ledger, run: RunRecord, request_: object) -> None:
    result = JobResult(report={"speed": 1.5, "low": float("-inf")}, outputs={"model": "tool/model"}, cpu_s=2.0)
    assert ledger.executions.find("key", run.id) is None
    ledger.executions.record("key", "perform", result, {"model": REF}, run.id)
    found = ledger.executions.find("key", run.id)
    assert found is not None
    assert (found.tool, found.outputs) == ("perform", {"model": REF})
    assert float(found.result.report["low"]) == float("-inf")
    assert ledger.leases.of(run.id) == {REF.id}
    ledger.executions.forget("key")
    assert ledger.executions.find("key", run.id) is None


def test_finding_leases_to_the_run_that_asks(ledger: Ledger, run: RunRecord) -> None:
    ledger.executions.record("key", "perform", JobResult(report={}), {"model": REF}, run.id)
    other = ledger.runs.create(run.request)
    ledger.executions.find("key", other.id)
    assert ledger.leases.of(other.id) == {REF.id}


@pytest.mark.parametrize("column", ["result", "outputs"])
def test_an_execution_that_cannot_be_read_is_none(ledger: Ledger, run: RunRecord, column: str) -> None:
    ledger.executions.record("key", "perform", JobResult(report={}), {"model": REF}, run.id)
    with ledger.database.write() as database:
        database.execute(f'UPDATE executions SET {column} = \'{{"new": {{"in": 2}}}}\'')
    assert ledger.executions.find("key", run.id) is None


def test_a_failed_block_changes_nothing(ledger: Ledger, run: RunRecord) -> None:
    def fail() -> None:
        with ledger.database.write() as database:
            database.execute("DELETE FROM runs")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert ledger.runs.get(run.id) == run


def test_an_old_ledger_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as old:
        old.outcomes.count()
    newer = (*MIGRATIONS, ("ALTER TABLE runs ADD COLUMN colour TEXT",))
    monkeypatch.setattr("shipfit.memory.database.MIGRATIONS", newer)
    with Ledger(path) as new, new.database.read() as database:
        assert "colour" in [row["name"] for row in database.execute("PRAGMA table_info(runs)")]
    monkeypatch.undo()
    with Ledger(path) as old, pytest.raises(MachineError, match="newer shipfit"):
        old.outcomes.count()


def test_a_migration_that_fails_leaves_the_old_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as old:
        old.outcomes.count()
    broken = (*MIGRATIONS, ("CREATE TABLE colours (name TEXT)", "SELECT nonsense"))
    monkeypatch.setattr("shipfit.memory.database.MIGRATIONS", broken)
    with Ledger(path) as new, pytest.raises(MachineError):
        new.outcomes.count()
    monkeypatch.undo()
    with Ledger(path) as old, old.database.read() as database:
        assert not list(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'colours'"))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(os.urandom(4096))
    with Ledger(path) as ledger, pytest.raises(MachineError, match="is damaged"):
        ledger.runs.latest()


def test_a_ledger_with_flipped_bits_says_so_on_one_line(tmp_path: Path, run: RunRecord, ledger: Ledger) -> None:
    ledger.trail.append(run.id, "attempt", {"index": "x" * 200})
    ledger.close()
    sound, damaged = ledger.database.path.read_bytes(), tmp_path / "damaged.sqlite"
    found = set[str]()
    for seed in range(40):
        dice = random.Random(seed)
        content = bytearray(sound)
        for _ in range(30):
            content[dice.randrange(100, len(content))] ^= 1 << dice.randrange(8)
        for left in tmp_path.glob("damaged.sqlite*"):
            left.unlink()
        damaged.write_bytes(content)
        with Ledger(damaged) as opened:
            try:
                assert opened.runs.latest()[0].request
                opened.trail.of(run.id)
            except (MachineError, IndexError) as error:
                found.add(str(error))
    assert len(found) > 5
    assert not any("\n" in text for text in found)


def test_a_run_of_another_version_is_named(ledger: Ledger, run: RunRecord) -> None:
    with ledger.database.write() as database:
        database.execute("UPDATE runs SET request = '{\"colour\": 1}', response = '{}'")
    for part in ("request", "response"):
        with pytest.raises(MachineError, match=rf"{run.id}.*runs prune --all"):
            getattr(ledger.runs.get(run.id), part)


def test_a_place_that_cannot_hold_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Ledger(tmp_path / "file" / "ledger.sqlite") as ledger, pytest.raises(MachineError):
        ledger.runs.latest()
    (tmp_path / "folder.sqlite").mkdir()
    with Ledger(tmp_path / "folder.sqlite") as ledger, pytest.raises(MachineError, match="cannot be written"):
        ledger.runs.latest()


def test_a_full_disk(ledger: Ledger, run: RunRecord) -> None:
    with ledger.database.read() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(MachineError, match="disk is full"):
        ledger.trail.append(run.id, "attempt", {"much": "x" * 100_000})
    assert ledger.runs.get(run.id) == run


def test_the_checkpointers_connection_is_shared_by_threads(tmp_path: Path) -> None:
    opened = connection(tmp_path / "home" / "checkpoints.sqlite")
    assert opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    seen: list[sqlite3.Row] = []
    thread = threading.Thread(target=lambda: seen.append(opened.execute("SELECT 1 AS one").fetchone()))
    thread.start()
    thread.join()
    opened.close()
    assert seen[0]["one"] == 1
