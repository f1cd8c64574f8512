from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shipfit.contracts import ArtifactRef, JobResult, Request
from shipfit.memory import prune
from shipfit.memory.ledger import Ledger
from shipfit.memory.prune import prune_runs
from shipfit.memory.store import LocalArtifactStore

Start = Callable[..., subprocess.Popen[str]]
Put = Callable[[str, str], ArtifactRef]


@pytest.fixture
def put(ledger: Ledger, store: LocalArtifactStore, tmp_path: Path) -> Put:
    """Store a file for a run, as the output of an execution keyed by its content."""

    def call(run: str, content: str) -> ArtifactRef:
        source = tmp_path / "source"
        source.write_text(content)
        reference = store.put(source, "model", claim=ledger.leases.claim(run))
        ledger.executions.record(content, "perform", JobResult(report={}), {"model": reference}, run)
        return reference

    return call


def new_run(ledger: Ledger) -> str:
    return ledger.runs.create(Request(model="/m.onnx")).id


def test_a_finished_run_goes_with_all_that_it_alone_used(ledger: Ledger, store: LocalArtifactStore, put: Put) -> None:
    done, live = new_run(ledger), new_run(ledger)
    own, shared = put(done, "own"), put(done, "shared")
    ledger.executions.find("shared", live)
    ledger.trail.append(done, "attempt", {})
    ledger.runs.finish(done, "met")
    report = prune_runs(ledger, store)
    assert report.runs == (done,)
    assert report.executions == 1
    assert report.artifacts == (own.id,)
    assert report.freed_bytes == len("own")
    assert store.ids() == [shared.id]
    assert ledger.trail.of(done) == []
    assert ledger.executions.find("own", live) is None
    assert ledger.executions.find("shared", live) is not None
    assert prune_runs(ledger, store).runs == ()


def test_unfinished_runs_stay_unless_everything_goes(ledger: Ledger, store: LocalArtifactStore, put: Put) -> None:
    interrupted, live = new_run(ledger), new_run(ledger)
    first, second = put(interrupted, "first"), put(live, "second")
    ledger.runs.update(interrupted, status="interrupted")
    assert prune_runs(ledger, store).artifacts == ()
    report = prune_runs(ledger, store, everything=True)
    assert (report.runs, report.artifacts) == ((interrupted,), (first.id,))
    assert store.ids() == [second.id]


def test_young_and_latest_runs_may_be_spared(ledger: Ledger, store: LocalArtifactStore) -> None:
    runs = [new_run(ledger) for _ in range(4)]
    for run in runs:
        ledger.runs.finish(run, "failed")
    assert prune_runs(ledger, store, older_than_s=3600).runs == ()
    assert set(prune_runs(ledger, store, keep=2).runs) == set(runs[:2])
    with ledger.database.write() as database:
        database.execute("UPDATE runs SET updated = updated - 7200 WHERE id = ?", (runs[2],))
    assert prune_runs(ledger, store, older_than_s=3600).runs == (runs[2],)


def test_artifacts_that_nobody_leases_go(ledger: Ledger, store: LocalArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "stray").write_text("stray")
    stray = store.put(tmp_path / "stray", "model")
    assert prune_runs(ledger, store).artifacts == (stray.id,)


# A run that puts, finds and reads the same few artifacts all the time, beside others that end and are pruned.
LIVE = """
import sys
from pathlib import Path
from shipfit.contracts import JobResult, Request
from shipfit.memory.ledger import Ledger
from shipfit.memory.store import LocalArtifactStore

home = Path(sys.argv[1])
store = LocalArtifactStore(home / "artifacts")
source = home / sys.argv[2]
print("ready", flush=True)
with Ledger(home / "ledger.sqlite") as ledger:
    for number in range(int(sys.argv[3])):
        run = ledger.runs.create(Request(model="/m.onnx")).id
        key = str(number % 3)
        execution = ledger.executions.find(key, run)
        if execution is None:
            source.write_text(key)
            reference = store.put(source, "model", move=True, claim=ledger.leases.claim(run))
            ledger.executions.record(key, "perform", JobResult(report={}), {"model": reference}, run)
        else:
            reference = execution.outputs["model"]
        assert (store.path(reference) / "model.onnx").read_text() == key
        assert ledger.executions.find(key, run) is not None
        ledger.runs.finish(run, "met")
"""


def test_pruning_never_races_a_live_run(
    ledger: Ledger, store: LocalArtifactStore, python: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "DELIVERY_S", 0.0)  # these runs deliver nothing
    ledger.outcomes.count()
    home = ledger.database.path.parent
    processes = [python(LIVE, home, name, 60) for name in ("one", "two")]
    removed = 0
    while any(process.poll() is None for process in processes):
        removed += len(prune_runs(ledger, store).artifacts)
    assert [process.returncode for process in processes] == [0, 0]
    assert removed > 0
    prune_runs(ledger, store)
    assert store.ids() == []


def test_a_run_that_another_process_is_delivering_stays_for_a_while(
    ledger: Ledger, store: LocalArtifactStore, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(ledger)
    put(run, "product")
    ledger.runs.finish(run, "met")
    parent = psutil.Process(os.getppid())
    with ledger.database.write() as database:
        database.execute("UPDATE runs SET pid = ?, process_started = ?", (parent.pid, parent.create_time()))
    assert prune_runs(ledger, store, everything=True).runs == ()
    monkeypatch.setattr(prune, "DELIVERY_S", 0.0)
    assert prune_runs(ledger, store).runs == (run,)
