"""From a model, its tables of damage and its table of time to a choice for each unit.

Units are the nodes that a table of compute names and the initializers that a table of storage names. An integer
operator holds its weights itself: an initializer may be dropped (`held`) once every node that reads it computes in
such a form, and is stored once, however many read it, otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto

from ...contracts import SensitivityTable, TimeTable, UnitDamage
from ..onnx_model import iter_tensors, opset, to_array
from ..quantize.rounding import FP16_MAX, FloatArray, rounded_fp16, rounded_int8
from ..quantize.storage_units import StorageUnit, is_storable, storage_units
from ..weight_roles import weight_uses
from .forms import held_bytes, node_bytes, stored_bytes
from .problem import Choice, Cost, Need, Pick, Problem, Unit

HELD = "held"
COMPUTED = ("static", "dynamic", "half")
# Power that a unit is given whose damage could not be told apart from none.
LEAST_NOISE = 1e-14


@dataclass(frozen=True)
class Rules:
    """What may be chosen, and how predictions are corrected by what was measured.

    Attributes:
        compute: operator type → forms that its nodes may take besides float32.
        storage: forms that weights may take besides float32.
        fallback: form of weights that no table knows.
        block: neighbouring values with one scale in `int8_block` and `int4`.
        noise, time: factors of noise power and of saved time by form; `boundary` likewise of changes of form.
        size_offset: bytes by which files came out larger than predicted.
    """

    compute: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    storage: Sequence[str] = ()
    fallback: str = "fp32"
    block: int = 32
    noise: Mapping[str, float] = field(default_factory=dict[str, float])
    time: Mapping[str, float] = field(default_factory=dict[str, float])
    boundary: float = 1.0
    size_offset: float = 0.0


class Builder:
    """Collects units, costs and needs of one model."""

    def __init__(
        self,
        model: ModelProto,
        size: int,
        tables: Iterable[SensitivityTable],
        times: TimeTable | None,
        rules: Rules,
    ) -> None:
        self._rules, self._times, self._size, self._opset = rules, times, size, opset(model)
        self._damage: dict[tuple[str, str], UnitDamage] = {
            (table.form, unit.name): unit for table in tables for unit in table.units
        }
        self._weights, self._readers = _weights(model), _readers(model)
        self._finer = _finer(model, self._weights)
        self._units: list[Unit] = []
        self._at: dict[tuple[str, str], int] = {}
        self._costs: list[Cost] = []
        self._needs: list[Need] = []

    def problem(self) -> Problem:
        """Return the whole choice."""
        us = _microseconds(self._times)
        offered = self._offered(us)
        for name, forms in offered.items():
            self._add("node", name, [self._computed(name, form, us.get(name, {})) for form in forms])
        for name in self._weights:
            self._add_weight(name, offered)
        self._edges()
        unknown = sum(
            self._saved(weight) for weight in self._weights.values() if ("weight", weight.name) not in self._at
        )
        return Problem(
            units=tuple(self._units),
            size=self._size - unknown + self._rules.size_offset,
            us=self._times.total_us.get("fp32", 0.0) if self._times else 0.0,
            costs=tuple(self._costs),
            needs=tuple(self._needs),
        )

    def _offered(self, us: Mapping[str, Mapping[str, float]]) -> dict[str, list[str]]:
        """Return node → forms of compute that it may take: damage is known, and where anything was timed, its time."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for (form, name), unit in sorted(self._damage.items()):
            timed = self._times is None or form in us.get(name, {})
            if form in self._rules.compute.get(unit.op_type, ()) and timed:
                found[name].append(form)
        return dict(found)

    def _add(self, kind: str, name: str, choices: Iterable[Choice]) -> None:
        self._at[kind, name] = len(self._units)
        self._units.append(Unit(name, (Choice("fp32"), *choices)))

    def _computed(self, name: str, form: str, us: Mapping[str, float]) -> Choice:
        """Return a form of compute; the weights that only this node reads in it are in its bytes."""
        gain = (us[form] - us["fp32"]) if form in us and "fp32" in us else 0.0
        return Choice(
            form=form,
            noise=self._noise(form, name),
            us=gain * self._rules.time.get(form, 1.0),
            size=node_bytes(form),
        )

    def _noise(self, form: str, name: str) -> float:
        known = self._damage[form, name].damage_db
        return max(10 ** (-known / 10), LEAST_NOISE) * self._rules.noise.get(form, 1.0)

    def _add_weight(self, name: str, offered: Mapping[str, Sequence[str]]) -> None:
        weight, readers = self._weights[name], self._readers.get(name, set())
        stored = [form for form in self._rules.storage if self._stored_noise(form, name) is not None]
        held = bool(readers) and all(reader in offered for reader in readers)
        if not stored and not held and not any(reader in offered for reader in readers):
            return
        wide = weight.bytes
        choices = [
            Choice(
                form,
                noise=self._stored_noise(form, name) or 0.0,
                size=self._stored_bytes(weight, form) - wide,
            )
            for form in stored
        ]
        self._add("weight", name, [*choices, *([Choice(HELD, size=-wide)] if held else [])])
        if held:
            self._hold(name, readers, len(choices) + 1, offered)
        self._copies(weight, [reader for reader in sorted(readers) if reader in offered], offered)

    def _stored_noise(self, form: str, name: str) -> float | None:
        """Return the noise of a stored form, None where it is not known; that of fp16 follows from that of int8."""
        if (form, name) in self._damage:
            return self._noise(form, name)
        if form not in self._finer.get(name, {}) or ("int8", name) not in self._damage:
            return None
        power = 10 ** (-self._damage["int8", name].damage_db / 10) * self._finer[name][form]
        return max(power, LEAST_NOISE) * self._rules.noise.get(form, 1.0)

    def _hold(self, name: str, readers: Iterable[str], at: int, offered: Mapping[str, Sequence[str]]) -> None:
        """Let the weight be dropped only where each reader computes in a form that holds a copy."""
        pick = (self._at["weight", name], at)
        for reader in sorted(readers):
            self._needs.append(Need(pick, tuple(self._pick(reader, form) for form in offered[reader])))

    def _pick(self, node: str, form: str) -> Pick:
        index = self._at["node", node]
        forms = [choice.form for choice in self._units[index].choices]
        return index, forms.index(form)

    def _copies(self, weight: StorageUnit, readers: Sequence[str], offered: Mapping[str, Sequence[str]]) -> None:
        """Pay once for each form that any reader computes in."""
        for form in COMPUTED:
            takers = [reader for reader in readers if form in offered[reader]]
            if takers:
                rows = tuple((self._pick(reader, form), ()) for reader in takers)
                self._costs.append(Cost(rows, size=held_bytes(weight, form)))

    def _saved(self, weight: StorageUnit) -> int:
        """Return the bytes that a weight that no table knows saves in the form that it will have."""
        return weight.bytes - self._stored_bytes(weight, self._rules.fallback)

    def _stored_bytes(self, weight: StorageUnit, form: str) -> int:
        return stored_bytes(weight, form, self._rules.block, self._opset)

    def _edges(self) -> None:
        """Pay for each change between integer and floating point along an edge that was timed."""
        for edge in self._times.boundaries if self._times else ():
            source, target = self._static(edge.source), self._static(edge.target)
            for on, off, us in ((target, source, edge.quantize_us), (source, target, edge.dequantize_us)):
                if on is not None and us > 0:
                    row = (on, () if off is None else (off,))
                    self._costs.append(Cost((row,), us=us * self._rules.boundary))

    def _static(self, node: str) -> Pick | None:
        index = self._at.get(("node", node))
        if index is None:
            return None
        forms = [choice.form for choice in self._units[index].choices]
        return (index, forms.index("static")) if "static" in forms else None


