"""Turn what was found out about a candidate into metrics, its original's beside it."""

from __future__ import annotations

from ..contracts import (
    DEFAULT_METRIC,
    DeploymentMetrics,
    Evaluation,
    Footprint,
    LatencyMetrics,
    OptimizationMetrics,
    Quantity,
)
from ..tools.judge import Evidence, memory_peaks


def candidate_metrics(known: Evidence) -> DeploymentMetrics:
    """Return the candidate's own measures."""
    evaluation, benchmark = known.evaluation, known.benchmark
    metrics = _metrics(
        known.candidate_bytes,
        benchmark.candidate if benchmark else None,
        benchmark.candidate_throughput if benchmark else None,
        benchmark.candidate_footprint if benchmark else None,
        benchmark.candidate_compressed if benchmark else None,
    )
    if evaluation is None:
        return metrics
    return metrics.model_copy(
        update={
            "accuracy": evaluation.candidate_accuracy,
            "fidelity": evaluation.fidelity,
            "logits_fidelity": evaluation.logits_fidelity,
        }
    )


def original_metrics(known: Evidence) -> DeploymentMetrics:
    """Return the original's measures, from the same runs as the candidate's."""
    benchmark = known.benchmark
    metrics = _metrics(
        known.original_bytes,
        benchmark.baseline if benchmark else None,
        benchmark.baseline_throughput if benchmark else None,
        benchmark.baseline_footprint if benchmark else None,
        benchmark.baseline_compressed if benchmark else None,
    )
    return metrics.model_copy(update={"accuracy": known.evaluation.original_accuracy if known.evaluation else None})


def _metrics(
    size: int,
    latency: LatencyMetrics | None,
    throughput: Quantity | None,
    footprint: Footprint | None,
    compressed: Quantity | None,
) -> DeploymentMetrics:
    return DeploymentMetrics(
        size=Quantity(value=size, unit="bytes"),
        compressed_size=compressed,
        latency=latency,
        throughput=throughput,
        memory=footprint.memory if footprint else None,
        load_time=footprint.load_time if footprint else None,
    )


def compare(known: Evidence) -> OptimizationMetrics:
    """Return the candidate against its original."""
    evaluation, benchmark = known.evaluation, known.benchmark
    peaks = memory_peaks(benchmark)
    ratio = peaks[1].value / max(peaks[0].value, 1.0) if peaks else None
    return OptimizationMetrics(
        original_size=Quantity(value=known.original_bytes, unit="bytes"),
        optimized_size=Quantity(value=known.candidate_bytes, unit="bytes"),
        size_ratio=Quantity(value=known.candidate_bytes / known.original_bytes, unit="fraction"),
        speedup=benchmark.speedup if benchmark else None,
        accuracy_delta=_delta(evaluation),
        memory_ratio=Quantity(value=ratio, unit="fraction") if ratio is not None else None,
        memory_reduction=Quantity(value=1 - ratio, unit="fraction") if ratio is not None else None,
        fidelity=evaluation.fidelity if evaluation else None,
        logits_fidelity=evaluation.logits_fidelity if evaluation else None,
        synthetic_data=evaluation.synthetic if evaluation else False,
        class_drops=evaluation.class_drops if evaluation else (),
        metric=evaluation.metric if evaluation else DEFAULT_METRIC,
    )


def _delta(evaluation: Evaluation | None) -> Quantity | None:
    if evaluation is None or evaluation.drop is None:
        return None
    drop = evaluation.drop
    interval = drop.interval
    flipped = interval.model_copy(update={"low": -interval.high, "high": -interval.low}) if interval else None
    return drop.model_copy(update={"value": -drop.value, "interval": flipped})
