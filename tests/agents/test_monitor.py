"""Metrics are gathered per phase, each of the kind that has it."""

from __future__ import annotations

from shipfit import OptimizationMonitor
from shipfit.agents.monitor import merged
from shipfit.contracts import DeploymentMetrics, MonitoringConfig, OptimizationMetrics, PhaseMetrics, Plan

from .facts import make_attempt, quantity


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


def test_without_names_everything_that_was_measured_is_watched() -> None:
    monitor = OptimizationMonitor(MonitoringConfig())
    found = monitor.collect_metrics("baseline", DeploymentMetrics(size=quantity(9, "bytes")))
    assert set(found) == {"size"}


def test_phases_are_kept_and_a_run_that_goes_on_has_them() -> None:
    """Another process reads what this one collected; the alerts are those of the product once there is one."""
    config = MonitoringConfig.model_validate({"alerts": {"error_rate": 0.05}})
    kept: list[PhaseMetrics] = []
    first = OptimizationMonitor(config, kept.append)
    attempt = make_attempt(1, Plan(), "met").model_copy(update={"metrics": scored(0.9), "baseline": scored(0.99)})
    first.collect_attempt(attempt)
    assert list(first.phases) == ["attempt 1"]  # the original was not timed
    again = OptimizationMonitor(config, kept.append, kept)
    again.collect_metrics("attempt 1", scored(0.91))
    again.collect_metrics("optimized", scored(0.99))
    again.collect_metrics("attempt 2", scored(0.5))
    assert again.alerts == ()
    assert [phase.phase for phase in kept] == ["attempt 1", "attempt 1", "optimized", "attempt 2"]
    assert merged(kept)["attempt 1"].metrics["accuracy"]["value"] == 0.91
    assert merged(kept)["attempt 2"].alerts == ("error_rate: 50 % is above 5 %",)


def scored(accuracy: float) -> DeploymentMetrics:
    return DeploymentMetrics(size=quantity(9, "bytes"), accuracy=quantity(accuracy))
