"""Store weights small; the runtime unfolds them to float32 when it folds constants at load.

Before: a float32 initializer `W`. After: smaller initializers and nodes (see `unfolding`) whose output is `W`. No
consumer changes, in the graph or its subgraphs. `DequantizeLinear` would do the same, but the runtime keeps it for
int8 compute, and unfolds at every call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import GraphProto, ModelProto

from ...contracts import LayerForm, Rounding, Storage, WeightForm
from ..onnx_model import delete_named, opset, to_array
from .capture import Moments
from .graphs import Names, replace_nodes
from .grids import GridForm
from .rounding import FP16_MAX, FloatArray, rounded_fp16
from .storage_units import DEFAULT_BLOCK, StorageUnit, StoredForm, is_storable, located, storage_units
from .stored_points import Point, stored_point
from .unfolding import Unfolder, float_frame, layout, lying

__all__ = [
    "StorageUnit",
    "StoredForm",
    "is_storable",
    "predict_storage_bytes",
    "storage_units",
    "store_weights",
    "stored_form",
    "stored_values",
]

# Form → what reports call it.
SHOWN: dict[StoredForm, str] = {
    "fp16": "fp16 stored",
    "int8": "int8 stored",
    "int8_block": "int8 block stored",
    "int4": "int4 stored",
}


def predict_storage_bytes(
    model: ModelProto,
    storage: Storage,
    stored: Mapping[str, WeightForm] | None = None,
    block: int = DEFAULT_BLOCK,
) -> int:
    """Return the bytes by which storing shrinks the file, as far as names and values do not decide it."""
    saved = 0
    for unit in storage_units(model):
        form = asked_form(unit, storage, stored or {}, block)
        saved += 0 if form is None else unit.bytes - unit.stored_bytes(form, block)
    return saved


def stored_form(unit: StorageUnit, form: StoredForm, block: int = DEFAULT_BLOCK) -> StoredForm:
    """Return the form that `unit` gets where `form` is asked for; small weights get a wider one."""
    return unit.taken_form(form, block)


def asked_form(
    unit: StorageUnit, storage: Storage, stored: Mapping[str, WeightForm], block: int, fp16: bool = True
) -> StoredForm | None:
    """Return the form that `unit` gets in a step, None where it stays as it is; `fp16` as in `QuantizeStep`."""
    form = stored.get(unit.name) or storage
    if form == "fp32" or form == "none":
        return None
    taken = stored_form(unit, form, block)
    return None if taken == "fp16" and not fp16 else taken


def stored_values(
    weight: FloatArray,
    unit: StorageUnit,
    form: StoredForm,
    block: int = DEFAULT_BLOCK,
    rounding: Rounding = "nearest",
    moments: Moments | None = None,
) -> FloatArray | None:
    """Return the float32 values that `weight` stands for once it is stored; None where it cannot be.

    Args:
        weight: values of the initializer.
        unit: what it is.
        form: as it is asked for; the weight gets what `stored_form` says.
        block: neighbouring elements of a row that share a scale, at most.
        rounding: which of the values around it is taken.
        moments: of what it is multiplied with (see `capture`); without them the nearest value is taken.
    """
    taken = stored_form(unit, form, block)
    if obstacle(weight, taken):
        return None
    if taken == "fp16":
        return rounded_fp16(weight)
    return stored_point(weight, unit, taken, block, rounding, moments).values(weight.shape)


def obstacle(weight: FloatArray, form: StoredForm) -> str:
    """Return why `weight` cannot be stored in `form`, empty where it can."""
    if not np.isfinite(weight).all():
        return "holds NaN or infinity"
    if form == "fp16" and float(np.max(np.abs(weight))) > FP16_MAX:
        return "holds values beyond fp16"
    return ""


def store_weights(
    model: ModelProto,
    storage: Storage,
    stored: Mapping[str, WeightForm] | None = None,
    only: Collection[str] | None = None,
    block: int = DEFAULT_BLOCK,
    points: Mapping[str, Point] | None = None,
    fp16: bool = True,
) -> list[LayerForm]:
    """Store the weights of `model` in place and return what each became, those left alone with the reason.

    Args:
        model: with all its weights.
        storage: form of all weights that are not named below.
        stored: exceptions by name.
        only: names that may be touched; absent, all.
        block: neighbouring elements of a row that share a scale, at most.
        points: what rounding by their inputs made of weights of the main graph; the others take the nearest values.
        fp16: as in `QuantizeStep`.
    """
    store = _Store(model, block, points)
    layers: list[LayerForm] = []
    for graph, tensor, unit in list(located(model)):
        if only is not None and unit.name not in only:
            continue
        form, weight = asked_form(unit, storage, stored or {}, block, fp16), to_array(tensor)
        why = "asked for" if form is None else _too_large(unit) or obstacle(weight, form)
        if form is None or why:
            layers.append(_layer(unit, "fp32", why, unit.bytes))
        else:
            layers.append(store.take(graph, weight, unit, form))
    store.finish()
    return layers


def _too_large(unit: StorageUnit) -> str:
    return "" if unit.unfolds else "the runtime unfolds no weight above 1 GiB at load"


def _layer(unit: StorageUnit, form: str, why: str, size: int) -> LayerForm:
    return LayerForm(name=unit.name, op_type=unit.op_type, form=form, why=why, weight_bytes=size)


@dataclass
class _Front:
    """What becomes of one graph: what goes, and what comes before its nodes."""

    graph: GraphProto
    unfolder: Unfolder
    gone: set[str] = field(default_factory=set[str])


class _Store:
    """Takes weights one by one and rewrites their graphs at the end."""

    def __init__(self, model: ModelProto, block: int, points: Mapping[str, Point] | None) -> None:
        self._names, self._opset = Names(model), opset(model)
        self._block, self._points = block, points
        self._fronts: dict[int, _Front] = {}

    def take(self, graph: GraphProto, weight: FloatArray, unit: StorageUnit, form: StoredForm) -> LayerForm:
        """Store one weight and say what it became."""
        new = _Front(graph, Unfolder(self._names, self._opset))
        front = self._fronts.setdefault(id(graph), new)
        before = front.unfolder.bytes + float_frame(unit.name, unit.shape)
        why = ""
        if form == "fp16":
            front.unfolder.fp16(unit.shape, lambda: weight.astype(np.float16), unit.name)
        else:
            why = self._write(front.unfolder, weight, unit, form)
        front.gone.add(unit.name)
        return _layer(unit, SHOWN[form], why, front.unfolder.bytes - before)

    def _write(self, unfolder: Unfolder, weight: FloatArray, unit: StorageUnit, form: GridForm) -> str:
        """Write a point of a grid; return what there is to remark."""
        known = None if unit.in_subgraph else (self._points or {}).get(unit.name)
        point = known or stored_point(weight, unit, form, self._block)
        how = layout(unit.shape, unit.axes, form, self._block)
        integers, scales = lying(how, point.integers, point.grid.scales, point.grid.narrow)
        unfolder.grid(how, form, point.grid.narrow, unit.name, (lambda: integers, lambda: scales))
        silent = known or self._points is None or unit.is_vector
        return "" if silent else "rounded to the nearest: its input cannot be looked at"

    def finish(self) -> None:
        """Rewrite the graphs, inner ones first: giving a graph its nodes anew copies the graphs inside them."""
        for front in reversed(self._fronts.values()):
            delete_named(front.graph.initializer, front.gone)
            front.graph.initializer.extend(front.unfolder.initializers)
            replace_nodes(front.graph, [*front.unfolder.nodes, *front.graph.node])
