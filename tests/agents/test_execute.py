"""The execution key: what decides a result is in it, and what is known is not done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipfit.agents.execute import Execution
from shipfit.agents.intake import admit
from shipfit.contracts import (
    ArtifactRef,
    Hardware,
    Job,
    MachineError,
    NormalizeStep,
    Profile,
    PruneStep,
    Request,
    Settings,
    Step,
    StepReport,
    ToolError,
)
from shipfit.memory.ledger import Ledger
from shipfit.memory.store import LocalArtifactStore
from shipfit.tools.registry import spec
from shipfit.tools.worker.local import LocalExecutor


def execution(settings: Settings, request: Request, seed: int = 0) -> Execution:
    ledger = Ledger(settings.ledger)
    run = ledger.runs.create(request).id
    store = LocalArtifactStore(settings.artifacts)
    return Execution(run, store, ledger, LocalExecutor(), settings.work, lambda event: None, seed=seed)


def normalized(execute: Execution, model: ArtifactRef, step: Step) -> tuple[int, int]:
    effort = execute("perform", StepReport, inputs={"model": model}, step=step).effort
    return effort.jobs, effort.cached_jobs


def test_equal_work_is_done_once_across_runs(tmp_path: Path, old_opset_model: Path) -> None:
    settings, request = Settings(home=tmp_path / "home"), Request(model=str(old_opset_model))
    first = execution(settings, request)
    model = admit(request, first, 2**30)["original"]
    assert normalized(first, model, NormalizeStep()) == (1, 0)
    later = execution(settings, request)
    assert normalized(later, model, NormalizeStep()) == (0, 1)
    assert normalized(later, model, NormalizeStep(target_opset=18)) == (1, 0)
    assert normalized(execution(settings, request, seed=1), model, NormalizeStep()) == (1, 0)
    assert not list(settings.work.iterdir())


def test_what_is_timed_is_measured_anew_by_every_run_unless_it_lasts(tmp_path: Path, old_opset_model: Path) -> None:
    settings, request = Settings(home=tmp_path / "home"), Request(model=str(old_opset_model))
    runs = execution(settings, request), execution(settings, request)

    def keys(tool: str, hardware: str = "here") -> set[str]:
        return {each.key(Job(tool=tool, needs=spec(tool).needs, hardware=hardware), spec(tool)) for each in runs}

    assert len(keys("benchmark")) == 2
    lasting = keys("unit_times")
    assert len(lasting) == 1
    assert not lasting & keys("unit_times", "elsewhere")
    assert keys("evaluate") != keys("evaluate", "elsewhere")


class Elsewhere(LocalExecutor):
    """Runs jobs here, as if this were another machine."""

    def hardware(self) -> Hardware:
        return Hardware(fingerprint="0123456789ab")


def test_a_run_measures_where_it_measured_first(tmp_path: Path, old_opset_model: Path) -> None:
    settings, request = Settings(home=tmp_path / "home"), Request(model=str(old_opset_model))
    first = execution(settings, request)
    assert first.ledger is not None
    first.executor = Elsewhere()
    assert first.hardware.fingerprint == "0123456789ab"
    resumed = Execution(first.run, first.store, first.ledger, LocalExecutor(), settings.work, lambda event: None)
    model = admit(request, resumed, 2**30)["original"]  # measures nothing, and so goes anywhere
    assert first.hardware == resumed.hardware
    with pytest.raises(MachineError, match="measures on hardware 0123456789ab and this machine is"):
        resumed("inspect", Profile, inputs={"model": model}, params={"timing": True})


def test_a_lost_artifact_is_made_again(tmp_path: Path, old_opset_model: Path) -> None:
    settings, request = Settings(home=tmp_path / "home"), Request(model=str(old_opset_model))
    execute = execution(settings, request)
    model = admit(request, execute, 2**30)["original"]
    made = execute("perform", StepReport, inputs={"model": model}, step=NormalizeStep()).outputs["model"]
    execute.store.remove(made.id)
    assert normalized(execute, model, NormalizeStep()) == (1, 0)
    assert execute.store.exists(made.id)


def test_failures_are_not_answers(tmp_path: Path, digits_model: Path) -> None:
    settings, request = Settings(home=tmp_path / "home"), Request(model=str(digits_model))
    execute = execution(settings, request)
    model = admit(request, execute, 2**30)["original"]
    for _ in range(2):
        with pytest.raises(ToolError):
            normalized(execute, model, PruneStep(threshold=1e-30))
    assert not list(settings.work.iterdir())
