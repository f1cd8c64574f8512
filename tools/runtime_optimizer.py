"""`RuntimeOptimizer`: graph passes and session settings that suit a model, validated, from Python."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ..contracts import (
    Benchmark,
    CompatibilityReport,
    Contract,
    DataView,
    Evaluation,
    Limits,
    NoOpError,
    OptimizeGraphStep,
    Profile,
    RequestError,
    RuntimeSettings,
    StepReport,
    TuneRuntimeStep,
)
from .check import check
from .context import MODEL_FILE
from .graph import optimize_graph
from .inspect import inspect
from .judge import without_flaw
from .measure.benchmark import DEFAULT_SECONDS, MAX_FEEDS, Patience, benchmark_models
from .measure.data import open_data
from .measure.data_tool import build_data
from .measure.evaluate import compare_models
from .measure.tune import tune_runtime
from .model_files import copy_files
from .source import model_path


class RuntimeAnalysis(Contract):
    """What there is: facts with shares of time, and whether the model runs at all."""

    profile: Profile
    compatibility: CompatibilityReport


class RuntimeOptimization(Contract):
    """What was done.

    Attributes:
        graph: the graph passes; absent where they change nothing in this model.
        session: the trial of session settings.
        settings: how to open the result best.
    """

    graph: StepReport | None
    session: StepReport
    settings: RuntimeSettings


class RuntimeValidation(Contract):
    """What came of it, measured against the original in a stock session and with the settings."""

    evaluation: Evaluation
    benchmark: Benchmark


class RuntimeResult(Contract):
    """The phases of `RuntimeOptimizer.run`, each by itself."""

    analysis: RuntimeAnalysis
    optimization: RuntimeOptimization
    validation: RuntimeValidation


class RuntimeOptimizer:
    """Rewrites the graph with machine-independent passes, tries session settings, and measures the result."""

    name = "runtime"
    description = "Optimizes graph and session settings for the runtime, without changing what the model computes."
    category = "optimization"

    def run(
        self,
        model: str | Path,
        data: str | None = None,
        out: str | Path | None = None,
        *,
        step: OptimizeGraphStep | None = None,
        goal: Literal["latency", "memory"] = "latency",
        threads: int = 1,
        seconds: float = DEFAULT_SECONDS,
        seed: int = 0,
    ) -> RuntimeResult:
        """Optimize `model`, an .onnx file or a folder with one.

        Args:
            model: the file is opened in this process: give models that you trust.
            data: an `.npz` file, a folder of them, or `module:callable`; absent, inputs are synthesised.
            out: folder that does not exist yet and receives the optimized model; absent, nothing is kept.
            step: which graph passes may run, by default all that are on by default.
            goal: what session settings are tried for.
            threads: threads of the sessions.
            seconds: time limit of the benchmark.
            seed: of the split of the data and of synthesised inputs.

        Raises:
            RequestError: `out` exists.
            OptimizationError: the model or the data cannot be used.
        """
        path = model_path(model)
        if out is not None and Path(out).exists():
            raise RequestError(f"{str(out)!r} exists; name a folder that does not")
        with TemporaryDirectory(prefix="shipfit-") as folder:
            work = Path(folder)
            ref = build_data(path, work, {"source": data}, seed).ref
            view = open_data(work / "data", ref)
            analysis = self.analyse(path, view)
            candidate = work / "candidate" / MODEL_FILE
            optimization = self.optimize(path, candidate, view, step or OptimizeGraphStep(), threads, goal)
            validation = self.validate(path, candidate, view, optimization.settings, threads, seconds)
            if out is not None:
                shutil.copytree(candidate.parent, out)
        return RuntimeResult(analysis=analysis, optimization=optimization, validation=validation)

    def analyse(self, model: Path, view: DataView) -> RuntimeAnalysis:
        """Inspect, time and check the model on the calibration part."""
        feeds = view.feeds("calibration", 4)
        return RuntimeAnalysis(
            profile=inspect(model, timing=True, feeds=feeds), compatibility=check(model, feeds=feeds)
        )

    def optimize(
        self,
        model: Path,
        target: Path,
        view: DataView,
        step: OptimizeGraphStep,
        threads: int = 1,
        goal: Literal["latency", "memory"] = "latency",
    ) -> RuntimeOptimization:
        """Write the model that graph passes make to `target`, and find the settings that suit it."""
        limits = Limits()
        try:
            graph = optimize_graph(step, model, target, view, limits)
        except NoOpError:
            graph = None
            copy_files(model, target)
        with TemporaryDirectory(prefix="shipfit-") as folder:
            tuning = TuneRuntimeStep(threads=threads, goal=goal)
            session = tune_runtime(tuning, target, Path(folder) / MODEL_FILE, view, limits)
        settings = RuntimeSettings.model_validate(session.details["settings"])
        return RuntimeOptimization(graph=graph, session=session, settings=settings)

    def validate(
        self,
        model: Path,
        candidate: Path,
        view: DataView,
        settings: RuntimeSettings,
        threads: int = 1,
        seconds: float = DEFAULT_SECONDS,
    ) -> RuntimeValidation:
        """Compare answers and speed with the original."""
        feeds = list(view.feeds("selection", MAX_FEEDS))
        return RuntimeValidation(
            evaluation=without_flaw(compare_models(model, candidate, view, "final")),
            benchmark=benchmark_models(model, candidate, feeds, Patience(seconds, seconds), threads, settings),
        )
