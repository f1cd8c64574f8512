"""Commands over single tools, the tools themselves replaced: what is asked of them, what is printed, which status."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipfit.agents import standalone
from shipfit.contracts import (
    ArtifactRef,
    Benchmark,
    CompatibilityReport,
    Evaluation,
    NormalizeStep,
    Recipe,
    RequestError,
    RuntimeSettings,
    StepReport,
)
from shipfit.interfaces.cli.gate import read_conditions

from .. import responses
from ..conftest import Answer

Shipfit = Callable[..., Answer]


def benchmark_result(speed: float = 1.5, conclusive: bool = True, labelled: bool = True) -> standalone.BenchmarkResult:
    before = responses.metrics(responses.ORIGINAL_BYTES, 1.42, 0.93 if labelled else None)
    after = responses.metrics(0.26 * responses.ORIGINAL_BYTES, 1.42 / speed, 0.925 if labelled else None)
    assert before.latency is not None
    assert after.latency is not None
    assert before.throughput is not None
    assert after.throughput is not None
    quantity = responses.quantity
    return standalone.BenchmarkResult(
        benchmark=Benchmark(
            speedup=quantity(speed, "ratio", 0.02), same_arm=quantity(1.0, "ratio"), conclusive=conclusive,
            baseline=before.latency, candidate=after.latency, baseline_throughput=before.throughput,
            candidate_throughput=after.throughput, rounds=400, seconds=8.0,
        ),
        evaluation=Evaluation(
            part="final", samples=450, fidelity=quantity(31, "dB"),
            candidate_accuracy=quantity(0.925, "fraction") if labelled else None,
            drop=quantity(0.005, "fraction") if labelled else None,
        ),
        comparison=responses.comparison(0.26, speed, -0.005 if labelled else None, 31), baseline=before,
        candidate=after,
    )  # fmt: skip


@pytest.fixture
def benchmarked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Benchmarks that end with `result`; what was asked is in `asked`."""
    seen = SimpleNamespace(result=benchmark_result(), asked=None)

    def measure(*arguments: Any, **options: Any) -> standalone.BenchmarkResult:
        seen.asked = options
        return seen.result

    monkeypatch.setattr(standalone, "benchmark_models", measure)
    Path("b.onnx").write_bytes(b"another")
    return seen


GATES = [
    ("speed < 1.1", 0), ("speed < 2", 3), ("speed<=1.5x", 3), ("size > 30%", 0), ("size > 0.2", 3), ("size > 3MB", 0),
    ("size >= 2MB", 3), ("size_ratio > 25 %", 3), ("drop > 0.01", 0), ("drop > 0.1%", 3), ("fidelity < 40dB", 3),
    ("latency > 50ms", 0), ("latency > 0.1 ms", 3), ("memory_ratio > 1", 0), ("accuracy < 95%", 3),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "status"), GATES)
def test_gate(expression: str, status: int, benchmarked: SimpleNamespace, shipfit: Shipfit):
    answer = shipfit("benchmark", "digits.onnx", "b.onnx", "--data", "digits.npz", "--fail-if", expression)
    assert answer.status == status
    assert ("gate closed" in answer.err) == (status == 3)


@pytest.mark.parametrize(
    "expression",
    ["", "speed", "speed < ", "speed = 1", "velocity < 1", "speed < 3 parsecs", "speed < 1 or size > 2", "speed < nan",
     "size > ten", "fidelity < 3ms"],
)  # fmt: skip
def test_wrong_condition_is_found_before_measuring(expression: str, benchmarked: SimpleNamespace, shipfit: Shipfit):
    answer = shipfit("benchmark", "digits.onnx", "b.onnx", "--fail-if", expression)
    assert answer.status == 2
    assert "--fail-if" in answer.error
    assert benchmarked.asked is None


