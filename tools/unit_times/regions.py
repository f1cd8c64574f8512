"""Divide a graph into units: a node that can change its form, with what follows it up to the next such node.

What comes before the first unit belongs to the unit that reads it, so that every node belongs to some unit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from onnx import GraphProto, ModelProto, NodeProto

from ..onnx_model import iter_graphs, node_graphs

# What these give says nothing of their inputs' values but shapes and places: no change of form passes through.
_SHAPE_ONLY = frozenset({"ArgMax", "ArgMin", "ConstantOfShape", "NonZero", "Shape", "Size"})


class Edge(NamedTuple):
    """Two units with nothing but float nodes between them.

    Attributes:
        source: unit that gives the values; empty for an input of the model.
        target: unit that reads them; empty for an output of the model.
        read: tensor that the target reads.
        given: tensor that the source gives.
    """

    source: str
    target: str
    read: str
    given: str


@dataclass
class Regions:
    """Which unit everything belongs to.

    Attributes:
        rank: unit → its place in the order of the graph.
        op_types: unit → operator.
        tensors: tensor → unit of the node that gives it.
        nodes: node → its unit.
        edges: between units, and between them and inputs and outputs.
    """

    rank: dict[str, int] = field(default_factory=dict[str, int])
    op_types: dict[str, str] = field(default_factory=dict[str, str])
    tensors: dict[str, str] = field(default_factory=dict[str, str])
    nodes: dict[str, str] = field(default_factory=dict[str, str])
    edges: list[Edge] = field(default_factory=list[Edge])

    def latest(self, units: Iterable[str]) -> str:
        """Return the unit that comes last in the graph; empty where there is none."""
        return max((each for each in units if each), key=lambda each: self.rank[each], default="")


def divide(model: ModelProto, units: Collection[str]) -> Regions:
    """Return the regions of `units`, which are names of nodes of `model`, those in subgraphs included."""
    regions = Regions()
    _assign(model.graph, set(units), regions)
    _assign_heads(model, regions)
    regions.edges = _edges(model, regions)
    return regions


def _assign(graph: GraphProto, units: set[str], regions: Regions) -> str:
    """Give each node the unit that it follows; return the last unit of the graph."""
    last = ""
    for node in graph.node:
        inner = [_assign(each, units, regions) for each in node_graphs(node)]
        if node.name in units:
            regions.rank.setdefault(node.name, len(regions.rank))
            regions.op_types.setdefault(node.name, node.op_type)
            owner = node.name
        else:
            owner = regions.latest([*inner, *(regions.tensors.get(name, "") for name in node.input)])
        _own(node, owner, regions)
        last = regions.latest((last, owner))
    return last


def _own(node: NodeProto, owner: str, regions: Regions) -> None:
    regions.nodes[node.name] = owner
    regions.tensors.update((name, owner) for name in node.output if name)


def _assign_heads(model: ModelProto, regions: Regions) -> None:
    """Give the nodes that follow no unit to the first unit that reads what they make."""
    readers: dict[str, list[NodeProto]] = {}
    for graph in iter_graphs(model):
        for node in graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
    for graph in reversed(list(iter_graphs(model))):
        for node in reversed(graph.node):
            if regions.nodes[node.name]:
                continue
            found = [regions.nodes[each.name] for name in node.output for each in readers.get(name, [])]
            owner = min((each for each in found if each), key=lambda each: regions.rank[each], default="")
            _own(node, owner, regions)


def _edges(model: ModelProto, regions: Regions) -> list[Edge]:
    """Find, for each unit and each output, the nearest units before it in the main graph."""
    sources: dict[str, frozenset[tuple[str, str]]] = {name: frozenset({("", name)}) for name in _fed(model)}
    edges: dict[Edge, None] = {}
    for node in model.graph.node:
        before = {name: sources[name] for name in node.input if name in sources}
        if node.name in regions.rank:
            edges.update((Edge(unit, node.name, name, given), None) for name in before for unit, given in before[name])
            sources.update((name, frozenset({(node.name, name)})) for name in node.output if name)
        elif node.op_type not in _SHAPE_ONLY:
            merged = frozenset[tuple[str, str]]().union(*before.values())
            sources.update((name, merged) for name in node.output if name)
    for output in model.graph.output:
        found = sources.get(output.name, frozenset())
        edges.update((Edge(unit, "", output.name, given), None) for unit, given in found if unit)
    return list(edges)


def _fed(model: ModelProto) -> list[str]:
    fixed = {each.name for each in model.graph.initializer}
    return [each.name for each in model.graph.input if each.name not in fixed]


def crossings(edges: Iterable[Edge], forms: Mapping[str, str]) -> tuple[list[Edge], list[Edge]]:
    """Return the edges at which values are quantized, and those at which they are dequantized, for static `forms`."""
    static = {unit for unit, form in forms.items() if form == "static"}
    into = [each for each in edges if each.target in static and each.source not in static]
    out = [each for each in edges if each.source in static and each.target not in static]
    return into, out
