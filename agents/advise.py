"""Advice and alerts that follow from the measurements of a run, by rule."""

from __future__ import annotations

from collections.abc import Iterator

from ..contracts import Attempt, DeploymentMetrics, MonitoringConfig, Recommendation, Request, units
from .state import RunState

# Below this many labelled samples a one-point drop is within what chance does.
FEW_SAMPLES = 400


def recommend(request: Request, state: RunState, best: Attempt | None) -> tuple[Recommendation, ...]:
    """Return advice on data, runtime, monitoring, scaling and constraints."""
    return (
        *_on_data(state),
        *_on_runtime(request, best),
        *_on_monitoring(request, best),
        *_on_scaling(request, best),
        *_on_constraints(state, best),
    )


def _on_data(state: RunState) -> Iterator[Recommendation]:
    data = state["data"]
    final = data.parts.get("final", 0)
    if data.synthetic:
        yield Recommendation(
            category="data",
            description="Fidelity was measured on synthetic inputs, which is all it knows; real inputs may differ.",
            implementation="give --data an .npz of real inputs, with labels if you have them",
        )
    elif data.labelled and final < FEW_SAMPLES:
        yield Recommendation(
            category="data",
            description=f"Accuracy was judged on {final} samples; one of them is {units.format_share(1 / final)}.",
            implementation="give more labelled samples, or judge with --strict-accuracy",
        )


def _on_runtime(request: Request, best: Attempt | None) -> Iterator[Recommendation]:
    if best is None:
        return
    if best.runtime_settings.departures:
        entries = ", ".join(f"{key}={value}" for key, value in best.runtime_settings.departures.items())
        yield Recommendation(
            category="runtime",
            description=f"These session settings measured better here: {entries}.",
            implementation="shipfit.load(DIR) opens the product with them",
        )
    stored = best.plan.quantize is not None and best.plan.quantize.storage != "none"
    if stored:
        yield Recommendation(
            category="runtime",
            description="Stored weights unfold to float32 at load: the file is smaller, memory in use is not.",
            implementation="bound memory with --max-memory where that matters",
        )


def _on_monitoring(request: Request, best: Attempt | None) -> Iterator[Recommendation]:
    """Say what to watch: what was measured here is what is normal."""
    if best is None or best.metrics is None:
        return
    if not request.target.measurable_here:
        yield Recommendation(
            category="monitoring",
            description=f"Nothing was measured on {request.target.platform}; the verdict stands in for it.",
            implementation="run `shipfit benchmark ORIGINAL PRODUCT` on the device",
        )
        return
    latency, memory = best.metrics.latency, best.metrics.memory
    normal = [f"p95 {units.format_milliseconds(latency.p95.value)}"] if latency else []
    normal += [f"peak memory {units.format_bytes(memory.peak.value)} beside the runtime"] if memory else []
    if normal:
        yield Recommendation(
            category="monitoring",
            description=f"Measured here, and so what is normal in use: {', '.join(normal)}.",
            implementation="alert on what is clearly above it; monitoring.alerts of --config warns of it in later runs",
        )


def _on_scaling(request: Request, best: Attempt | None) -> Iterator[Recommendation]:
    """Say what one process does, which is what to multiply."""
    metrics = best.metrics if best else None
    if metrics is None or metrics.throughput is None or not request.target.measurable_here:
        return
    threads = "one thread" if request.threads == 1 else f"{request.threads} threads"
    each = f" and takes {units.format_bytes(metrics.memory.peak.value)} beside the runtime" if metrics.memory else ""
    yield Recommendation(
        category="scaling",
        description=f"A process with {threads} answers {units.format_rate(metrics.throughput.value)}{each}.",
        implementation="for more, start a process for each free core rather than more threads, and measure again",
    )


def _on_constraints(state: RunState, best: Attempt | None) -> Iterator[Recommendation]:
    if best is not None:
        return
    for offer in state.get("offers", ()):
        yield Recommendation(category="constraints", description=offer.text, implementation=offer.command)


def alerts(config: MonitoringConfig, product: DeploymentMetrics) -> tuple[str, ...]:
    """Return one line for each alert that the product would raise."""
    found: list[str] = []
    limits = config.alerts
    p95 = product.latency.p95.value if product.latency else None
    peak = product.memory.peak.value if product.memory else None
    scored = product.accuracy is not None and product.accuracy.unit == "fraction"
    wrong = 1 - product.accuracy.value if product.accuracy and scored else None
    for name, limit, measured, unit in (
        ("latency", limits.latency, p95, "ms"),
        ("memory_usage", limits.memory_usage, peak, "bytes"),
        ("error_rate", limits.error_rate, wrong, "fraction"),
    ):
        if limit is not None and measured is not None and measured > limit:
            found.append(f"{name}: {units.format_value(measured, unit)} is above {units.format_value(limit, unit)}")
    return tuple(found)