def test_speed_that_is_too_noisy_closes_its_gate_only(benchmarked: SimpleNamespace, shipfit: Shipfit):
    benchmarked.result = benchmark_result(speed=9, conclusive=False)
    speed = shipfit("benchmark", "digits.onnx", "b.onnx", "--fail-if", "speed < 1.1")
    size = shipfit("benchmark", "digits.onnx", "b.onnx", "--fail-if", "size > 2")
    assert (speed.status, size.status) == (3, 0)
    assert "too noisy to tell" in speed.err


def test_labels_are_needed_where_accuracy_is_asked(benchmarked: SimpleNamespace, shipfit: Shipfit):
    with pytest.raises(RequestError, match="needs labelled data"):
        read_conditions(["drop > 1%"], has_data=False)
    benchmarked.result = benchmark_result(labelled=False)
    answer = shipfit("benchmark", "digits.onnx", "b.onnx", "--data", "digits.npz", "--fail-if", "drop > 1%")
    assert (answer.status, "the data have no labels" in answer.err) == (2, True)


def test_benchmark_json(benchmarked: SimpleNamespace, shipfit: Shipfit):
    answer = shipfit("benchmark", "digits.onnx", "b.onnx", "--json", "--seconds", "2", "--threads", "2")
    document = json.loads(answer.out)
    assert document["benchmark"]["speedup"]["value"] == 1.5
    assert document["failed"] == []
    assert (benchmarked.asked["seconds"], benchmarked.asked["threads"]) == (2.0, 2)


def test_benchmark_table(benchmarked: SimpleNamespace, shipfit: Shipfit):
    out = " ".join(shipfit("benchmark", "digits.onnx", "b.onnx").out.split())
    assert "size 8.42 MB 2.189 MB −74 %" in out
    assert "A against itself 1×" in out


@pytest.mark.parametrize("compatible", [True, False])
def test_check(compatible: bool, monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    problems = () if compatible else ("INVALID_GRAPH \x1b[31m",)
    report = CompatibilityReport(runtime="onnx", loads=compatible, runs=compatible, opset=17, problems=problems)
    monkeypatch.setattr(standalone, "check_model", lambda *_, **__: report)
    answer = shipfit("check", "digits.onnx")
    assert answer.status == (0 if compatible else 3)
    assert "\x1b" not in answer.out
    assert json.loads(shipfit("check", "digits.onnx", "--json").out)["compatible"] is compatible


def test_check_refuses_a_runtime_that_nothing_serves(shipfit: Shipfit):
    assert "'webgpu' is not served" in shipfit("check", "digits.onnx", "--runtime", "webgpu").error


def test_inspect(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    profile = responses.profile().model_copy(update={"producer": "evil\x1b]0;owned\x07", "warnings": ("opset is old",)})
    monkeypatch.setattr(standalone, "inspect_model", lambda *_, **__: profile)
    answer = shipfit("inspect", "digits.onnx")
    assert answer.status == 0
    assert "\x1b" not in answer.out
    assert "image float32 batch×1×8×8" in answer.out
    assert "note: opset is old" in answer.out
    assert json.loads(shipfit("inspect", "digits.onnx", "--json").out)["opset"] == 17


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> None:
    def replay(settings: Any, model: str, recipe: Recipe, target: Path, **_: Any) -> standalone.AppliedRecipe:
        (target / "model.onnx").write_bytes(b"made")
        reports = tuple(StepReport(step=step, changed=True, notes=("opset 11 → 17",)) for step in recipe.steps)
        settings = RuntimeSettings(intra_op_num_threads=2)
        return standalone.AppliedRecipe(artifact=ArtifactRef(id="b" * 64), reports=reports, settings=settings)

    monkeypatch.setattr(standalone, "apply_recipe", replay)
    recipe = Recipe(model=responses.DIGEST, steps=(NormalizeStep(),))
    Path("recipe.json").write_text(recipe.model_dump_json())


@pytest.mark.usefixtures("applied")
def test_apply(shipfit: Shipfit):
    answer = shipfit("apply", "digits.onnx", "recipe.json", "--out", "again")
    assert answer.status == 0
    assert sorted(os.listdir("again")) == ["model.onnx", "recipe.json", "runtime.json"]
    assert json.loads(Path("again/runtime.json").read_text())["intra_op_num_threads"] == 2
    assert "normalize: opset 11 → 17" in answer.out


@pytest.mark.usefixtures("applied")
def test_apply_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    def fail(*_: Any, **__: Any) -> None:
        raise RequestError("the recipe was made for another model")

    monkeypatch.setattr(standalone, "apply_recipe", fail)
    before = sorted(os.listdir())
    assert shipfit("apply", "digits.onnx", "recipe.json", "--out", "again").status == 2
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no recipe"),
        ("[]", "is no recipe"),
        ("[" * 100_000, "is no recipe"),
        ('{"version": 2, "model": "x"}', "version"),
        ('{"model": "x", "steps": [{"kind": "shell", "command": "rm"}]}', "steps.0"),
        ('{"model": "x", "evil": "\\u001b[31m"}', "evil"),
        ('{"model": "x", "seed": -1}', "seed"),
        ('{"model": "x", "steps": [{"kind": "tune_runtime", "threads": 0}]}', "threads"),
        ('{"model": "x", "steps": [{"kind": "quantize", "samples": -5}]}', "samples"),
        ('{"model": "x", "steps": [' + ",".join(['{"kind": "normalize"}'] * 65) + "]}", "steps"),
    ],
)
def test_hostile_recipe(text: str, message: str, shipfit: Shipfit):
    Path("recipe.json").write_text(text)
    answer = shipfit("apply", "digits.onnx", "recipe.json", "--out", "again")
    assert answer.status == 2
    assert message in answer.error
    assert "\x1b" not in answer.err


