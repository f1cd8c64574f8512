"""`OptimizationMonitor`: the metrics that a configuration watches, gathered phase by phase."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..contracts import Attempt, DeploymentMetrics, MonitoringConfig, OptimizationMetrics, PhaseMetrics
from .advise import alerts

Keep = Callable[[PhaseMetrics], None]


class OptimizationMonitor:
    """Collects what is watched, and says which alerts the last measured model would raise.

    Args:
        config: names of the metrics, and thresholds; without names, everything that was measured is watched.
        keep: where each phase goes as well, such as a run's ledger.
        earlier: phases that were kept before, of a run that goes on.
    """

    def __init__(
        self, config: MonitoringConfig, keep: Keep | None = None, earlier: Iterable[PhaseMetrics] = ()
    ) -> None:
        self.config = config
        self._keep = keep
        self._phases = merged(earlier)

    def collect_metrics(self, phase: str, metrics: DeploymentMetrics | OptimizationMetrics) -> dict[str, Any]:
        """Add what is watched of `metrics` to a phase, such as `baseline`, and return what the phase holds.

        A named metric of the kind that was not measured is None; one that only the other kind has is passed over.
        """
        found = PhaseMetrics(phase=phase, metrics=self._watched(metrics), alerts=self._raised(metrics))
        if found.metrics or found.alerts:
            self._phases = merged([*self._phases.values(), found])
            if self._keep is not None:
                self._keep(found)
        return dict(self._phases[phase].metrics) if phase in self._phases else {}

    def collect_attempt(self, attempt: Attempt) -> None:
        """Collect what was measured of an attempt, and of the original beside the first that was timed."""
        if "baseline" not in self._phases and attempt.baseline is not None and attempt.baseline.latency is not None:
            self.collect_metrics("baseline", attempt.baseline)
        if attempt.metrics is not None:
            self.collect_metrics(f"attempt {attempt.index}", attempt.metrics)

    def _watched(self, metrics: DeploymentMetrics | OptimizationMetrics) -> dict[str, Any]:
        fields = type(metrics).model_fields
        if self.config.metrics:
            return {name: _plain(getattr(metrics, name)) for name in self.config.metrics if name in fields}
        return metrics.model_dump(mode="json", exclude_none=True, exclude={"class_drops", "metric", "synthetic_data"})

    def _raised(self, metrics: DeploymentMetrics | OptimizationMetrics) -> tuple[str, ...]:
        return alerts(self.config, metrics) if isinstance(metrics, DeploymentMetrics) else ()

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        """Phase → metric → value, in the order in which they were collected."""
        return {phase: dict(found.metrics) for phase, found in self._phases.items()}

    @property
    def alerts(self) -> tuple[str, ...]:
        """What the product would raise; before there is one, the model that was measured last."""
        models = [found for found in self._phases.values() if found.phase != "comparison"]
        last = self._phases.get("optimized", models[-1] if models else None)
        return last.alerts if last else ()


def merged(collected: Iterable[PhaseMetrics]) -> dict[str, PhaseMetrics]:
    """Return the phases by name; what was collected later of one adds to it, and its alerts replace the earlier."""
    phases: dict[str, PhaseMetrics] = {}
    for item in collected:
        before = phases[item.phase].metrics if item.phase in phases else {}
        phases[item.phase] = item.model_copy(update={"metrics": {**before, **item.metrics}})
    return phases


def _plain(value: Any) -> Any:
    return None if value is None else value.model_dump(mode="json", exclude_none=True)
