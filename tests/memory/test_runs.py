from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import Request, RequestError
from shipfit.memory.ledger import Ledger
from shipfit.memory.owner import Owner, this_process
from shipfit.memory.runs import RunRecord

Start = Callable[..., subprocess.Popen[str]]

# Another process that creates a run and then lives until its input ends.
OTHER = """
import sys
from pathlib import Path
from shipfit.contracts import Request
from shipfit.memory.ledger import Ledger

with Ledger(Path(sys.argv[1])) as ledger:
    print(ledger.runs.create(Request(model="/m.onnx"), Path(sys.argv[2])).id, flush=True)
    sys.stdin.read()
"""

CLAIM = """
import sys
from pathlib import Path
from shipfit.contracts import RequestError
from shipfit.memory.ledger import Ledger

with Ledger(Path(sys.argv[1])) as ledger:
    try:
        print(ledger.runs.claim(sys.argv[2]).status, flush=True)
    except RequestError as error:
        print(error, flush=True)
    sys.stdin.read()
"""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_new_run_is_alive_and_holds_its_request(ledger: Ledger, request_: Request, tmp_path: Path) -> None:
    record = ledger.runs.create(request_, tmp_path / "out")
    assert record.request == request_
    assert record.response is None
    assert record.live
    assert not record.finished
    assert record.out == str(tmp_path / "out")
    assert record.owner == this_process()
    assert ledger.runs.get(record.id) == record


def test_updates_change_what_is_given(ledger: Ledger, run: RunRecord) -> None:
    ledger.runs.update(run.id, model_digest="m", elapsed_s=3.5)
    ledger.runs.update(run.id, data_digest="d", status="interrupted")
    now = ledger.runs.get(run.id)
    assert (now.model_digest, now.data_digest, now.elapsed_s, now.status) == ("m", "d", 3.5, "interrupted")
    assert now.updated > run.updated
    assert not now.live


def test_ids_sort_by_time_and_may_be_shortened(ledger: Ledger, request_: Request) -> None:
    runs = [ledger.runs.create(request_) for _ in range(3)]
    assert [record.id for record in ledger.runs.latest()] == [record.id for record in reversed(runs)]
    assert [record.id for record in ledger.runs.latest(1)] == [runs[-1].id]
    assert ledger.runs.get(runs[0].id).id == runs[0].id
    with pytest.raises(RequestError, match=r"could be .* give more of its id"):
        ledger.runs.get(runs[0].id[:8])


@pytest.mark.parametrize("name", ["", "absent", "%", "_", "' OR 1=1 --"])
def test_an_unknown_run_is_refused(ledger: Ledger, run: RunRecord, name: str) -> None:
    with pytest.raises(RequestError, match="there is no run"):
        ledger.runs.get(name)


def test_a_unique_beginning_is_enough(ledger: Ledger, run: RunRecord) -> None:
    assert ledger.runs.get(run.id[:4]).id == run.id


def test_a_finished_run_cannot_be_claimed(ledger: Ledger, run: RunRecord) -> None:
    ledger.runs.finish(run.id, "rolled_back", elapsed_s=2.0)
    assert ledger.runs.get(run.id).finished
    with pytest.raises(RequestError, match="has ended"):
        ledger.runs.claim(run.id)
    with pytest.raises(RequestError, match="no unfinished run"):
        ledger.runs.latest_unfinished()


def test_a_run_of_a_living_process_cannot_be_taken_over(ledger: Ledger, python: Start, tmp_path: Path) -> None:
    other = python(OTHER, ledger.database.path, tmp_path / "out")
    run = line(other)
    assert ledger.runs.get(run).live
    live = ledger.runs.live_on(tmp_path / "x" / ".." / "out")
    assert live is not None
    assert live.id == run
    with pytest.raises(RequestError, match=f"process {other.pid}"):
        ledger.runs.claim(run)
    with pytest.raises(RequestError, match="another --out"):
        ledger.runs.create(Request(model="/m.onnx"), tmp_path / "out")
    with pytest.raises(RequestError, match="no unfinished run"):
        ledger.runs.latest_unfinished()


def test_a_run_of_a_dead_process_is_resumed_once(ledger: Ledger, python: Start, tmp_path: Path) -> None:
    other = python(OTHER, ledger.database.path, tmp_path / "out")
    run = line(other)
    other.kill()  # not yet waited for: a zombie does no work
    while ledger.runs.get(run).live:
        pass
    assert ledger.runs.latest_unfinished().id == run
    assert ledger.runs.live_on(tmp_path / "out") is None
    claims = [line(process) for process in [python(CLAIM, ledger.database.path, run) for _ in range(3)]]
    assert sorted(claim.startswith("running") for claim in claims) == [False, False, True]
    assert sum("is being worked on" in claim for claim in claims) == 2


def test_an_interrupted_run_can_be_resumed_by_the_same_process(ledger: Ledger, run: RunRecord) -> None:
    ledger.runs.update(run.id, status="interrupted")
    assert ledger.runs.claim(run.id).live


def test_a_resumed_run_does_not_take_anothers_folder(ledger: Ledger, request_: Request, tmp_path: Path) -> None:
    first = ledger.runs.create(request_, tmp_path / "out")
    ledger.runs.update(first.id, status="interrupted")
    ledger.runs.create(request_, tmp_path / "out")
    with pytest.raises(RequestError, match="another --out"):
        ledger.runs.claim(first.id)


def test_a_later_process_of_the_same_number_is_another() -> None:
    mine = this_process()
    assert mine.is_alive()
    assert not Owner(mine.pid, mine.started - 60).is_alive()
    assert not Owner(2**22 + 1, mine.started).is_alive()


def test_a_discarded_run_was_never_there(ledger: Ledger, run: RunRecord) -> None:
    ledger.trail.append(run.id, "attempt", {})
    ledger.leases.add(run.id, "b" * 64)
    ledger.runs.discard(run.id)
    assert ledger.runs.latest() == []
    assert ledger.trail.of(run.id) == []
    assert ledger.leases.of(run.id) == frozenset()
