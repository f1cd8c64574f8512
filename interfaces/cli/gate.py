"""Conditions such as `speed < 1.1` that let `benchmark` stand as a gate in continuous integration."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...contracts import DeploymentMetrics, Quantity, RequestError, units
from ..text import clean

if TYPE_CHECKING:
    from ...agents.standalone import BenchmarkResult

_EXPRESSION = re.compile(r"^\s*([a-z_]+)\s*(<=|>=|<|>)\s*(\S.*?)\s*$")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class _Measure:
    """What a name in a condition stands for: how its values are written, and where it is measured."""

    parse: Callable[[str, str], float]
    get: Callable[[BenchmarkResult], Quantity | None]
    needs_labels: bool = False


def _p95(metrics: DeploymentMetrics) -> Quantity | None:
    return metrics.latency.p95 if metrics.latency else None


_MEASURES = {
    "speed": _Measure(units.parse_factor, lambda result: result.benchmark.speedup),
    "size": _Measure(units.parse_bytes, lambda result: result.candidate.size),
    "size_ratio": _Measure(units.parse_share, lambda result: result.comparison.size_ratio),
    "latency": _Measure(units.parse_milliseconds, lambda result: _p95(result.candidate)),
    "memory_ratio": _Measure(units.parse_share, lambda result: result.comparison.memory_ratio),
    "fidelity": _Measure(units.parse_decibels, lambda result: result.evaluation.fidelity),
    "accuracy": _Measure(units.parse_share, lambda result: result.evaluation.candidate_accuracy, needs_labels=True),
    "drop": _Measure(units.parse_share, lambda result: result.evaluation.drop, needs_labels=True),
}


@dataclass(frozen=True)
class Condition:
    """One `name op value`, read and checked before anything is measured."""

    text: str
    name: str
    op: str
    bound: float

    def measured(self, result: BenchmarkResult) -> Quantity:
        """Return what the condition is about.

        Raises:
            RequestError: it could not be measured, because the data have no labels.
        """
        quantity = _MEASURES[self.name].get(result)
        if quantity is None:
            why = "the data have no labels" if _MEASURES[self.name].needs_labels else "it was not measured"
            raise RequestError(f"--fail-if {self.text!r} cannot be judged: {why}")
        return quantity

    def failure(self, result: BenchmarkResult) -> str | None:
        """Return why the gate closes, or None. A speed that is too noisy to tell counts as failing."""
        quantity = self.measured(result)
        shown = units.format_value(quantity.value, quantity.unit)
        if self.name == "speed" and not result.benchmark.conclusive:
            return f"{self.text}: {self.name} is {shown}, too noisy to tell; measure longer with --seconds"
        return f"{self.text}: {self.name} is {shown}" if _COMPARE[self.op](quantity.value, self.bound) else None


def read_conditions(texts: Sequence[str], has_data: bool) -> list[Condition]:
    """Return the conditions of several `--fail-if` options.

    Raises:
        RequestError: another form, an unknown name or unit, or labels are needed and there are no data.
    """
    return [_read(clean(text), has_data) for text in texts]


def _is_ratio(value: str, what: str) -> bool:
    """Tell a share of A (`30%`, `0.3`) from an amount of bytes."""
    return units.is_share(value, what) or (re.fullmatch(r"\d*\.?\d+", value) is not None and float(value) < 100)


def _read(text: str, has_data: bool) -> Condition:
    match = _EXPRESSION.match(text)
    if match is None:
        raise RequestError(f"--fail-if {text!r} is no condition; write it like 'speed < 1.1'")
    name, op, value = match.groups()
    if name not in _MEASURES:
        raise RequestError(f"--fail-if {text!r}: there is no {name!r}; there are {', '.join(sorted(_MEASURES))}")
    what = f"--fail-if {text!r}: the value"
    if name == "size" and _is_ratio(value, what):
        name = "size_ratio"
    measure = _MEASURES[name]
    if measure.needs_labels and not has_data:
        raise RequestError(f"--fail-if {text!r} needs labelled data; give --data")
    return Condition(text, name, op, measure.parse(value, what))
