"""Batches and their items in the ledger: what is kept, what is leased, what is opened again."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipfit.contracts import BatchRow, MachineError
from shipfit.memory.batches import BatchRecord, ItemRecord
from shipfit.memory.ledger import Ledger
from shipfit.memory.owner import Owner, this_process

ME = Owner(1, 10.0)


def first(items: list[ItemRecord]) -> ItemRecord | None:
    return next((item for item in items if item.row is None and item.owner is None), None)


@pytest.fixture
def batch(ledger: Ledger, tmp_path: Path) -> BatchRecord:
    found = ledger.batches.create(tmp_path / "zoo.yaml", tmp_path / "out")
    ledger.batches.change(found.id, [ItemRecord("a", 0, "asked a"), ItemRecord("b", 1, "asked b")])
    return found


def test_a_batch_is_found_by_its_folder_and_by_its_zoo(ledger: Ledger, batch: BatchRecord, tmp_path: Path):
    assert ledger.batches.on(tmp_path / "out") == batch
    assert ledger.batches.on(tmp_path / "elsewhere") is None
    assert ledger.batches.latest(tmp_path / "other.yaml") is None
    later = ledger.batches.create(tmp_path / "zoo.yaml", lambda name: tmp_path / f"out-{name}")
    assert later.out == str(tmp_path / f"out-{later.id}")
    assert ledger.batches.latest(tmp_path / "zoo.yaml") == batch, "an unfinished batch comes before a later one"
    for name in ("a", "b"):
        ledger.batches.finish(batch.id, name, BatchRow(name=name, status="met"))
    assert ledger.batches.latest(tmp_path / "zoo.yaml") == later


def test_a_new_batch_takes_the_place_of_one_whose_folder_was_emptied(ledger: Ledger, batch: BatchRecord):
    later = ledger.batches.create(Path(batch.zoo), Path(batch.out))
    assert ledger.batches.on(Path(batch.out)) == later
    assert ledger.batches.items(batch.id) == []


def test_items_are_leased_once_and_keep_their_rows(ledger: Ledger, batch: BatchRecord):
    batches = ledger.batches
    leased = [batches.claim(batch.id, ME, first) for _ in range(3)]
    assert [item.name if item else None for item in leased] == ["a", "b", None]
    batches.begin(batch.id, "a", "stamp", "content")
    batches.finish(batch.id, "a", BatchRow(name="a", status="failed", reason="disk"), again=True)
    batches.release(batch.id, "b")
    a, b = batches.items(batch.id)
    assert (a.owner, a.again, a.stamp, a.content) == (None, True, "stamp", "content")
    assert a.row is not None
    assert a.row.reason == "disk"
    assert (b.owner, b.row) == (None, None)


def test_items_are_added_dropped_and_opened_again(ledger: Ledger, batch: BatchRecord):
    ledger.batches.finish(batch.id, "b", BatchRow(name="b", status="met"))
    ledger.batches.change(
        batch.id, [ItemRecord("c", 0, "asked c"), ItemRecord("b", 1, "new")], drop=["a"], reopen=["b"]
    )
    assert ledger.batches.items(batch.id) == [ItemRecord("c", 0, "asked c"), ItemRecord("b", 1, "new")]


def test_a_row_of_another_version_is_named(ledger: Ledger, batch: BatchRecord):
    with ledger.database.write() as database:
        database.execute("UPDATE items SET row = '{}'")
    with pytest.raises(MachineError, match="another version"):
        ledger.batches.items(batch.id)


def test_the_latest_run_of_a_folder(ledger: Ledger, tmp_path: Path):
    from shipfit.contracts import Request

    run = ledger.runs.create(Request(model="/m.onnx"), tmp_path / "a")
    assert ledger.runs.latest_on(tmp_path / "a") == run
    assert run.owner == this_process()
    ledger.runs.vacate(tmp_path / "a")
    assert ledger.runs.latest_on(tmp_path / "a") is None
    assert ledger.runs.get(run.id).out is None
