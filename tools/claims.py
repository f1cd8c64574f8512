"""Where the layers of a table stand in the graph, and which of them a node's time belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, TensorProto

from ..contracts import LayerForm
from .onnx_model import iter_nodes, tensor_bytes
from .weight_roles import PRUNABLE_INPUTS, WeightUse, weight_uses

_FORMS: Mapping[int, str] = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
# What computes with matrices; what only moves them (Transpose, Slice, DequantizeLinear) is no layer.
_LAYERS = frozenset(PRUNABLE_INPUTS) | {"Einsum", "Gather"}


@dataclass(frozen=True)
class Places:
    """The graph as the rows of a table see it.

    Attributes:
        order: node → its number, the main graph's first.
        readers: weight → the nodes that read it.
    """

    order: Mapping[str, int]
    readers: Mapping[str, tuple[str, ...]]

    def nodes(self, layer: str) -> tuple[str, ...]:
        """Return the nodes of a layer: itself, or those that read it where it is named after a weight."""
        return (layer,) if layer in self.order else self.readers.get(layer, ())


def graph_places(model: ModelProto) -> Places:
    """Return where the nodes of a model stand, and which weights they read."""
    order: dict[str, int] = {}
    for index, node in enumerate(iter_nodes(model)):
        order.setdefault(node.name, index)
    readers: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for use in weight_uses(model):
        readers[use.name][use.node.name] = None
    return Places(order, {name: tuple(nodes) for name, nodes in readers.items()})


def untouched(model: ModelProto, given: Sequence[LayerForm]) -> list[LayerForm]:
    """Return the nodes with floating-point matrices that no given layer is, or is a weight of."""
    named = {layer.name for layer in given}
    own: dict[str, list[WeightUse]] = {}
    for use in weight_uses(model):
        if use.node.op_type in _LAYERS:
            own.setdefault(use.node.name, []).append(use)
    return [
        _as_it_is(uses)
        for node, uses in own.items()
        if node and node not in named and not named.intersection(use.name for use in uses) and _has_matrix(uses)
    ]


def _has_matrix(uses: Iterable[WeightUse]) -> bool:
    return any(len(use.tensor.dims) > 1 and use.tensor.data_type in _FORMS for use in uses)


def _as_it_is(uses: Sequence[WeightUse]) -> LayerForm:
    floats = [use.tensor for use in uses if use.tensor.data_type in _FORMS]
    widest = max(floats, key=tensor_bytes)
    node = uses[0].node
    return LayerForm(
        name=node.name, op_type=node.op_type, form=_FORMS[widest.data_type], why="left as it was",
        weight_bytes=sum(map(tensor_bytes, floats)),
    )  # fmt: skip


def claimed_shares(layers: Sequence[LayerForm], places: Places, shares: Mapping[str, float]) -> dict[str, float]:
    """Return layer → share of the run time, such that no node's time is told twice.

    A node's time belongs to the row of the node; where there is none, to its largest weight that has a row.
    """
    claimed: dict[str, float] = {}
    taken: set[str] = set()
    for layer in sorted(layers, key=lambda each: (each.name not in places.order, -(each.weight_bytes or 0))):
        nodes = set(places.nodes(layer.name)) - taken
        known = [shares[node] for node in nodes if node in shares]
        if known:
            claimed[layer.name] = sum(known)
        taken |= nodes
    return claimed
