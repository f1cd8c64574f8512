"""Store weights small; the runtime unfolds them to float32 when it folds constants at load.

Before: a float32 initializer `W`. After: an int8 initializer → `Cast(to=FLOAT)` → `Mul(scale)` whose output is `W`,
or an fp16 initializer → `Cast(to=FLOAT)` whose output is `W`. No consumer changes, in the graph or its subgraphs.
Every optimization level of onnxruntime but "disabled" folds this; `DequantizeLinear` would be kept for int8 compute.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ...contracts import LayerForm, Storage, WeightForm
from ..onnx_model import elements, iter_graphs, to_array, to_tensor
from .graphs import Names, Use, fixed_initializers, int_attribute, replace_nodes, uses
from .rounding import FP16_MAX, FloatArray, channel_scales, round_int8, rounding_noise

MIN_ELEMENTS = 1024
MIN_ELEMENTS_OF_VECTOR = 4096

StoredForm = Literal["int8", "fp16"]

# Operator → input → axes of the weight whose indices are independent output channels. Axis 1 of recurrent weights
# runs over gates and units: one scale for all of them costs an LSTM a fifth of its accuracy.
_RECURRENT: dict[int, tuple[int, ...]] = {1: (0, 1), 2: (0, 1)}
_AXES: dict[str, dict[int, tuple[int, ...]]] = {
    "Conv": {1: (0,)},
    "FusedConv": {1: (0,)},
    "ConvTranspose": {1: (1,)},
    "MatMul": {1: (-1,), 0: (-2,)},
    "FusedMatMul": {1: (-1,), 0: (-2,)},
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNN": _RECURRENT,
    "Gather": {0: (0,)},
    "EmbedLayerNormalization": {2: (0,), 3: (0,), 4: (0,)},
    "Attention": {1: (-1,)},
}


@dataclass(frozen=True)
class StorageUnit:
    """One initializer that storage can take.

    Attributes:
        name: of the initializer; branches of an `If` may use one name twice.
        op_type: operator that reads it first, `-` where none does.
        shape: of its values.
        axes: axes with one int8 scale per index, none for one scale in all.
        in_subgraph: whether a subgraph holds it.
    """

    name: str
    op_type: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    in_subgraph: bool

    @property
    def bytes(self) -> int:
        """Bytes of its values as float32."""
        return 4 * math.prod(self.shape)

    def stored_bytes(self, form: StoredForm) -> int:
        """Return the bytes of values and scales in `form`."""
        if form == "fp16":
            return 2 * math.prod(self.shape)
        return math.prod(self.shape) + 4 * math.prod(self.shape[axis] for axis in self.axes)


def is_storable(tensor: TensorProto) -> bool:
    """Tell whether the tensor is large enough to be worth unfolding: float32, 1,024 elements, or 4,096 in a vector."""
    least = MIN_ELEMENTS if len(tensor.dims) >= 2 else MIN_ELEMENTS_OF_VECTOR
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 1 and elements(tensor) >= least


# Operator → first input that holds scales and zero points rather than weights.
_PARAMETERS = {"QuantizeLinear": 1, "DequantizeLinear": 1, "DynamicQuantizeLSTM": 8, "QAttention": 3}


def _is_parameter(readers: list[Use]) -> bool:
    return any(use.index >= _PARAMETERS.get(use.node.op_type, use.index + 1) for use in readers)


def storage_units(model: ModelProto) -> list[StorageUnit]:
    """Return the initializers that storage can take, in the order of the file, those in subgraphs included."""
    return [unit for _, _, unit in _located(model)]


def _located(model: ModelProto) -> Iterator[tuple[GraphProto, TensorProto, StorageUnit]]:
    for graph in iter_graphs(model):
        candidates = [tensor for tensor in fixed_initializers(graph).values() if is_storable(tensor)]
        readers = uses(graph) if candidates else {}
        for tensor in candidates:
            found = readers.get(tensor.name, [])
            if not _is_parameter(found):
                yield graph, tensor, _unit(tensor, found, graph is not model.graph)


def _unit(tensor: TensorProto, readers: list[Use], in_subgraph: bool) -> StorageUnit:
    op_type = readers[0].node.op_type if readers else "-"
    return StorageUnit(tensor.name, op_type, tuple(tensor.dims), _axes(tensor, readers), in_subgraph)


def _axes(tensor: TensorProto, readers: list[Use]) -> tuple[int, ...]:
    """The axes that the readers agree on, else the one that rounds best; none for vectors."""
    rank = len(tensor.dims)
    if rank < 2:
        return ()
    wanted = {_channel_axes(use, rank) for use in readers}
    if len(wanted) == 1 and (only := wanted.pop()):
        return only
    return _best_axes(to_array(tensor))


def _channel_axes(use: Use, rank: int) -> tuple[int, ...]:
    """The axes that the reader names; none where it is of no known kind."""
    if use.node.op_type == "Gemm" and use.index == 1:
        return (1 - int_attribute(use.node, "transB", 0),)
    axes = _AXES.get(use.node.op_type, {}).get(use.index, ())
    return tuple(axis % rank for axis in axes) if all(-rank <= axis < rank for axis in axes) else ()


def _best_axes(weight: FloatArray) -> tuple[int, ...]:
    """The axis with the least rounding noise whose scales take at most an eighth of the bytes saved."""
    affordable = [axis for axis in range(weight.ndim) if 4 * weight.shape[axis] <= weight.size * 3 // 8]
    if not affordable or not np.isfinite(weight).all():
        return ()
    return (min(affordable, key=lambda axis: rounding_noise(weight, (axis,))),)


def predict_storage_bytes(model: ModelProto, storage: Storage) -> int:
    """Return the bytes by which storing shrinks the weights; names and nodes take about 150 bytes each of it."""
    saved = 0
    for unit in storage_units(model):
        form = _asked(unit, storage, {})
        saved += 0 if form is None else unit.bytes - unit.stored_bytes(form)
    return saved


def stored_form(unit: StorageUnit, form: StoredForm) -> StoredForm:
    """Return the form that `unit` gets where `form` is asked for: int8 only where that is smaller than fp16.

    A vector gets fp16 too: one scale for all of a bias is too coarse.
    """
    if (
        form == "int8"
        and max(unit.shape) < math.prod(unit.shape)
        and unit.stored_bytes("int8") < unit.stored_bytes("fp16")
    ):
        return "int8"
    return "fp16"


def _asked(unit: StorageUnit, storage: Storage, stored: Mapping[str, WeightForm]) -> StoredForm | None:
    form = stored.get(unit.name, storage)
    return stored_form(unit, form) if form in ("fp16", "int8") else None


def store_weights(
    model: ModelProto,
    storage: Storage,
    stored: Mapping[str, WeightForm] | None = None,
    only: Collection[str] | None = None,
) -> list[LayerForm]:
    """Store the weights of `model` in place and return what each became, those left alone with the reason.

    Args:
        model: with all its weights.
        storage: form of all weights that are not named below.
        stored: exceptions by name.
        only: names that may be touched; absent, all.
    """
    names = Names(model)
    layers: list[LayerForm] = []
    fronts: dict[int, tuple[GraphProto, list[NodeProto]]] = {}
    for graph, tensor, unit in list(_located(model)):
        if only is not None and unit.name not in only:
            continue
        form = _asked(unit, storage, stored or {})
        why = "asked for" if form is None else _obstacle(tensor, form)
        if form is None or why:
            layers.append(_layer(unit, "fp32", why, unit.bytes))
            continue
        front = fronts.setdefault(id(graph), (graph, []))[1]
        layers.append(_layer(unit, f"{form} stored", "", unit.stored_bytes(form)))
        front.extend(_store(graph, tensor, unit, form, names))
    # Inner graphs first: giving a graph its nodes anew copies the graphs inside them.
    for graph, front in reversed(fronts.values()):
        replace_nodes(graph, [*front, *graph.node])
    return layers


def _layer(unit: StorageUnit, form: str, why: str, size: int) -> LayerForm:
    return LayerForm(name=unit.name, op_type=unit.op_type, form=form, why=why, weight_bytes=size)


def _obstacle(tensor: TensorProto, form: StoredForm) -> str:
    weight = to_array(tensor)
    if not np.isfinite(weight).all():
        return "holds NaN or infinity"
    if form == "fp16" and float(np.max(np.abs(weight))) > FP16_MAX:
        return "holds values beyond fp16"
    return ""


def _store(
    graph: GraphProto, tensor: TensorProto, unit: StorageUnit, form: StoredForm, names: Names
) -> list[NodeProto]:
    """Replace the initializer by its stored form; return the nodes that unfold it under its old name."""
    weight, original = to_array(tensor), tensor.name
    packed = names.fresh("stored")
    cast = helper.make_node("Cast", [packed], [original], names.fresh("unfold"), to=TensorProto.FLOAT)
    if form == "fp16":
        tensor.CopyFrom(to_tensor(weight.astype(np.float16), packed))
        return [cast]
    scales = channel_scales(weight, unit.axes)
    tensor.CopyFrom(to_tensor(round_int8(weight, scales), packed))
    scale, wide = names.fresh("scale"), names.fresh("wide")
    graph.initializer.append(to_tensor(scales, scale))
    cast.output[0] = wide
    return [cast, helper.make_node("Mul", [wide, scale], [original], names.fresh("rescale"))]
