"""Attempts, verdicts, offers: the trail of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Contract
from .jobs import ArtifactRef, LayerForm, MixtureForecast
from .metrics import Benchmark, DeploymentMetrics, Evaluation, Interval, OptimizationMetrics, Unit
from .recipe import Plan, Recipe, RuntimeSettings
from .request import Guarded

VerdictKind = Literal["met", "not_met", "inconclusive", "failed"]


class ConstraintResult(Contract):
    """One bound or guard against what was measured.

    Attributes:
        name: field of `Constraints`, or `guard_latency`, `guard_memory`, `guard_size`, `guard_accuracy`.
        bound, measured: in `unit`; `measured` is absent where the attempt ended before it.
        measured_on: where, such as `onnxruntime 1.32.0 on <fingerprint>`.
        met: true, false, or absent where it was not measured.
        shortfall: how far beyond the bound, as a share of it; 0 when met.
        note: such as that a bound finer than one sample was met at no net loss.
        metric: what accuracy means, where that is not the share of right classes.
    """

    name: str
    bound: float
    measured: float | None = None
    unit: Unit
    measured_on: str = "-"
    met: bool | None = None
    interval: Interval | None = None
    shortfall: float = 0.0
    note: str = ""
    metric: str = ""


class Verdict(Contract):
    """What measurements say about an attempt. `failed` names the error, `not_met` the worst bound."""

    kind: VerdictKind
    reason: str
    constraints: tuple[ConstraintResult, ...] = ()

    @property
    def violated(self) -> tuple[ConstraintResult, ...]:
        """The bounds and guards that were measured and not met."""
        return tuple(item for item in self.constraints if item.met is False)


Stage = Literal["prepare", "optimize_graph", "prune", "quantize", "tune_runtime", "measure", "final"]


class Attempt(Contract):
    """One candidate with everything that was found out about it.

    Attributes:
        stage: how far it came.
        forecast: what its mixture of forms was predicted to reach.
        quantized_from: the model that the quantization agent was given; node names of `layers` are its.
        final_look: whether the final part of the data was used on it.
        baseline: the original, measured beside this candidate.
        evaluation, benchmark: what the verdict rests on, so that it can be judged again under other bounds.
        rejected: a person did not accept it although it met everything; the verdict then is `not_met`.
        notes: what each step did, and what was left out of it; names in it come from the model.
        explanation: what a language model says of why it missed, in its words; it decides nothing.
    """

    index: Annotated[int, Field(ge=1)]
    plan: Plan
    recipe: Recipe | None = None
    candidate: ArtifactRef | None = None
    forecast: MixtureForecast | None = None
    quantized_from: ArtifactRef | None = None
    runtime_settings: RuntimeSettings = RuntimeSettings()
    metrics: DeploymentMetrics | None = None
    baseline: DeploymentMetrics | None = None
    comparison: OptimizationMetrics | None = None
    evaluation: Evaluation | None = None
    benchmark: Benchmark | None = None
    verdict: Verdict
    rejected: bool = False
    stage: Stage = "prepare"
    final_look: bool = False
    layers: tuple[LayerForm, ...] = ()
    notes: tuple[str, ...] = ()
    explanation: str = ""
    error_type: str | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    sample_runs: int = 0

    @property
    def failed_on_final(self) -> bool:
        """Whether it passed on the selection part and then failed on the final one."""
        return self.final_look and self.verdict.kind != "met"


class Offer(Contract):
    """A validated candidate that missed, and the smallest relaxation under which it would have been delivered.

    Attributes:
        relax: bound name → value that this candidate meets, in the bound's unit.
        allow_regression: guards that would have to be lifted as well.
        command: options that ask for exactly this.
        constraints: the bounds as asked, against this candidate.
    """

    attempt: int
    candidate: ArtifactRef
    relax: dict[str, float]
    allow_regression: tuple[Guarded, ...] = ()
    text: str
    command: str = ""
    constraints: tuple[ConstraintResult, ...] = ()
    metrics: DeploymentMetrics
    baseline: DeploymentMetrics
    comparison: OptimizationMetrics
    validated: bool = True
