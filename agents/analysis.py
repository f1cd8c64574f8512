"""The analysis of a run by rule: what was tried, what it gained and what it cost, as measured."""

from __future__ import annotations

from collections.abc import Iterator

from ..contracts import (
    Analysis,
    Attempt,
    Impact,
    Optimization,
    OptimizationMetrics,
    OptimizationType,
    Recommendation,
    is_error,
    label,
    units,
)
from .search.trajectory import levers, points

# Gains below this are none; entries beside those of the product.
LEAST_GAIN = 1.02
OTHERS_AT_MOST = 5


def analyse(
    attempts: tuple[Attempt, ...], best: Attempt | None, recommendations: tuple[Recommendation, ...]
) -> Analysis:
    """Return what the product gained, one entry for each kind of gain, then what else was measured."""
    delivered = list(_gains(best)) if best else []
    others = [each for attempt in attempts if attempt is not best for each in _largest(attempt)]
    return Analysis(optimizations=(*delivered, *others[-OTHERS_AT_MOST:]), recommendations=recommendations)


def with_words(known: Analysis, said: Analysis | None) -> Analysis:
    """Return the analysis by rule with what a language model adds behind it."""
    if said is None:
        return known
    return Analysis(
        optimizations=(*known.optimizations, *said.optimizations),
        recommendations=(*known.recommendations, *said.recommendations),
        dropped=said.dropped,
    )


def _gains(attempt: Attempt) -> Iterator[Optimization]:
    for kind, _, benefit in _measured(attempt):
        yield Optimization(
            type=kind, technique=levers(attempt), impact=Impact(benefit=benefit, trade_off=_cost(attempt))
        )


def _largest(attempt: Attempt) -> Iterator[Optimization]:
    """Yield the largest gain of an attempt that is not delivered, and why it is not."""
    kind, _, benefit = max(_measured(attempt), key=lambda item: item[1], default=("size", 0.0, ""))
    if not benefit:
        return
    missed = ", ".join(label(result.name) for result in attempt.verdict.violated[:3])
    why = (
        f"missed {missed}" if missed else {"met": "another gains more"}.get(attempt.verdict.kind, "not judged to meet")
    )
    cost = f"not delivered, {why}; {_cost(attempt)}"
    yield Optimization(type=kind, technique=levers(attempt), impact=Impact(benefit=benefit, trade_off=cost))


def _measured(attempt: Attempt) -> Iterator[tuple[OptimizationType, float, str]]:
    """Yield each kind of gain: its factor, and in words."""
    found = attempt.comparison
    if found is None:
        return
    if found.speedup and found.speedup.value >= LEAST_GAIN:
        yield (
            "performance",
            found.speedup.value,
            f"{units.format_factor(found.speedup.value)} as fast{_latency(attempt)}",
        )
    if found.size_ratio.value <= 1 / LEAST_GAIN:
        sizes = (
            f"{units.format_bytes(found.original_size.value)} became {units.format_bytes(found.optimized_size.value)}"
        )
        yield "size", 1 / found.size_ratio.value, f"{units.format_share(found.size_ratio.value)} of the size: {sizes}"
    if found.memory_ratio and found.memory_ratio.value <= 1 / LEAST_GAIN:
        share = units.format_share(found.memory_ratio.value)
        yield "memory", 1 / max(found.memory_ratio.value, 1e-6), f"{share} of the peak memory"


def _latency(attempt: Attempt) -> str:
    before, after = (side.latency if side else None for side in (attempt.baseline, attempt.metrics))
    if before is None or after is None:
        return ""
    told = (units.format_milliseconds(each.p95.value) for each in (before, after))
    return ": p95 {} became {}".format(*told)


def _cost(attempt: Attempt) -> str:
    """Return what was lost of quality, and what it took to find out."""
    told = _lost(attempt.comparison) if attempt.comparison else []
    return ", ".join([*told, f"{units.format_seconds(attempt.wall_s)} to build and measure"])


def _lost(found: OptimizationMetrics) -> list[str]:
    told: list[str] = []
    if found.accuracy_delta is not None and not is_error(found.metric):
        told.append(points(found.accuracy_delta.value))
    if quality := found.logits_fidelity or found.fidelity:
        told.append(f"fidelity {units.format_decibels(quality.value)}")
    if found.speedup and found.speedup.value < 1 / LEAST_GAIN:
        told.append(f"{units.format_factor(found.speedup.value)} as fast")
    return told
