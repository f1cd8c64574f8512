"""Dynamic int8 compute: weights are int8 in the file, activations are quantized at each call.

Works on every graph of the model, branches included. Weights are symmetric with one scale per output channel;
activations are uint8 as `DynamicQuantizeLinear` makes them. What onnxruntime fuses at load:

- `MatMul`, `Gemm` → `DynamicQuantizeLinear` → `MatMulInteger` → `Cast` → `Mul` (→ `Add`)
- `Conv` → `DynamicQuantizeLinear` → `ConvInteger` → `Cast` → `Mul` (→ `Add`)
- `LSTM` → `DynamicQuantizeLSTM`, `Attention` → `QAttention` (domain `com.microsoft`)

A `Gather` from a table reads rows of int8, or of the form in which the table is stored; nothing unfolds it at load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from onnx import GraphProto, ModelProto, NodeProto, helper

from ...contracts import LayerForm
from ..onnx_model import is_standard, iter_graphs, opset
from .computed_rounding import NEAREST, Roundings
from .dynamic_ops import EMITTERS
from .emission import Emission, Unfit
from .graphs import Names, replace_nodes
from .recurrent_weights import RecurrentWeight
from .storage_units import DEFAULT_BLOCK, StoredForm
from .table_rows import rows_layer
from .weights import Weights, drop_unused

MIN_OPSET = 11
CONTRIB = "com.microsoft"

_NO_KERNEL = "onnxruntime has no dynamic int8 kernel for it"

# Operator → first input that is a weight, and the one after the last; the second input in others.
_WEIGHT_INPUTS = {"LSTM": (1, 3), "Gather": (0, 1)}


def quantize_dynamic(
    model: ModelProto,
    op_types: Collection[str],
    keep: Collection[str] = (),
    per_channel: bool = True,
    named: Collection[str] = (),
    tables: Mapping[str, StoredForm] = {},
    block: int = DEFAULT_BLOCK,
    roundings: Roundings = NEAREST,
    rounded: Mapping[str, RecurrentWeight] | None = None,
) -> list[LayerForm]:
    """Turn the nodes of `op_types` to dynamic int8 in place; return what became of each, with the reason.

    Args:
        model: of opset 11 or above for anything to change.
        op_types: operators asked for; one without a kernel is reported, not refused.
        keep: names of nodes that stay in floating point.
        per_channel: one scale per output channel instead of one per weight.
        named: nodes that are taken whatever their operator.
        tables: looked-up table → form in which its rows are held, int8 where none is named.
        block: neighbouring elements of a row that share a scale, at most, in forms that have blocks.
        roundings: integers of weights that are not rounded to the nearest.
        rounded: weights of LSTMs of the main graph by name; the others are rounded to the nearest.
    """
    names = Names(model)
    weights = Weights(model, names)
    layers: list[LayerForm] = []
    changed: list[tuple[GraphProto, list[NodeProto]]] = []
    replaced: set[str] = set()

    def takes(node: NodeProto) -> bool:
        return (node.op_type in op_types or node.name in named) and node.name not in keep

    for graph in list(iter_graphs(model)):
        known = rounded or {} if graph is model.graph else {}
        emission = Emission(graph, weights, per_channel, takes, tables, block, roundings, known)
        nodes: list[NodeProto] = []
        for node in graph.node:
            if node.op_type not in op_types and node.name not in named:
                nodes.append(node)
                continue
            why = _try(node, emission, opset(model), nodes.extend) if takes(node) else "kept"
            if why:
                nodes.append(node)
            else:
                replaced.update(node.input)
            layers.append(_layer(node, emission, why))
        changed.append((graph, nodes))
    for graph, nodes in reversed(changed):
        replace_nodes(graph, nodes)
    drop_unused(model, replaced)
    _import_contrib(model)
    return layers


def _try(node: NodeProto, emission: Emission, version: int, accept: Callable[[list[NodeProto]], None]) -> str:
    """Emit the int8 form of `node`; return why there is none, or nothing."""
    emitter = EMITTERS.get(("" if is_standard(node) else node.domain, node.op_type))
    if emitter is None:
        return _NO_KERNEL
    if version < MIN_OPSET:
        return f"needs opset {MIN_OPSET}, the model has {version}"
    try:
        accept(emitter(node, emission))
    except Unfit as reason:
        return str(reason)
    return ""


def _layer(node: NodeProto, emission: Emission, why: str) -> LayerForm:
    held = emission.tables.get(node.input[0], "int8") if node.op_type == "Gather" else "int8"
    if held != "int8" and not why:
        return rows_layer(node.input[0], held, emission.weight_size(node.input[0]))
    first, end = _WEIGHT_INPUTS.get(node.op_type, (1, 2))
    size = sum(emission.weight_size(name) for name in node.input[first:end]) * (4 if why else 1)
    form = "fp32" if why else "int8 dynamic"
    return LayerForm(name=node.name, op_type=node.op_type, form=form, why=why, weight_bytes=size)


def _import_contrib(model: ModelProto) -> None:
    used = any(node.domain == CONTRIB for graph in iter_graphs(model) for node in graph.node)
    if used and all(each.domain != CONTRIB for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