def _microseconds(times: TimeTable | None) -> dict[str, dict[str, float]]:
    """Return node → form → microseconds."""
    units = times.units if times else ()
    return {unit.name: {str(form): us for form, us in unit.us.items()} for unit in units}


def _weights(model: ModelProto) -> dict[str, StorageUnit]:
    """Return the initializers that storage can take; branches may use one name twice: the larger counts."""
    found: dict[str, StorageUnit] = {}
    for unit in storage_units(model):
        if unit.name not in found or unit.bytes > found[unit.name].bytes:
            found[unit.name] = unit
    return found


def _finer(model: ModelProto, weights: Mapping[str, StorageUnit]) -> dict[str, dict[str, float]]:
    """Return initializer → finer form → power of its rounding errors / that of int8, which the tables tell of."""
    found: dict[str, dict[str, float]] = {}
    for tensor in iter_tensors(model):
        unit = weights.get(tensor.name)
        if unit is None or tensor.name in found or not is_storable(tensor) or tuple(tensor.dims) != unit.shape:
            continue
        weight = to_array(tensor)
        if np.isfinite(weight).all() and float(np.abs(weight).max(initial=0.0)) <= FP16_MAX:
            found[tensor.name] = {"fp16": _fp16_share(weight, unit)}
    return found


def _fp16_share(weight: FloatArray, unit: StorageUnit) -> float:
    if unit.taken_form("int8") == "fp16":
        return 1.0
    fine, coarse = _power(weight - rounded_fp16(weight)), _power(weight - rounded_int8(weight, unit.axes))
    return min(fine / coarse, 1.0) if coarse > 0 else 1.0


def _power(errors: np.ndarray) -> float:
    return float(np.mean(np.square(errors, dtype=np.float64))) if errors.size else 0.0


def _readers(model: ModelProto) -> dict[str, set[str]]:
    """Return initializer → nodes that read it; a node without a name can take no form and stands for itself."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for use in weight_uses(model):
        found[use.name].add(use.node.name)
    return dict(found)
