"""What was measured: every number with unit, provenance and interval (design principle 3)."""

from __future__ import annotations

from typing import Any, Literal

from .base import Contract

# `value`: in the unit of the targets, whatever that is.
Unit = Literal["bytes", "ms", "s", "fraction", "dB", "1/s", "ratio", "value"]
Statistic = Literal["mean", "p50", "p95", "p99"]


class Interval(Contract):
    """A 95 % interval, in the unit of the quantity it belongs to."""

    low: float
    high: float

    @property
    def half_width_ratio(self) -> float:
        """Half the width divided by the midpoint."""
        middle = (self.low + self.high) / 2
        return abs(self.high - self.low) / 2 / abs(middle) if middle else float("inf")


class Quantity(Contract):
    """A number that says where it comes from.

    Attributes:
        value: in `unit`.
        source: `measured` on this hardware, or `predicted` by a model of ours.
        runtime: runtime and version that produced it, `-` where none is involved (file sizes).
        hardware: fingerprint of the machine, `-` where it does not matter.
        samples: calls, rounds or labelled samples behind the number.
    """

    value: float
    unit: Unit
    source: Literal["measured", "predicted"] = "measured"
    runtime: str = "-"
    hardware: str = "-"
    samples: int = 1
    interval: Interval | None = None


class LatencyMetrics(Contract):
    """Wall time of one call, milliseconds."""

    mean: Quantity
    p50: Quantity
    p95: Quantity
    p99: Quantity | None = None


class MemoryMetrics(Contract):
    """Resident size of a fresh process minus the bare runtime's, bytes; `runtime_alone` is what was subtracted."""

    peak: Quantity
    average: Quantity
    runtime_alone: Quantity


class DeploymentMetrics(Contract):
    """The measures of one model where it runs. A missing field was not measured."""

    size: Quantity
    compressed_size: Quantity | None = None
    latency: LatencyMetrics | None = None
    throughput: Quantity | None = None
    memory: MemoryMetrics | None = None
    load_time: Quantity | None = None
    accuracy: Quantity | None = None
    fidelity: Quantity | None = None
    logits_fidelity: Quantity | None = None


class PhaseMetrics(Contract):
    """What a monitor collected of one phase of a run.

    Attributes:
        phase: `baseline`, `attempt N`, `optimized`, `comparison`, or what a caller named.
        metrics: field of `DeploymentMetrics` or `OptimizationMetrics` → its value as JSON; None where a metric that
            was asked for was not measured.
        alerts: thresholds that the phase's model is beyond, a line each.
    """

    phase: str
    metrics: dict[str, Any]
    alerts: tuple[str, ...] = ()


class ClassDrop(Contract):
    """One class of a labelled part: its samples, the share that each model gets right, and the loss (fractions)."""

    label: int
    samples: int
    original: float
    candidate: float

    @property
    def drop(self) -> float:
        """Original minus candidate share; positive is a loss."""
        return self.original - self.candidate


class OptimizationMetrics(Contract):
    """A candidate against its original, measured in one interleaved run.

    Attributes:
        size_ratio: candidate bytes / original bytes.
        speedup: original time / candidate time; above 1 is faster.
        accuracy_delta: candidate minus original accuracy, fraction; negative is a loss. For an error such as `mae`,
            minus its relative increase.
        memory_reduction: 1 − candidate peak / original peak.
        memory_ratio: candidate peak / original peak.
        fidelity: SQNR at the worst output against the original.
        logits_fidelity: SQNR at the worst logits, the tensors before a last Softmax or Sigmoid, where both models
            have them.
        synthetic_data: fidelity comes from synthesised inputs.
        class_drops: per class on labelled data, the largest loss first.
        metric: what accuracy means here.
    """

    original_size: Quantity
    optimized_size: Quantity
    size_ratio: Quantity
    speedup: Quantity | None = None
    accuracy_delta: Quantity | None = None
    memory_reduction: Quantity | None = None
    memory_ratio: Quantity | None = None
    fidelity: Quantity | None = None
    logits_fidelity: Quantity | None = None
    synthetic_data: bool = False
    class_drops: tuple[ClassDrop, ...] = ()
    metric: str = "top1"


class Evaluation(Contract):
    """Original and candidate run on the same samples of one part of the data.

    Attributes:
        part: which part of the data was used.
        samples: number of samples.
        metric: what accuracy means: the name of the metric, `top1` being the share of right classes.
        original_accuracy, candidate_accuracy: scores, fractions of which more is better (1 − error rate for `wer` and
            `cer`), or an error in the targets' unit for `mae`; absent without labels or targets.
        net_loss: (original right, candidate wrong) minus (original wrong, candidate right), samples; only where
            answers are right or wrong.
        drop: original minus candidate score (net_loss / samples where there is one), or the relative increase of an
            error, with its paired 95 % interval.
        class_drops: per class, the largest loss first; on the final part alone.
        fidelity: SQNR in dB at the worst output.
        output_fidelity_db: SQNR per output name.
        logits_fidelity: SQNR in dB at the worst logits, the tensors before a last Softmax or Sigmoid, in the same
            runs; absent where the models have none, or none that correspond.
        has_logits: whether the original has logits.
        finite: whether every float output of the candidate was finite wherever the original's was.
        constant: whether the candidate answers the same to different inputs where the original does not.
        synthetic: inputs were synthesised.
        sample_runs: how often a model ran on a sample, both models counted.
    """

    part: Literal["calibration", "selection", "final"]
    samples: int
    metric: str = "top1"
    original_accuracy: Quantity | None = None
    candidate_accuracy: Quantity | None = None
    net_loss: int | None = None
    drop: Quantity | None = None
    class_drops: tuple[ClassDrop, ...] = ()
    fidelity: Quantity
    output_fidelity_db: dict[str, float] = {}
    logits_fidelity: Quantity | None = None
    has_logits: bool = False
    finite: bool = True
    constant: bool = False
    synthetic: bool = False
    sample_runs: int = 0
    seconds: float = 0.0


class Footprint(Contract):
    """One fresh process that loads and runs a model."""

    memory: MemoryMetrics
    load_time: Quantity


class Benchmark(Contract):
    """Original and candidate timed together in one process.

    Attributes:
        speedup: ratio of medians (original / candidate) with its interval, wider by what `same_arm` is surely off by.
        same_arm: the same ratio between two sessions of the original (A/A), which shows the noise.
        conclusive: the interval's half-width stayed within 5 %.
        baseline, candidate: absolute latency of each arm.
        rounds: rotations measured.
        baseline_compressed, candidate_compressed: brotli-compressed bytes, where the footprint was asked for.
    """

    speedup: Quantity
    same_arm: Quantity
    conclusive: bool
    baseline: LatencyMetrics
    candidate: LatencyMetrics
    baseline_throughput: Quantity
    candidate_throughput: Quantity
    baseline_footprint: Footprint | None = None
    candidate_footprint: Footprint | None = None
    baseline_compressed: Quantity | None = None
    candidate_compressed: Quantity | None = None
    threads: int = 1
    rounds: int = 0
    preempted_share: float = 0.0
    seconds: float = 0.0
