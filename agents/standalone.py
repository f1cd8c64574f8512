"""Single tool calls outside a run: inspect, benchmark, check, apply, and the demo's model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..contracts import (
    ArtifactRef,
    Benchmark,
    CompatibilityReport,
    Contract,
    DemoReport,
    DeploymentMetrics,
    Evaluation,
    HostProbe,
    ModelFileError,
    OptimizationMetrics,
    Profile,
    ProgressSink,
    Recipe,
    Request,
    RequestError,
    RuntimeName,
    RuntimeSettings,
    SampleReport,
    Settings,
    StepReport,
    Target,
    check_served,
    names_code,
)
from ..memory.ledger import Ledger
from ..tools.context import MODEL_FILE, TORCH_FILE, TORCH_SUFFIX
from ..tools.judge import Evidence
from ..tools.worker.local import LocalExecutor
from .dry_run import scratch
from .evidence import candidate_metrics, compare, original_metrics
from .execute import Execution
from .host import probe_host
from .intake import absolute_source, admit_data, admit_model, exported

Shape = Mapping[str, tuple[int, ...]]


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
    runtime: RuntimeName = "onnx",
) -> Request:
    """Return a request for one model; `handling` are further fields, which say how data are read and scored."""
    fields: dict[str, Any] = {"threads": threads, "seed": seed, "memory": False, **(handling or {})}
    fields["target"] = Target(runtime=runtime)
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
        ref = admit_data(request, execute, model, scored=False).report.ref if data or shape else None
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
        first, other = (
            admit_model(_beside(each, beside, request), execute, settings.max_model_bytes).outputs["model"]
            for each, beside in ((original, candidate), (candidate, original))
        )
        ref = admit_data(request, execute, first).report.ref
        arms = {"original": first, "candidate": other}
        judged = execute("evaluate", Evaluation, inputs=arms, data=ref, params={"part": "final"}).report
        timed = execute(
            "benchmark", Benchmark, inputs=arms, data=ref, params={"seconds": seconds, "footprint": True}
        ).report
    known = Evidence(
        original_bytes=first.size_bytes,
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


def _beside(path: str, other: str, request: Request) -> Request:
    """Return the request for one of two models; a factory beside a program stays in torch, as the program does."""
    runtime = "torch" if names_code(path) and other.endswith(TORCH_SUFFIX) else "onnx"
    return request.model_copy(update={"model": absolute_source(path), "target": Target(runtime=runtime)})


def check_model(
    settings: Settings,
    path: str,
    runtime: RuntimeName | None = None,
    data: str | None = None,
    shape: Shape | None = None,
    progress: ProgressSink | None = None,
) -> CompatibilityReport:
    """Tell whether a model loads and runs in `runtime` (that of its file), and what stands in the way.

    Raises:
        UserError: the file is no model, or the runtime is not served.
    """
    request = _request(path, data, shape, runtime=runtime or "onnx")
    with scratch(settings, LocalExecutor(), request, progress) as execute:
        admitted = admit_model(request, execute, settings.max_model_bytes, load=False)
        model = admitted.outputs["model"]
        in_torch = TORCH_FILE in admitted.report.files
        if runtime == "onnx" and in_torch:
            try:
                model = exported(request, execute, model).outputs["model"]
            except ModelFileError as error:
                label = f"onnxruntime {version('onnxruntime')}"
                return CompatibilityReport(runtime=label, loads=False, runs=False, opset=0, problems=(error.message,))
        ref = admit_data(request, execute, model, scored=False).report.ref if data else None
        return execute(
            "check",
            CompatibilityReport,
            inputs={"model": model},
            data=ref,
            params={
                "runtime": runtime or ("torch" if in_torch else "onnx"),
                "shape": {name: list(dims) for name, dims in request.shape.items()},
            },
        ).report


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
        current = _original(execute, request, recipe, settings)
        ref = admit_data(request, execute, current).report.ref
        reports: list[StepReport] = []
        session = RuntimeSettings()
        for step in recipe.steps:
            done = execute("perform", StepReport, inputs={"model": current}, data=ref, step=step)
            current = done.outputs["model"]
            reports.append(done.report)
            session = RuntimeSettings.model_validate(done.report.details.get("settings", session))
        _copy_files(execute.store.path(current), target)
        if (target / TORCH_FILE).is_file():
            session = session.in_torch()
    return AppliedRecipe(artifact=current, reports=tuple(reports), settings=session)


def _original(execute: Execution, request: Request, recipe: Recipe, settings: Settings) -> ArtifactRef:
    """Admit the model that the recipe was made for; a factory's may be the form for either runtime.

    Raises:
        RequestError: it was made for another.
    """
    runtimes: tuple[RuntimeName, ...] = ("onnx", "torch") if names_code(request.model) else ("onnx",)
    found = ""
    for runtime in runtimes:
        target = request.model_copy(update={"target": Target(runtime=runtime)})
        current = admit_model(target, execute, settings.max_model_bytes).outputs["model"]
        if current.id == recipe.model:
            return current
        found = current.id
    raise RequestError(
        f"the recipe was made for model {recipe.model[:12]}, this one is {found[:12]}; "
        "give the original that the recipe names"
    )


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
