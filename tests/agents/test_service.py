"""Whole runs on a small real model: met, rolled back, interrupted, resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from shipfit.agents.service import Service
from shipfit.contracts import (
    Constraints,
    Event,
    Hardware,
    Interrupted,
    Job,
    JobResult,
    MachineError,
    OptimizationResponse,
    ProgressSink,
    Request,
    RequestError,
    Settings,
    Target,
    UserError,
    WorkerCrashed,
)

from ..remembering import RememberingExecutor


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def ask(model: Path, data: Path | None, /, **fields: object) -> Request:
    """Timings are the harness's business: here they are measured, and not guarded."""
    base = {"model": str(model), "data": str(data) if data else None, "allow_regression": ("latency", "memory")}
    return Request.model_validate({**base, **fields})


def go(service: Service, run: str) -> tuple[OptimizationResponse, list[Event]]:
    events = list(service.events(run))
    return service.response(run), events


def fit(service: Service, request: Request) -> OptimizationResponse:
    return go(service, service.start(request))[0]


FEASIBLE = Constraints(max_size_ratio=0.4, max_accuracy_drop=0.02)


def test_a_request_is_met_and_its_repetition_takes_one_attempt(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    service = Service(settings, remembering)
    request = ask(digits_model, digits_data, constraints=FEASIBLE)
    response, events = go(service, service.start(request))
    assert response.status == "met", response.reason
    assert response.first_met is not None
    assert all(item.met for item in response.constraints)
    assert response.comparison is not None
    assert response.comparison.size_ratio.value <= 0.4
    assert response.optimized is not None
    assert response.optimized.accuracy is not None
    assert response.optimized.accuracy.samples == response.provenance.split["final"]
    assert response.artifact.size_bytes == response.optimized.size.value
    assert response.layers
    assert events[0].event == "run_started"
    assert events[-1].event == "run_finished"
    again = fit(Service(settings, remembering), request)
    assert (again.status, again.first_met, len(again.attempts)) == ("met", 1, 1)
    assert again.attempts[0].plan.proposer == "memory"
    assert again.effort.cached_jobs > 0
    assert again.artifact.sha256 == response.artifact.sha256


@pytest.mark.slow
def test_an_impossible_request_gives_the_original_back_with_offers(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    service = Service(settings, remembering)
    run = service.start(ask(digits_model, digits_data, constraints={"max_size_ratio": 0.01, "max_accuracy_drop": 0}))
    response, _ = go(service, run)
    assert response.status == "rolled_back"
    assert response.artifact.original
    assert (service.product_folder(run) / "model.onnx").read_bytes() == digits_model.read_bytes()
    assert len(response.offers) >= 2
    assert all(offer.command and offer.metrics.latency and offer.metrics.accuracy for offer in response.offers)
    assert response.first_met is None


@pytest.mark.slow
def test_shuffled_labels_are_never_met(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path, tmp_path: Path
) -> None:
    arrays = dict(np.load(digits_data))
    arrays["labels"] = np.random.default_rng(0).permutation(arrays["labels"])
    shuffled = tmp_path / "shuffled.npz"
    np.savez(shuffled, **arrays)
    response = fit(Service(settings, remembering), ask(digits_model, shuffled, constraints={"min_accuracy": 0.95}))
    assert response.status == "rolled_back"
    assert len(response.attempts) <= 4


@pytest.mark.slow
def test_a_target_that_cannot_be_measured_here_is_unverified(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    request = ask(digits_model, digits_data, constraints=FEASIBLE, target=Target(platform="edge"))
    response = fit(Service(settings, remembering), request)
    assert (response.status, response.exit_status) == ("unverified", 4)
    where = {item.name: item.measured_on for item in response.constraints}
    assert "standing in for edge" in where["max_accuracy_drop"]
    assert where["max_size_ratio"] == "-"  # bytes are bytes everywhere


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": {"platform": "browser"}},
        {"target": {"runtime": "webgl"}},
        {"optimization": {"pruning": {"method": "fisher"}}},
        {"output": "no such output"},
        {"model": "missing.onnx"},
        {"data": "missing.npz"},
        {"data": None, "constraints": {"min_accuracy": 0.9}},
    ],
)
def test_a_wrong_request_is_refused_and_leaves_nothing(
    settings: Settings, digits_model: Path, digits_data: Path, wrong: dict[str, object]
) -> None:
    service = Service(settings)
    with pytest.raises(UserError) as refused:
        service.start(ask(digits_model, digits_data, **wrong))
    assert "\n" not in refused.value.message
    assert service.runs() == []
    assert service.store.ids() == []


def test_no_time_ends_in_a_rollback_that_lists_the_bounds(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    request = ask(digits_model, digits_data, constraints=FEASIBLE, budget={"time_limit_s": 0.001})
    response = fit(Service(settings, remembering), request)
    assert response.status == "rolled_back"
    assert "time limit of 1 ms" in response.reason
    assert {item.name: item.met for item in response.constraints} == {"max_size_ratio": None, "max_accuracy_drop": None}


def test_what_ended_a_run_is_told_even_when_the_ledger_cannot_be_written(
    settings: Settings,
    remembering: RememberingExecutor,
    digits_model: Path,
    digits_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service(settings, remembering)
    run = service.start(ask(digits_model, digits_data, constraints=FEASIBLE))

    def full(*_: object, **__: object) -> None:
        raise MachineError("the disk is full")

    monkeypatch.setattr(service.ledger.runs, "update", full)
    with pytest.raises(MachineError, match="the disk is full"):
        list(service.events(run))


@pytest.mark.slow
def test_ctrl_c_while_a_model_is_admitted_says_how_to_go_on(
    settings: Settings,
    remembering: RememberingExecutor,
    digits_model: Path,
    digits_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service(settings, remembering)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(service.executor, "run", interrupted)
        with pytest.raises(Interrupted, match="shipfit resume"):
            service.start(ask(digits_model, digits_data, constraints=FEASIBLE))
    run = service.runs()[0]
    assert run.status == "interrupted"
    response, _ = go(service, service.resume(run.id))
    assert response.status == "met"


def test_a_model_above_the_limit_is_refused(tmp_path: Path, digits_model: Path) -> None:
    service = Service(Settings(home=tmp_path / "home", max_model_bytes=1000))
    with pytest.raises(UserError, match="SHIPFIT_MAX_MODEL"):
        service.start(ask(digits_model, None))


class Faulty:
    """A real executor whose child dies the first time it performs a step of one kind."""

    def __init__(self, kind: str, real: RememberingExecutor) -> None:
        self.real = real
        self.kind = kind
        self.died = False

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        if job.step is not None and job.step.kind == self.kind and not self.died:
            self.died = True
            raise WorkerCrashed("the worker died of SIGSEGV")
        return self.real.run(job, inputs, work, progress)

    def hardware(self) -> Hardware:
        return self.real.hardware()

    def cancel(self) -> None:
        self.real.cancel()


@pytest.mark.slow
def test_a_crash_is_a_failed_attempt_and_the_run_goes_on(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    request = ask(digits_model, digits_data, constraints=FEASIBLE, memory=False)
    response = fit(Service(settings, executor=Faulty("quantize", remembering)), request)
    kinds = [attempt.verdict.kind for attempt in response.attempts]
    assert "failed" in kinds
    assert response.status == "met"
    broken = response.attempts[kinds.index("failed")]
    assert broken.error_type == "WorkerCrashed"
    assert "SIGSEGV" in broken.verdict.reason


@pytest.mark.slow
def test_a_cancelled_run_is_resumed_without_repeating_work(
    settings: Settings, digits_model: Path, digits_data: Path
) -> None:
    service = Service(settings)
    run = service.start(ask(digits_model, digits_data, constraints=FEASIBLE))
    events = service.events(run)
    for event in events:
        if event.event == "node_started" and event.node == "measure":
            break
    service.cancel(run)
    with pytest.raises(Interrupted):
        list(events)
    assert service.run(run).status == "interrupted"
    later = Service(settings)
    assert later.resume() == run
    response, seen = go(later, run)
    assert response.status == "met"
    nodes = [event.node for event in seen if event.event == "node_finished"]
    assert "profile" not in nodes
    assert nodes[0] == "measure"
    with pytest.raises(RequestError, match="no unfinished run"):
        later.resume()


def test_a_dry_run_predicts_and_keeps_nothing(
    settings: Settings, remembering: RememberingExecutor, digits_model: Path, digits_data: Path
) -> None:
    service = Service(settings, remembering)
    seen = service.dry_run(ask(digits_model, digits_data, constraints=FEASIBLE))
    assert seen.plans[0].reason
    assert seen.plans[0].predicted is not None
    low, high = seen.seconds_estimate
    assert 0 < low <= high
    assert service.runs() == []
    assert not settings.artifacts.exists()
