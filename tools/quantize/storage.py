"""Store weights small; the runtime unfolds them to float32 when it folds constants at load.

Before: a float32 initializer `W`. After: smaller initializers and nodes (see `unfolding`) whose output is `W`. No
consumer changes, in the graph or its subgraphs. `DequantizeLinear` would do the same, but the runtime keeps it for
int8 compute, and unfolds at every call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto

from ...contracts import LayerForm, Storage, WeightForm
from ..onnx_model import delete_named, opset, to_array
from .graphs import Names, replace_nodes
from .grids import Grid, GridForm, make_grid
from .rounding import FP16_MAX, FloatArray, Int8Array, rounded_fp16
from .storage_units import DEFAULT_BLOCK, StorageUnit, StoredForm, is_storable, located, storage_units
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
        form = _asked(unit, storage, stored or {}, block)
        saved += 0 if form is None else unit.bytes - unit.stored_bytes(form, block)
    return saved


def stored_form(unit: StorageUnit, form: StoredForm, block: int = DEFAULT_BLOCK) -> StoredForm:
    """Return the form that `unit` gets where `form` is asked for; small weights get a wider one."""
    return unit.taken_form(form, block)


def _asked(unit: StorageUnit, storage: Storage, stored: Mapping[str, WeightForm], block: int) -> StoredForm | None:
    form = stored.get(unit.name, storage)
    return None if form == "fp32" or form == "none" else stored_form(unit, form, block)


@dataclass(frozen=True)
class Point:
    """A weight as it is stored: a point of a grid."""

    grid: Grid
    integers: Int8Array

    def values(self, shape: tuple[int, ...]) -> FloatArray:
        """Return the float32 values that it stands for."""
        return self.grid.rows.weight(self.grid.values(self.integers), shape)


def stored_point(weight: FloatArray, unit: StorageUnit, form: GridForm, block: int = DEFAULT_BLOCK) -> Point:
    """Return finite `weight` on the grid of `form`."""
    grid = make_grid(weight, form, unit.axes, block)
    return Point(grid, grid.nearest(grid.rows.matrix(weight)))


def stored_values(
    weight: FloatArray, unit: StorageUnit, form: StoredForm, block: int = DEFAULT_BLOCK
) -> FloatArray | None:
    """Return the float32 values that `weight` stands for once it is stored; None where it cannot be.

    Args:
        weight: values of the initializer.
        unit: what it is.
        form: as it is asked for; the weight gets what `stored_form` says.
        block: neighbouring elements of a row that share a scale, at most.
    """
    taken = stored_form(unit, form, block)
    if obstacle(weight, taken):
        return None
    if taken == "fp16":
        return rounded_fp16(weight)
    return stored_point(weight, unit, taken, block).values(weight.shape)


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
) -> list[LayerForm]:
    """Store the weights of `model` in place and return what each became, those left alone with the reason.

    Args:
        model: with all its weights.
        storage: form of all weights that are not named below.
        stored: exceptions by name.
        only: names that may be touched; absent, all.
        block: neighbouring elements of a row that share a scale, at most.
    """
    names, version = Names(model), opset(model)
    layers: list[LayerForm] = []
    fronts: dict[int, tuple[GraphProto, Unfolder]] = {}
    gone: dict[int, set[str]] = {}
    for graph, tensor, unit in list(located(model)):
        if only is not None and unit.name not in only:
            continue
        form, weight = _asked(unit, storage, stored or {}, block), to_array(tensor)
        why = "asked for" if form is None else obstacle(weight, form)
        if form is None or why:
            layers.append(_layer(unit, "fp32", why, unit.bytes))
            continue
        unfolder = fronts.setdefault(id(graph), (graph, Unfolder(names, version)))[1]
        before = unfolder.bytes + float_frame(unit.name, unit.shape)
        write(unfolder, weight, unit, form, block)
        layers.append(_layer(unit, SHOWN[form], "", unfolder.bytes - before))
        gone.setdefault(id(graph), set()).add(unit.name)
    # Inner graphs first: giving a graph its nodes anew copies the graphs inside them.
    for graph, unfolder in reversed(fronts.values()):
        delete_named(graph.initializer, gone[id(graph)])
        graph.initializer.extend(unfolder.initializers)
        replace_nodes(graph, [*unfolder.nodes, *graph.node])
    return layers


def write(unfolder: Unfolder, weight: FloatArray, unit: StorageUnit, form: StoredForm, block: int) -> None:
    """Write the stored form of `weight`."""
    if form == "fp16":
        unfolder.fp16(unit.shape, lambda: weight.astype(np.float16), unit.name)
        return
    point = stored_point(weight, unit, form, block)
    how = layout(unit.shape, unit.axes, form, block)
    integers, scales = lying(how, point.integers, point.grid.scales, point.grid.narrow)
    unfolder.grid(how, form, point.grid.narrow, unit.name, (lambda: integers, lambda: scales))


def _layer(unit: StorageUnit, form: str, why: str, size: int) -> LayerForm:
    return LayerForm(name=unit.name, op_type=unit.op_type, form=form, why=why, weight_bytes=size)
