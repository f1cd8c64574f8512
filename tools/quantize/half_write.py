"""Write nodes in fp16, with as few Casts as there are values that cross between fp16 and float32.

Before: nodes of float32. After: their float32 operands and results are fp16, constants among them are stored so, and
each value that a float32 node makes for them, or they for one, passes one `Cast`. The interface and all other nodes
stay as they are. Which operands an operator may have in fp16 is what its ONNX schema says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ..normalize.shapes import infer_shapes, skeleton
from ..onnx_model import is_standard, iter_graphs, node_graphs, opset
from .graphs import Names, replace_nodes, uses
from .rounding import FP16_MAX
from .weights import Weights, drop_unused

Place = tuple[int, int]

# What they make is set by an attribute, or they are the boundary between types themselves.
_OWN_TYPE = frozenset(
    {"Cast", "CastLike", "Constant", "ConstantOfShape", "DequantizeLinear", "EyeLike", "QuantizeLinear"}
    | {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


class Operands(NamedTuple):
    """Positions of a node's operands and results that may be fp16 and are float32 now."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Kinds:
    """Element types of the values of a model, as each of its graphs sees them; 0 where they are not known."""

    def __init__(self, model: ModelProto) -> None:
        self._version = opset(model)
        inferred, _ = infer_shapes(skeleton(model))
        self._found: list[dict[str, int]] = []
        self._see(inferred.graph, {})

    def _see(self, graph: GraphProto, outer: dict[str, int]) -> None:
        # The order is that of `iter_graphs`: a graph, then the graphs within it.
        known = {**outer, **{name: 0 for node in graph.node for name in node.output}}
        for value in (*graph.input, *graph.value_info, *graph.output):
            known[value.name] = value.type.tensor_type.elem_type
        known.update({each.name: each.data_type for each in graph.initializer})
        self._found.append(known)
        for node in graph.node:
            for inner in node_graphs(node):
                self._see(inner, known)

    def operands(self, at: int, node: NodeProto) -> Operands:
        """Return what of `node`, in graph number `at`, can change to fp16."""
        variables = _variables(node.op_type, self._version) if is_standard(node) else None
        if variables is None or node.op_type in _OWN_TYPE or node_graphs(node):
            return Operands((), ())
        inputs, outputs, able = variables
        known = self._found[at]

        def chosen(names: Collection[str], labels: tuple[str, ...]) -> tuple[int, ...]:
            found = enumerate(zip(names, labels + labels[-1:] * len(names), strict=False))
            return tuple(i for i, (name, label) in found if label in able and known.get(name) == TensorProto.FLOAT)

        return Operands(chosen(node.input, inputs), chosen(node.output, outputs))


@cache
def _variables(op_type: str, version: int) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str]] | None:
    """The type variables of an operator's inputs and outputs, and those that may be float32 or fp16."""
    if not onnx.defs.has(op_type, version, ""):
        return None
    schema = onnx.defs.get_schema(op_type, version, "")
    able = {
        each.type_param_str
        for each in schema.type_constraints
        if {"tensor(float)", "tensor(float16)"} <= {*each.allowed_type_strs}
    }
    inputs, outputs = (tuple(each.type_str for each in side) for side in (schema.inputs, schema.outputs))
    return inputs, outputs, frozenset(able)


def constant_obstacle(values: np.ndarray) -> str:
    """Say why a constant cannot be fp16, if it cannot."""
    if not np.isfinite(values).all() or (values.size and float(np.max(np.abs(values))) > FP16_MAX):
        return "a constant of it is beyond fp16"
    if values.size == 1 and values.any() and not values.astype(np.float16).any():
        return "a constant of it vanishes in fp16"
    return ""


