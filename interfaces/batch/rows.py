"""What became of a model, as one row."""

from __future__ import annotations

from ...contracts import BatchRow, OptimizationError, OptimizationResponse, Quantity, RowStatus
from ..text import clean
from .item import Item

_REASON_CHARS = 400


def row_of(item: Item, response: OptimizationResponse) -> BatchRow:
    """Return the row of a model whose run has ended and whose product is delivered."""
    baseline, comparison = response.baseline, response.comparison
    optimized = None if response.artifact.original else response.optimized
    speedup = None if response.artifact.original or comparison is None else _value(comparison.speedup)
    return BatchRow(
        name=item.name,
        status=response.status,
        model=clean(item.source.text, 1000),
        where=clean(item.where),
        reason=clean(response.reason, _REASON_CHARS),
        report=f"{item.name}/report.json",
        run=response.run,
        attempts=response.effort.attempts,
        first_met=response.first_met,
        original_bytes=None if baseline is None else int(baseline.size.value),
        product_bytes=response.artifact.size_bytes,
        size_ratio=None if comparison is None else comparison.size_ratio.value,
        speedup=speedup,
        latency_ratio=1 / speedup if speedup else None,
        original_ms=_value(baseline.latency.p95) if baseline and baseline.latency else None,
        product_ms=_value(optimized.latency.p95) if optimized and optimized.latency else None,
        accuracy_delta=_value(comparison.accuracy_delta) if comparison else None,
        fidelity_db=_value(comparison.fidelity) if comparison else None,
        wall_s=response.timing.wall_s,
        tools_s=response.timing.tools_s,
        coordinator_cpu_s=response.timing.coordinator_cpu_s,
    )


def failed_row(item: Item, error: OptimizationError, run: str | None = None) -> BatchRow:
    """Return the row of a model that could not be brought to an end."""
    reason = clean(error.message, _REASON_CHARS)
    named = _named(item, "failed")
    return named.model_copy(update={"reason": reason, "run": run, "error": type(error).__name__})


def waiting_row(item: Item, *, running: bool, begun: bool) -> BatchRow:
    """Return the row of a model whose turn has not come or not ended."""
    return _named(item, "running" if running else "interrupted" if begun else "pending")


def _named(item: Item, status: RowStatus) -> BatchRow:
    return BatchRow(name=item.name, status=status, model=clean(item.source.text, 1000), where=clean(item.where))


def _value(quantity: Quantity | None) -> float | None:
    return None if quantity is None else quantity.value
