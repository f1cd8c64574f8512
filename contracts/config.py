"""`DeploymentConfig`: the agent's configuration, every field of which a call may override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import BeforeValidator, ValidationError

from . import units
from .base import Contract
from .errors import RequestError
from .language import LanguageModelSettings
from .request import (
    Constraints,
    MonitoringConfig,
    OptimizationConfig,
    Platform,
    RuntimeName,
    Target,
)

T = TypeVar("T", bound=Contract)


def _bytes(value: Any) -> Any:
    return units.parse_bytes(value) if isinstance(value, str) and not units.is_share(value) else value


def _read(parse: Callable[[str], float]) -> BeforeValidator:
    """Let a field be written with its unit."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


class TargetConstraints(Contract):
    """Bounds as a configuration writes them.

    `max_size` and `max_memory` are bytes, or a share of the original when written with a percent sign;
    `max_latency` is milliseconds at the 95th percentile.
    """

    max_size: Annotated[int | str, BeforeValidator(_bytes)] | None = None
    max_memory: Annotated[int | str, BeforeValidator(_bytes)] | None = None
    max_latency: Annotated[float, _read(units.parse_milliseconds)] | None = None
    min_speedup: Annotated[float, _read(units.parse_factor)] | None = None
    min_throughput: Annotated[float, _read(units.parse_rate)] | None = None
    min_accuracy: Annotated[float, _read(units.parse_share)] | None = None
    max_drop: Annotated[float, _read(units.parse_share)] | None = None
    min_fidelity: Annotated[float, _read(units.parse_decibels)] | None = None
    min_logits_fidelity: Annotated[float, _read(units.parse_decibels)] | None = None

    def to_constraints(self) -> Constraints:
        """Return the same bounds in the names that requests use."""
        values: dict[str, Any] = {
            "max_latency_ms": self.max_latency,
            "min_speedup": self.min_speedup,
            "min_throughput_per_s": self.min_throughput,
            "min_accuracy": self.min_accuracy,
            "max_accuracy_drop": self.max_drop,
            "min_fidelity_db": self.min_fidelity,
            "min_logits_fidelity_db": self.min_logits_fidelity,
        }
        for name in ("size", "memory"):
            bound = getattr(self, f"max_{name}")
            share = isinstance(bound, str)
            values[f"max_{name}_{'ratio' if share else 'bytes'}"] = units.parse_share(bound) if share else bound
        return Constraints(**{name: value for name, value in values.items() if value is not None})


class TargetConfig(Contract):
    """Where the product will run and what it must stay within."""

    platform: Platform = "server"
    runtime: Annotated[RuntimeName, BeforeValidator(lambda value: "torch" if value == "js-torch" else value)] = "onnx"
    constraints: TargetConstraints = TargetConstraints()

    def to_target(self) -> Target:
        """Return the target without its bounds."""
        return Target(platform=self.platform, runtime=self.runtime)


class DeploymentConfig(Contract):
    """The configuration of a `DeploymentOptimizationAgent`.

    Attributes:
        target: platform, runtime and constraints.
        optimization: level and the switches that restrict the search.
        monitoring: metrics to collect per phase, and alerts.
        llm: the language model that advises, and what it may spend.
    """

    target: TargetConfig = TargetConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    llm: LanguageModelSettings = LanguageModelSettings()

    def override(self, **parts: Any) -> Self:
        """Return this configuration with any part replaced by what a call gives.

        Nested mappings are merged field by field, so `optimization={"level": "none"}` leaves the rest alone.

        Raises:
            RequestError: an unknown field or a value out of range, named.
        """
        merged = _merge(self.model_dump(), {name: _plain(value) for name, value in parts.items() if value is not None})
        return validate(type(self), merged)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, Contract) else value


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merge(cast("dict[str, Any]", old), cast("dict[str, Any]", value)) if both else value
    return merged


def validate(kind: type[T], data: Any, source: str = "") -> T:
    """Return `data` as `kind`, turning pydantic's report into one line that names the field.

    Raises:
        RequestError: an unknown field or a value out of range.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        prefix = f"{source}: " if source else ""
        words = first["msg"].removeprefix("Value error, ")
        # Where fields do not agree with each other, the input is the whole request, which helps nobody.
        given = f" (got {repr(first.get('input'))[:80]})" if where else ""
        raise RequestError(f"{prefix}{where or 'request'}: {words}{given}") from error
