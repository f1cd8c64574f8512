"""Any number of coordinators, killed at any moment: every item gets one row, and is never worked on twice at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipfit.contracts import BatchRow
from shipfit.interfaces.batch.scheduler import Scheduler, compare
from shipfit.memory.batches import ItemRecord
from shipfit.memory.ledger import Ledger
from shipfit.memory.owner import Owner


class Coordinators(RuleBasedStateMachine):
    """Processes that share a batch; each thread of one holds an item from `next` to `finish` or `release`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name) / "ledger.sqlite")
        self.batch = self.ledger.batches.create(Path("zoo.yaml"), Path(self.folder.name) / "out").id
        self.living: set[Owner] = set()
        self.holding: dict[str, Owner] = {}
        self.rows: dict[str, str] = {}
        self.names: list[str] = []
        self.started = 0

    @initialize(count=st.integers(1, 6))
    def begin(self, count: int) -> None:
        self.names = [f"m{number}" for number in range(count)]
        items = [ItemRecord(name, place, "asked") for place, name in enumerate(self.names)]
        self.ledger.batches.change(self.batch, items)

    def scheduler(self, owner: Owner) -> Scheduler:
        return Scheduler(self.ledger.batches, self.batch, owner, alive=lambda other: other in self.living)

    @rule()
    def join(self) -> None:
        self.started += 1
        self.living.add(Owner(self.started % 3 + 1, float(self.started)))  # numbers of processes are used again

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.living, key=lambda each: each.started)))
        found = self.scheduler(owner).next()
        waiting = [name for name in self.names if name not in self.rows and name not in self.holding]
        assert (found.name if found else None) == (waiting[0] if waiting else None), "the first that waits, if any"
        if found is not None:
            self.holding[found.name] = owner

    @precondition(lambda self: self.holding)
    @rule(data=st.data(), put_back=st.booleans())
    def end(self, data: st.DataObject, put_back: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.holding)))
        scheduler = self.scheduler(self.holding.pop(name))
        if put_back:
            scheduler.release(name)
            return
        assert name not in self.rows, "nothing that has its row is done again"
        self.rows[name] = f"by {self.started}"
        scheduler.finish(BatchRow(name=name, status="met", reason=self.rows[name]))

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.living, key=lambda each: each.started)))
        self.living.discard(owner)
        self.holding = {name: held for name, held in self.holding.items() if held != owner}

    @invariant()
    def rows_are_kept(self) -> None:
        kept = {item.name: item.row.reason for item in self.ledger.batches.items(self.batch) if item.row}
        assert kept == self.rows
        if self.names:
            assert self.scheduler(Owner(99, 0.0)).is_complete() == (set(self.rows) == set(self.names))

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


Coordinators.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
test_coordinators = Coordinators.TestCase


def record(name: str, asked: str = "asked", **facts: object) -> ItemRecord:
    done = BatchRow(name=name, status="met")
    return ItemRecord(name, 0, asked, **{"stamp": "s", "content": "c", "row": done, **facts})  # type: ignore[arg-type]


def test_what_changed_is_done_anew_and_nothing_else():
    known = [
        record("same"),
        record("asked otherwise", "before"),
        record("other files"),
        record("gone"),
        record("lost"),
        record("machine", again=True),
        record("waiting", row=None, content=None, stamp=None),
        record("begun with other files", row=None),
    ]
    found = compare(
        known,
        {item.name: "asked" for item in known if item.name != "gone"} | {"new": "asked"},
        same_files=lambda item: "other files" not in item.name,
        is_delivered=lambda item: item.name != "lost",
    )
    assert found.drop == ("gone",)
    assert found.replace == ("asked otherwise", "other files", "begun with other files")
    assert set(found.reopen) == {"asked otherwise", "other files", "begun with other files", "lost", "machine"}
