"""`OptimizationMonitor`: the metrics that a configuration watches, gathered phase by phase."""

from __future__ import annotations

from typing import Any

from ..contracts import DeploymentMetrics, MonitoringConfig, OptimizationMetrics
from .advise import alerts


class OptimizationMonitor:
    """Collects what is watched, and says which alerts the last measured model would raise.

    Args:
        config: names of the metrics, and thresholds.
    """

    def __init__(self, config: MonitoringConfig) -> None:
        self.config = config
        self.alerts: tuple[str, ...] = ()
        self._phases: dict[str, dict[str, Any]] = {}

    def collect_metrics(self, phase: str, metrics: DeploymentMetrics | OptimizationMetrics) -> dict[str, Any]:
        """Add what is watched of `metrics` to a phase, such as `baseline`, and return what the phase holds.

        A metric of the kind that was not measured is None; one that only the other kind has is passed over.
        """
        fields = type(metrics).model_fields
        found: dict[str, Any] = {name: _plain(getattr(metrics, name)) for name in self.config.metrics if name in fields}
        if isinstance(metrics, DeploymentMetrics):
            self.alerts = alerts(self.config, metrics)
        if found:
            self._phases[phase] = {**self._phases.get(phase, {}), **found}
        return dict(self._phases.get(phase, {}))

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        """Phase → metric → value, in the order in which they were collected."""
        return {phase: dict(found) for phase, found in self._phases.items()}


def _plain(value: Any) -> Any:
    return None if value is None else value.model_dump(mode="json", exclude_none=True)
