"""Turn what was found out about a candidate into metrics, its original's beside it."""

from __future__ import annotations

from ..contracts import (
    DEFAULT_METRIC,
    Attempt,
    DeploymentMetrics,
    Evaluation,
    Footprint,
    LatencyMetrics,
    OptimizationMetrics,
    Quantity,
    Request,
    Verdict,
)
from ..tools.judge import Evidence, describe, judge, memory_peaks


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


def evidence_of(attempt: Attempt) -> Evidence | None:
    """Return what the verdict on an attempt rests on; None where it never became a candidate."""
    comparison = attempt.comparison
    if comparison is None or attempt.candidate is None or attempt.evaluation is None:
        return None
    return Evidence(
        original_bytes=round(comparison.original_size.value),
        candidate_bytes=round(comparison.optimized_size.value),
        evaluation=attempt.evaluation,
        benchmark=attempt.benchmark,
    )


def judged_again(
    attempt: Attempt, request: Request, measured_on: str, *, permitted: bool = True
) -> tuple[Attempt, bool]:
    """Return the attempt with its verdict under another request, from what was measured of it and nothing else.

    What is no longer `permitted` to be tried is not met either.

    Returns:
        The attempt, and whether its candidate misses nothing so far but was not measured in full, so that it is worth
        going on with. `met` still rests on the final part; what failed there stays failed, and what a person rejected
        stays rejected.
    """
    known = evidence_of(attempt)
    if known is None or attempt.rejected or attempt.failed_on_final or attempt.verdict.kind == "failed":
        return attempt, False
    verdict = judge(request, known, measured_on)
    if not permitted:
        ruled_out = _under_edit(verdict, "the edited request rules out what it does")
        return attempt.model_copy(update={"verdict": ruled_out}), False
    is_final = known.evaluation is not None and known.evaluation.part == "final"
    if verdict.kind == "met" and is_final:
        return attempt.model_copy(update={"verdict": verdict}), False
    if verdict.violated:
        reason = "; ".join(map(describe, verdict.violated))
        return attempt.model_copy(update={"verdict": _under_edit(verdict, reason)}), False
    unfinished = _under_edit(verdict, "misses nothing under these bounds, but was not measured in full")
    return attempt.model_copy(update={"verdict": unfinished}), True


def _under_edit(verdict: Verdict, reason: str) -> Verdict:
    return Verdict(kind="not_met", reason=reason, constraints=verdict.constraints)