def test_doctor(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    report = CompatibilityReport(runtime="onnx", loads=True, runs=True, opset=17)
    monkeypatch.setattr(standalone, "check_model", lambda *_, **__: report)
    monkeypatch.setattr("shipfit.tools.worker.protections.protections", lambda: {"network denied": False})
    answer = shipfit("doctor")
    assert answer.status == 0
    assert "network denied" in answer.out
    document = json.loads(shipfit("doctor", "--json").out)
    assert document["ok"] is True
    assert {"group": "protections", "name": "network denied", "text": "not available here", "ok": False} in document[
        "findings"
    ]


def test_doctor_says_when_no_job_can_run(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    def fail(*_: Any, **__: Any) -> None:
        raise RequestError("no child could be started")

    monkeypatch.setattr(standalone, "check_model", fail)
    answer = shipfit("doctor")
    assert (answer.status, "no child could be started" in answer.out) == (1, True)


def test_usage(shipfit: Shipfit):
    assert shipfit("--version").out.startswith("shipfit 0.")
    assert "No such command 'optimise'" in shipfit("optimise").error
    assert shipfit("inspect").error.endswith("see shipfit inspect --help")
    assert shipfit("optimize", "x.onnx", "--max-sise", "3").status == 2
    assert shipfit().status == 2


def test_interrupted_tool(monkeypatch: pytest.MonkeyPatch, shipfit: Shipfit):
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(standalone, "inspect_model", interrupt)
    answer = shipfit("inspect", "digits.onnx")
    assert (answer.status, answer.error) == (130, "interrupted")
    assert json.loads(shipfit("inspect", "digits.onnx", "--json").out)["error"] == "Interrupted"


@pytest.mark.parametrize("words", [("inspect", "digits.onnx"), ("check", "digits.onnx"),
                                   ("benchmark", "digits.onnx", "digits.onnx")])  # fmt: skip
def test_empty_name_of_data_is_not_no_data(words: tuple[str, ...], shipfit: Shipfit):
    answer = shipfit(*words, "--data", "")
    assert (answer.status, "--data is empty" in answer.error) == (2, True)
