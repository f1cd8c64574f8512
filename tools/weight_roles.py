"""Which constant weights which operators read, across subgraphs; a Constant node's tensor counts as a weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from .onnx_model import node_graphs

# Operators whose matrices magnitude pruning may thin out, and the inputs that hold them.
PRUNABLE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "Attention": (1,),
    "Conv": (1,),
    "ConvTranspose": (1,),
    "FusedConv": (1,),
    "FusedGemm": (0, 1),
    "FusedMatMul": (0, 1),
    "GRU": (1, 2),
    "Gemm": (0, 1),
    "LSTM": (1, 2),
    "MatMul": (0, 1),
    "RNN": (1, 2),
}


@dataclass(frozen=True)
class WeightUse:
    """A node that reads a constant: its name, its tensor, and at which input it is read."""

    name: str
    tensor: TensorProto
    node: NodeProto
    index: int


def weight_uses(model: ModelProto) -> list[WeightUse]:
    """Return every read of a constant by a node, in the main graph and in subgraphs that see it from within.

    While the list lives, one tensor or node is one object: they may be told apart by `id`.
    """
    return list(_uses(model.graph, {}))


def distinct(uses: Iterable[WeightUse]) -> list[WeightUse]:
    """Return the first use of each tensor."""
    return list({id(use.tensor): use for use in reversed(list(uses))}.values())[::-1]


def _uses(graph: GraphProto, outer: Mapping[str, TensorProto]) -> Iterator[WeightUse]:
    hidden = {each.name for each in graph.input} | {name for node in graph.node for name in node.output}
    visible = {name: tensor for name, tensor in outer.items() if name not in hidden}
    visible.update({each.name: each for each in graph.initializer})
    visible.update(_constants(graph))
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in visible:
                yield WeightUse(name, visible[name], node, index)
        for inner in node_graphs(node):
            yield from _uses(inner, visible)


def _constants(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            yield node.output[0], node.attribute[0].t


def prunable_weights(model: ModelProto) -> list[WeightUse]:
    """Return one use of each float32 matrix (two dimensions or more) that magnitude pruning can take, in file order."""
    return distinct(use for use in weight_uses(model) if _prunable(use))


def _prunable(use: WeightUse) -> bool:
    matrix = use.tensor.data_type == TensorProto.FLOAT and len(use.tensor.dims) >= 2
    return matrix and use.index in PRUNABLE_INPUTS.get(use.node.op_type, ())
