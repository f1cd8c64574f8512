"""The machine is known once, and what is planned follows from it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shipfit.agents import host as host_module
from shipfit.agents.dry_run import scratch
from shipfit.agents.host import RETRY_S, known_host, probe_host
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.priors import time_factor
from shipfit.agents.search.reference import REFERENCE, scale
from shipfit.agents.service import Service
from shipfit.contracts import (
    Compute,
    Hardware,
    HostProbe,
    Interval,
    Job,
    JobResult,
    OperatorClass,
    OptimizationError,
    Outcome,
    Plan,
    Profile,
    QuantizeLever,
    Recalled,
    Request,
    RequestError,
    Settings,
    ToolError,
    WorkerCrashed,
)
from shipfit.memory.ledger import Ledger
from shipfit.tools.hardware import fingerprint, this_machine

from ..hosts import WITH_VNNI, WITHOUT_VNNI, make_host
from .facts import make_profile, make_state

POLICY = BuiltInPolicy()


class Measuring:
    """An executor that answers with a probe, or with an error, and counts."""

    def __init__(self, answer: HostProbe | OptimizationError) -> None:
        self.answer, self.jobs = answer, list[Job]()

    def run(self, job: Job, *_: object) -> JobResult:
        self.jobs.append(job)
        if isinstance(self.answer, OptimizationError):
            raise self.answer
        return JobResult(report=self.answer.model_dump(mode="json"))

    def hardware(self) -> Hardware:
        return this_machine()

    def cancel(self) -> None: ...


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", host_probe=None)


def found(settings: Settings, ledger: Ledger, executor: Any) -> HostProbe:
    with scratch(settings, executor, Request(model="m.onnx")) as execute:
        return probe_host(settings, ledger, execute)[0]


def here(note: str = "") -> HostProbe:
    return make_host(fingerprint(), runtime=host_module.runtime_label(), note=note)


def test_a_machine_is_measured_once_for_each_runtime(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Measuring(here())
    with Ledger(settings.ledger) as ledger:
        assert found(settings, ledger, executor) == found(settings, ledger, executor) == here()
        assert [job.needs for job in executor.jobs] == ["bench"]
        monkeypatch.setattr(host_module, "runtime_label", lambda: "onnxruntime 99")
        assert known_host(settings, ledger) is None


def test_runs_that_begin_together_measure_once(settings: Settings) -> None:
    executor = Measuring(here())
    with Ledger(settings.ledger) as ledger, ThreadPoolExecutor(4) as pool:
        hosts = list(pool.map(lambda _: found(settings, ledger, executor), range(4)))
    assert hosts == [here()] * 4
    assert len(executor.jobs) == 1


@pytest.mark.parametrize("answer", [ToolError("no session"), here(note="too noisy to tell: LSTM")])
def test_what_could_not_be_told_is_measured_again_after_a_while(
    answer: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Measuring(answer)
    with Ledger(settings.ledger) as ledger:
        first = found(settings, ledger, executor)
        assert first.note
        assert first.source == ("assumed" if isinstance(answer, ToolError) else "measured")
        assert known_host(settings, ledger) == first
        later = time.time() + RETRY_S + 1
        monkeypatch.setattr("time.time", lambda: later)
        assert known_host(settings, ledger) is None


def test_a_worker_that_is_killed_says_nothing_of_the_machine(settings: Settings) -> None:
    with Ledger(settings.ledger) as ledger:
        assert found(settings, ledger, Measuring(WorkerCrashed("killed"))).source == "assumed"
        assert known_host(settings, ledger) is None


def test_a_probe_that_is_given_replaces_measuring(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text(WITHOUT_VNNI.model_dump_json())
    settings = Settings(home=tmp_path / "home", host_probe=path)
    with Ledger(settings.ledger) as ledger:
        host = found(settings, ledger, Measuring(ToolError("never asked")))
    assert (host.fingerprint, host.source) == ("older", "given")


@pytest.mark.parametrize("body", [None, "", "{}", '{"fingerprint": 3}', "[" * 100_000])
def test_a_given_file_that_is_no_probe_is_refused_before_anything_is_done(
    body: str | None, tmp_path: Path, digits_model: Path
) -> None:
    path = tmp_path / "probe.json"
    if body is not None:
        path.write_text(body)
    service = Service(Settings(home=tmp_path / "home", host_probe=path))
    with pytest.raises(RequestError, match="SHIPFIT_HOST_PROBE") as refused:
        service.start(Request(model=str(digits_model)))
    assert "\n" not in refused.value.message
    assert service.runs() == []


def first_plan(profile: Profile, host: HostProbe, **bounds: Any) -> QuantizeLever:
    plan = POLICY.propose(make_state(profile, host=host, **bounds))
    assert plan is not None
    assert plan.quantize is not None
    return plan.quantize


def test_the_same_request_is_planned_differently_without_vnni(conv_profile: Profile) -> None:
    bounds = {"max_size_ratio": 0.3, "max_accuracy_drop": 0.01}
    assert first_plan(conv_profile, WITH_VNNI, **bounds).compute["Conv"] == "static"
    without = first_plan(conv_profile, WITHOUT_VNNI, **bounds)
    assert (without.compute, without.storage) == ({}, "int8")


def slowed(operators: OperatorClass, form: Compute, by: float) -> HostProbe:
    """The reference machine but for one form of one class."""
    times = [
        item.model_copy(
            update={
                "ratio": item.ratio * by,
                "interval": Interval(low=item.interval.low * by, high=item.interval.high * by),
            }
        )
        if (item.operators, item.form) == (operators, form)
        else item
        for item in WITH_VNNI.times
    ]
    return WITH_VNNI.model_copy(update={"times": tuple(times)})


@pytest.mark.parametrize(
    ("op_type", "form", "class_of"),
    [
        ("Conv", "static", "conv_wide"),
        ("Gemm", "static", "product_large"),
        ("Gemm", "dynamic", "product_large"),
        ("LSTM", "dynamic", "recurrent"),
    ],
)
def test_each_class_scales_its_own_prior(op_type: str, form: Compute, class_of: OperatorClass) -> None:
    profile = make_profile(Conv=(4, 4_000_000, 0.4), Gemm=(2, 2_000_000, 0.3), LSTM=(1, 2_000_000, 0.3))
    slower = slowed(class_of, form, 2.0)
    every: tuple[tuple[str, Compute], ...] = (
        ("Conv", "static"), ("Gemm", "static"), ("Gemm", "dynamic"), ("LSTM", "dynamic"),
    )  # fmt: skip
    for each in every:
        factor = time_factor(*each, profile, slower) / time_factor(*each, profile, WITH_VNNI)
        assert factor == pytest.approx(2.0 if each == (op_type, form) else 1.0)


def test_depthwise_convolutions_count_by_their_share(mobile_profile: Profile) -> None:
    slower, usual = (
        time_factor("Conv", "static", mobile_profile, host) for host in (slowed("depthwise", "static", 3.0), WITH_VNNI)
    )
    assert slower / usual == pytest.approx(0.6 + 0.4 * 3)  # 12 of 30


def test_what_differs_no_more_than_probes_do_changes_nothing() -> None:
    for operators, form in REFERENCE:
        assert scale(operators, form, make_host(slower=1.1)) == 1.0
        vague = [
            item.model_copy(update={"interval": Interval(low=0.1, high=2.0)}) for item in make_host(slower=3).times
        ]
        assert scale(operators, form, WITH_VNNI.model_copy(update={"times": tuple(vague)})) == 1.0
        assert scale(operators, form, WITH_VNNI.model_copy(update={"times": ()})) == 1.0
        assert scale(operators, form, WITHOUT_VNNI.model_copy(update={"times": ()})) > 1.0


def recalled(profile: Profile, hardware: str, **changes: Any) -> Recalled:
    request = Request(model="m.onnx")
    outcome = Outcome(
        id="r-1", run="r", created=0.0, model="0" * 64, profile=profile, target=request.target,
        constraints=request.constraints, hardware=hardware, verdict="met", size_ratio=0.26, speedup=4.0, drop=0.0,
        fidelity_db=31.0, plan=Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8")),
    )  # fmt: skip
    return Recalled(outcome=outcome.model_copy(update=changes), similarity=1.0, same_model=True)


@pytest.mark.parametrize(
    ("measured_on", "planned_for", "trusted"),
    [("h", WITH_VNNI, True), ("other", WITH_VNNI, True), ("h", WITHOUT_VNNI, False), ("older", WITHOUT_VNNI, True)],
)
def test_speed_measured_on_another_machine_is_not_believed(
    conv_profile: Profile, measured_on: str, planned_for: HostProbe, trusted: bool
) -> None:
    asked: list[dict[str, Any]] = [{"max_size_ratio": 0.3}, {"max_size_ratio": 0.3, "min_speedup": 2.0}]
    for bounds in asked:
        state = make_state(conv_profile, host=planned_for, **bounds)
        state = state.model_copy(update={"recalled": (recalled(conv_profile, measured_on),)})
        plan = POLICY.propose(state)
        assert plan is not None
        assert (plan.proposer == "memory") == (trusted or "min_speedup" not in bounds)
