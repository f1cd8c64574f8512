"""Metrics are gathered per phase, each of the kind that has it."""

from __future__ import annotations

from shipfit import OptimizationMonitor
from shipfit.contracts import DeploymentMetrics, MonitoringConfig, OptimizationMetrics

from .facts import quantity


def test_phases_hold_what_is_watched() -> None:
    config = MonitoringConfig.model_validate(
        {"metrics": ["size", "latency", "speedup"], "alerts": {"error_rate": 0.05}}
    )
    monitor = OptimizationMonitor(config)
    metrics = DeploymentMetrics(size=quantity(9, "bytes"), accuracy=quantity(0.9))
    found = monitor.collect_metrics("baseline", metrics)
    assert found["size"]["value"] == 9
    assert found["latency"] is None
    assert "speedup" not in found
    size = quantity(9, "bytes")
    comparison = OptimizationMetrics(
        original_size=size, optimized_size=size, size_ratio=quantity(1), speedup=quantity(2, "ratio")
    )
    monitor.collect_metrics("comparison", comparison)
    assert set(monitor.phases) == {"baseline", "comparison"}
    assert monitor.phases["comparison"]["speedup"]["value"] == 2
    assert len(monitor.alerts) == 1


def test_what_nobody_watches_is_not_gathered() -> None:
    monitor = OptimizationMonitor(MonitoringConfig())
    assert monitor.collect_metrics("baseline", DeploymentMetrics(size=quantity(9, "bytes"))) == {}
    assert monitor.phases == {}
