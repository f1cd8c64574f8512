"""What a response says, in rows and words that the terminal and the report share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ..contracts import (
    DEFAULT_METRIC,
    Attempt,
    ConstraintResult,
    DeploymentMetrics,
    OptimizationMetrics,
    OptimizationResponse,
    Plan,
    Proposer,
    Quantity,
    QuantizeLever,
    is_error,
    label,
    metric_words,
    units,
)
from .text import clean, show, show_change, show_increase


@dataclass(frozen=True)
class MetricRow:
    """One measure of the original and of the product; `change` in words, `better` where a direction is better."""

    label: str
    before: Quantity | None
    after: Quantity | None
    change: str
    better: bool | None


# Label, how to get it, whether more of it is better.
_MEASURES: tuple[tuple[str, Callable[[DeploymentMetrics], Quantity | None], bool], ...] = (
    ("size", lambda m: m.size, False),
    ("compressed (brotli)", lambda m: m.compressed_size, False),
    ("latency, median", lambda m: m.latency.p50 if m.latency else None, False),
    ("latency, p95", lambda m: m.latency.p95 if m.latency else None, False),
    ("latency, p99", lambda m: m.latency.p99 if m.latency else None, False),
    ("throughput", lambda m: m.throughput, True),
    ("peak memory", lambda m: m.memory.peak if m.memory else None, False),
    ("load time", lambda m: m.load_time, False),
    ("accuracy", lambda m: m.accuracy, True),
    ("fidelity at the logits", lambda m: m.logits_fidelity, True),
    ("fidelity", lambda m: m.fidelity, True),
)

STATUS_TITLES = {
    "met": "Every constraint is met",
    "unverified": "Met here, but not where the model will run",
    "rolled_back": "Rolled back: this is the original",
    "failed": "The run failed",
}
VERDICT_WORDS = {"met": "met", "not_met": "not met", "inconclusive": "too noisy", "failed": "failed"}
_LABELS = {
    "max_size_bytes": "size",
    "max_size_ratio": "size, share of the original",
    "max_memory_bytes": "peak memory",
    "max_memory_ratio": "peak memory, share of the original",
    "max_latency_ms": "latency",
    "min_speedup": "speed against the original",
    "min_throughput_per_s": "throughput",
    "min_accuracy": "accuracy",
    "max_accuracy_drop": "loss of accuracy",
    "min_fidelity_db": "fidelity",
    "min_logits_fidelity_db": "fidelity at the logits",
}


def metric_rows(response: OptimizationResponse) -> list[MetricRow]:
    """Return every measure that is known of the original or of the product; the speed ratio comes last."""
    speed = response.comparison.speedup if response.comparison else None
    return metric_rows_of(response.baseline, response.optimized, speed, response.request.scored_by)


def metric_rows_of(
    before: DeploymentMetrics | None,
    after: DeploymentMetrics | None,
    speed: Quantity | None,
    metric: str = DEFAULT_METRIC,
) -> list[MetricRow]:
    """Return the measures of two models side by side, and `speed` (before / after) last; accuracy is by `metric`."""
    rows: list[MetricRow] = []
    for name, get, more_is_better in _MEASURES:
        old, new = (get(side) if side else None for side in (before, after))
        scored = name == "accuracy"
        better = more_is_better and not (scored and is_error(metric))
        if old or new:
            rows.append(
                MetricRow(clean(metric_words(metric)) if scored else name, old, new, *change_between(old, new, better))
            )
    if speed and after:
        rows.append(MetricRow("speed against the original", None, speed, "", speed.value >= 1))
    return rows


def change_between(old: Quantity | None, new: Quantity | None, more_is_better: bool) -> tuple[str, bool | None]:
    """Return a change in words, and whether it is for the better where the intervals do not overlap."""
    if old is None or new is None or new.unit == "dB":
        return "", None
    if new.value == old.value:
        return "same", None
    better = None if _overlap(old, new) else (new.value > old.value) == more_is_better
    if new.unit == "fraction":
        return show_change(new.value - old.value), better
    if not old.value:
        return "", better
    percent = (new.value / old.value - 1) * 100
    return f"{'+' if percent > 0 else '−'}{abs(percent):.3g} %", better


def _overlap(old: Quantity, new: Quantity) -> bool:
    """Tell whether two intervals have something in common, so that neither number is known to be the larger."""
    if old.interval is None or new.interval is None:
        return False
    return old.interval.low <= new.interval.high and new.interval.low <= old.interval.high


def constraint_label(result: ConstraintResult) -> str:
    """Return what a constraint is about; a guard says that nobody asked for it."""
    if result.name.startswith("guard_") and not (result.metric and "accuracy" in result.name):
        return f"{clean(result.name.removeprefix('guard_'))} (guard)"
    if result.metric and "accuracy" in result.name:
        return clean(label(result.name, result.metric))
    return _LABELS.get(result.name, clean(result.name))


def is_lower_bound(result: ConstraintResult) -> bool:
    """Tell whether more of the constrained quantity is better."""
    return result.name.startswith("min_") or result.unit in ("dB", "1/s")


def bound_text(result: ConstraintResult) -> str:
    """Return the bound with its direction, such as `≤ 30 %`."""
    return f"{'≥' if is_lower_bound(result) else '≤'} {units.format_value(result.bound, result.unit)}"


def measured_text(result: ConstraintResult) -> str:
    """Return what was measured for a constraint."""
    return "not measured" if result.measured is None else units.format_value(result.measured, result.unit)


def met_word(result: ConstraintResult) -> str:
    """Return whether a constraint is met, in words; `met` is absent where it could not be measured there."""
    return {True: "met", False: "not met", None: "not verified"}[result.met]


def plan_text(attempt: Attempt) -> str:
    """Return what an attempt tried, in words."""
    return levers_text(attempt.plan)


def proposer_text(proposer: Proposer) -> str:
    """Return who asked for a plan, nothing for the built-in policy."""
    if proposer == "policy":
        return ""
    return "recalled from a past run" if proposer == "memory" else f"proposed by the {proposer} agent's language model"


def levers_text(plan: Plan) -> str:
    """Return the levers of a plan in words."""
    words: list[str] = []
    if plan.graph:
        words.append("graph passes")
    if plan.prune:
        share = plan.prune.ratio
        words.append(
            f"prune weights under {plan.prune.threshold:.3g}"
            if share is None
            else f"prune {units.format_share(share)} of the channels"
        )
    if plan.quantize:
        words += _quantize_words(plan.quantize)
    if plan.tune:
        words.append("session tuning")
    return ", ".join(words) or "normalize only"


def _quantize_words(lever: QuantizeLever) -> list[str]:
    words = [f"{form} int8 {'/'.join(_types(lever.offered, form))}" for form in sorted(lever.forms)]
    words += [f"{lever.storage} storage"] if lever.storage != "none" else []
    words = [f"a mixture of {' and '.join(words)}"] if lever.mixture else words
    words += list(lever.recovery)
    aim = "aimed at" if lever.mixture else "spared to keep"
    return words + (
        [f"{aim} {units.format_decibels(lever.min_fidelity_db)}"] if lever.min_fidelity_db is not None else []
    )


def _types(offered: Mapping[str, Collection[str]], form: str) -> list[str]:
    return sorted(clean(op_type, 40) for op_type, chosen in offered.items() if form in chosen)


def size_ratio_text(comparison: OptimizationMetrics | None) -> str:
    """Return the size as a share of the original."""
    return "–" if comparison is None else units.format_share(comparison.size_ratio.value)


def speed_text(comparison: OptimizationMetrics | None) -> str:
    """Return the speed against the original."""
    return show(comparison.speedup if comparison else None)


def quality_text(comparison: OptimizationMetrics | None) -> str:
    """Return the change of accuracy where there are labels, else the fidelity to the original."""
    if comparison is None:
        return "–"
    if comparison.accuracy_delta is not None:
        if is_error(comparison.metric):
            return show_increase(-comparison.accuracy_delta.value)
        return show_change(comparison.accuracy_delta.value)
    return show(comparison.fidelity)


def verdict_text(attempt: Attempt, delivered: int | None = None) -> str:
    """Return an attempt's verdict in words."""
    word = "rejected" if attempt.rejected else VERDICT_WORDS[attempt.verdict.kind]
    return f"{word}, delivered" if attempt.index == delivered else word