def write_half(model: ModelProto, places: Collection[Place], rounding: bool = False) -> None:
    """Turn nodes to fp16 in place.

    Args:
        model: with all its weights.
        places: graph, in the order of `iter_graphs`, and node.
        rounding: compute in float32 and round to fp16 wherever a value would be fp16. On the CPU onnxruntime has few
            fp16 kernels and drops the Casts between nodes that it runs in float32, so the real thing rounds less
            there than on other targets.
    """
    kinds, weights = Kinds(model), Weights(model, Names(model))
    made: list[tuple[GraphProto, list[NodeProto]]] = []
    read: set[str] = set()
    for at, graph in enumerate(list(iter_graphs(model))):
        chosen = {index for where, index in places if where == at}
        read.update(name for index in chosen for name in graph.node[index].input)
        made.append((graph, list(_Writer(graph, weights, kinds, at, rounding).write(chosen))))
    # Inner graphs first: giving a graph its nodes anew copies the graphs inside them.
    for graph, nodes in reversed(made):
        replace_nodes(graph, nodes)
        _forget(graph)
    drop_unused(model, read)


def _forget(graph: GraphProto) -> None:
    """Remove what is said about types inside the graph: some of them changed."""
    graph.ClearField("value_info")


class _Writer:
    """Writes the nodes of one graph, some of them in fp16."""

    def __init__(self, graph: GraphProto, weights: Weights, kinds: Kinds, at: int, rounding: bool) -> None:
        self._graph, self._weights, self._rounding = graph, weights, rounding
        self._operands: Callable[[NodeProto], Operands] = lambda node: kinds.operands(at, node)
        self._halves: dict[str, str] = {}
        self._floats = set[str]()

    def write(self, chosen: Collection[int]) -> Iterator[NodeProto]:
        """Yield the nodes of the graph, those numbered `chosen` in fp16, and the Casts between."""
        nodes = list(self._graph.node)
        half = {id(nodes[index]) for index in chosen}
        self._floats = self._read_as_float(half)
        for node in nodes:
            if id(node) in half:
                yield from self._turned(node)
            else:
                yield node

    def _read_as_float(self, half: Collection[int]) -> set[str]:
        """The values that a float32 node, a body or a caller reads."""
        names = {each.name for each in self._graph.output}
        for name, readers in uses(self._graph).items():
            for use in readers:
                if id(use.node) not in half or use.index not in self._operands(use.node).inputs:
                    names.add(name)
        return names

    def _turned(self, node: NodeProto) -> Iterator[NodeProto]:
        operands = self._operands(node)
        turned = NodeProto.FromString(node.SerializeToString())
        for index in operands.inputs:
            name = node.input[index]
            if name not in self._halves:
                yield from self._narrowed(name)
            turned.input[index] = self._halves[name]
        for index in operands.outputs:
            turned.output[index] = self._weights.names.fresh("half")
        yield turned
        for index in operands.outputs:
            yield from self._given(turned.output[index], node.output[index])

    def _given(self, made: str, name: str) -> Iterator[NodeProto]:
        """Give out what a node made as `name`, to those who need it as float32."""
        if self._rounding:
            yield from self._rounded(made, name)
            return
        self._halves[name] = made
        if name in self._floats:
            yield self._cast(made, name, TensorProto.FLOAT)

    def _narrowed(self, name: str) -> Iterator[NodeProto]:
        """Make `name` known as fp16: a constant that nobody needs as float32 is stored so."""
        values = self._weights.floats(self._graph, name)
        if self._rounding:
            yield from self._rounded(name, self._weights.names.fresh("rounded"), of=name)
        elif values is not None and name not in self._floats:
            half = [("half", values.astype(np.float16))]
            (self._halves[name],) = self._weights.add(self._graph, name, ("half",), half)
        else:
            self._halves[name] = self._weights.names.fresh("half")
            yield self._cast(name, self._halves[name], TensorProto.FLOAT16)

    def _rounded(self, source: str, target: str, of: str = "") -> Iterator[NodeProto]:
        half = self._weights.names.fresh("half")
        self._halves[of or target] = target
        yield self._cast(source, half, TensorProto.FLOAT16)
        yield self._cast(half, target, TensorProto.FLOAT)

    def _cast(self, source: str, target: str, kind: int) -> NodeProto:
        return helper.make_node("Cast", [source], [target], self._weights.names.fresh("cast"), to=kind)
