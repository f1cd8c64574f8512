"""Single tool calls outside a run: inspect, benchmark, check, apply, and the demo's model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..contracts import (
    ArtifactRef,
    Benchmark,
    CompatibilityReport,
    Contract,
    DataRef,
    DataReport,
    DemoReport,
    DeploymentMetrics,
    Evaluation,
    HostProbe,
    OptimizationMetrics,
    Profile,
    ProgressSink,
    Recipe,
    Request,
    RequestError,
    RuntimeSettings,
    SampleReport,
    Settings,
    StepReport,
    check_served,
)
from ..memory.ledger import Ledger
from ..tools.judge import Evidence
from ..tools.worker.local import LocalExecutor
from .dry_run import scratch
from .evidence import candidate_metrics, compare, original_metrics
from .execute import Execution
from .host import probe_host
from .intake import absolute_source, admit, admit_model

Shape = Mapping[str, tuple[int, ...]]
MODEL_FILE = "model.onnx"


class BenchmarkResult(Contract):
    """Two models side by side: timing, footprint and, on the selection part, quality."""

    benchmark: Benchmark
    evaluation: Evaluation
    comparison: OptimizationMetrics
    baseline: DeploymentMetrics
    candidate: DeploymentMetrics


class AppliedRecipe(Contract):
    """What a recipe made, and the reports of its steps."""

    artifact: ArtifactRef
    reports: tuple[StepReport, ...]
    settings: RuntimeSettings


class SampleFiles(Contract):
    """A small model, its data, and samples that were held out from them."""

    model: Path
    data: Path
    held_out: Path
    report: SampleReport


class DemoFiles(Contract):
    """The demo's model and its held-out data."""

    model: Path
    data: Path
    report: DemoReport


def _request(
    path: str,
    data: str | None,
    shape: Shape | None,
    threads: int = 1,
    seed: int = 0,
    handling: Mapping[str, Any] | None = None,
) -> Request:
    """Return a request for one model; `handling` are further fields, which say how data are read and scored."""
    fields: dict[str, Any] = {"threads": threads, "seed": seed, "memory": False, **(handling or {})}
    if shape:
        fields["shape"] = {name: tuple(dims) for name, dims in shape.items()}
    return check_served(Request(model=absolute_source(path), data=data, **fields))


def inspect_model(
    settings: Settings,
    path: str,
    data: str | None = None,
    timing: bool = True,
    shape: Shape | None = None,
    progress: ProgressSink | None = None,
) -> Profile:
    """Admit a model and return its profile.

    Raises:
        UserError: the model or the data cannot be used.
    """
    request = _request(path, data, shape)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        model = admit_model(request, execute, settings.max_model_bytes).outputs["model"]
        ref = _data(execute, model, request) if data or shape else None
        return execute("inspect", Profile, inputs={"model": model}, data=ref, params={"timing": timing}).report


def benchmark_models(
    settings: Settings,
    original: str,
    candidate: str,
    data: str | None = None,
    threads: int = 1,
    seconds: float = 8.0,
    shape: Shape | None = None,
    handling: Mapping[str, Any] | None = None,
    progress: ProgressSink | None = None,
) -> BenchmarkResult:
    """Time two models together, and compare what they answer.

    `handling` are fields of `Request` that say how data are read and scored, such as `metric` or `state`.

    Raises:
        UserError: a model or the data cannot be used, or the two do not have the same inputs.
    """
    request = _request(original, data, shape, threads, handling=handling)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        admitted = admit(request, execute, settings.max_model_bytes)
        other = admit_model(_request(candidate, data, shape), execute, settings.max_model_bytes).outputs["model"]
        arms = {"original": admitted["original"], "candidate": other}
        judged = execute("evaluate", Evaluation, inputs=arms, data=admitted["data"], params={"part": "final"}).report
        timed = execute(
            "benchmark", Benchmark, inputs=arms, data=admitted["data"], params={"seconds": seconds, "footprint": True}
        ).report
    known = Evidence(
        original_bytes=admitted["original"].size_bytes,
        candidate_bytes=other.size_bytes,
        evaluation=judged,
        benchmark=timed,
    )
    return BenchmarkResult(
        benchmark=timed,
        evaluation=judged,
        comparison=compare(known),
        baseline=original_metrics(known),
        candidate=candidate_metrics(known),
    )


