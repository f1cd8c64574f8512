"""A batch: one run for each model of a zoo, a row for each whatever became of it."""

from __future__ import annotations

from typing import Literal

from .base import Contract
from .response import RunStatus

RowStatus = Literal["pending", "running", "interrupted"] | RunStatus


class BatchRow(Contract):
    """One model of a batch, as `summary.json` tells it.

    Attributes:
        name: of the model, and of its product's folder.
        reason: one line; for a failure what is wrong.
        report: path of its `report.json` relative to `summary.json`, once there is one.
        model: where the model came from, as the zoo names it; `where` the place that names it.
        original_bytes, product_bytes: everything that loading needs.
        size_ratio: product / original; `latency_ratio` the same of the time of a call, 1 / `speedup`.
        original_ms, product_ms: p95 of a call.
        accuracy_delta: product minus original accuracy, as a fraction.
        fidelity_db: SQNR at the worst output against the original.
        wall_s: of the run, waiting for other measurements left out; `coordinator_cpu_s` beside its tools.
        error: class of the error, where there was one.
    """

    name: str
    status: RowStatus
    reason: str = ""
    report: str | None = None
    model: str = ""
    where: str = ""
    run: str | None = None
    attempts: int = 0
    first_met: int | None = None
    original_bytes: int | None = None
    product_bytes: int | None = None
    size_ratio: float | None = None
    speedup: float | None = None
    latency_ratio: float | None = None
    original_ms: float | None = None
    product_ms: float | None = None
    accuracy_delta: float | None = None
    fidelity_db: float | None = None
    wall_s: float = 0.0
    tools_s: float = 0.0
    coordinator_cpu_s: float = 0.0
    error: str | None = None


class BatchSummary(Contract):
    """`summary.json`.

    Attributes:
        batch: id in the ledger.
        zoo: manifest or folder; `out` the folder that the summary lies in.
        created, updated: seconds since the epoch.
        complete: whether every model has its final row.
        counts: status → how many models.
        coordinator_peak_bytes: resident size of the coordinator that wrote this, at its largest.
    """

    batch: str
    zoo: str
    out: str
    created: float
    updated: float
    complete: bool
    counts: dict[RowStatus, int]
    coordinator_peak_bytes: int = 0
    models: tuple[BatchRow, ...]