def check_model(
    settings: Settings,
    path: str,
    runtime: Literal["onnx"] = "onnx",
    data: str | None = None,
    shape: Shape | None = None,
    progress: ProgressSink | None = None,
) -> CompatibilityReport:
    """Tell whether a model loads and runs, and what stands in the way.

    Raises:
        UserError: the file is no model, or the runtime is not served.
    """
    request = _request(path, data, shape)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        model = admit_model(request, execute, settings.max_model_bytes, load=False).outputs["model"]
        ref = _data(execute, model, request) if data else None
        return execute(
            "check",
            CompatibilityReport,
            inputs={"model": model},
            data=ref,
            params={"runtime": runtime, "shape": {name: list(dims) for name, dims in request.shape.items()}},
        ).report


def _data(execute: Execution, model: ArtifactRef, request: Request) -> DataRef:
    shape = {name: list(dims) for name, dims in request.shape.items()}
    params: dict[str, Any] = {"source": request.data, "working_directory": os.getcwd(), "shape": shape}
    done = execute("data", DataReport, inputs={"model": model}, params=params)
    return done.report.ref.model_copy(update={"id": done.outputs["data"].id})


def apply_recipe(
    settings: Settings,
    model: str,
    recipe: Recipe,
    target: Path,
    data: str | None = None,
    handling: Mapping[str, Any] | None = None,
    progress: ProgressSink | None = None,
) -> AppliedRecipe:
    """Replay a recipe on its model and write the product's files below the folder `target`.

    `handling` as for `benchmark_models`: data that are read another way calibrate another product.

    Raises:
        UserError: the model is not the one that the recipe was made for, or calibration data are missing.
        ToolError: a step fails.
    """
    request = _request(model, data, None, seed=recipe.seed, handling=handling)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        admitted = admit(request, execute, settings.max_model_bytes)
        current = admitted["original"]
        reports: list[StepReport] = []
        if current.id != recipe.model:
            raise RequestError(
                f"the recipe was made for model {recipe.model[:12]}, this one is {current.id[:12]}; "
                "give the original that the recipe names"
            )
        session = RuntimeSettings()
        for step in recipe.steps:
            done = execute("perform", StepReport, inputs={"model": current}, data=admitted["data"], step=step)
            current = done.outputs["model"]
            reports.append(done.report)
            session = RuntimeSettings.model_validate(done.report.details.get("settings", session))
        _copy_files(execute.store.path(current), target)
    return AppliedRecipe(artifact=current, reports=tuple(reports), settings=session)


def find_host(settings: Settings, progress: ProgressSink | None = None) -> HostProbe:
    """Return what this machine is, measuring it where that is not known.

    Raises:
        RequestError: the probe that was given is none.
        MachineError: the state folder cannot be written.
    """
    with (
        Ledger(settings.ledger) as ledger,
        scratch(settings, LocalExecutor(), Request(model="host", memory=False), progress) as execute,
    ):
        return probe_host(settings, ledger, execute)[0]


def make_demo(settings: Settings, target: Path, seed: int = 0, progress: ProgressSink | None = None) -> DemoFiles:
    """Train the demo's model and write it with its held-out data below the folder `target`."""
    request = Request(model="demo", seed=seed, memory=False)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        done = execute("demo", DemoReport)
        for role in ("model", "data"):
            _copy_files(execute.store.path(done.outputs[role]), target)
    return DemoFiles(model=target / MODEL_FILE, data=next(target.glob("*.npz")), report=done.report)


def make_sample(
    settings: Settings, target: Path, model: str, data: str, seed: int = 0, progress: ProgressSink | None = None
) -> SampleFiles:
    """Make a small model by name, with its data, below the folder `target`.

    Raises:
        RequestError: there is no such model or data.
        MissingExtraError: scikit-learn is not installed.
    """
    request = Request(model="sample", seed=seed, memory=False)
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        done = execute("sample", SampleReport, params={"model": model, "data": data})
        for role in ("model", "data"):
            _copy_files(execute.store.path(done.outputs[role]), target)
    return SampleFiles(
        model=target / MODEL_FILE, data=target / "data.npz", held_out=target / "held_out.npz", report=done.report
    )


def _copy_files(source: Path, target: Path) -> None:
    """Copy an artifact's files as the user's own: writable, and not linked to the store."""
    import shutil

    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
