"""Names, scopes and uses of values: what rewriting a graph with subgraphs has to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from ..onnx_model import iter_graphs, node_graphs


@dataclass(frozen=True)
class Use:
    """A node that reads a value, and at which input."""

    node: NodeProto
    index: int


class Names:
    """All names of a model, so that a new one never collides, in subgraphs or out."""

    def __init__(self, model: ModelProto | None = None) -> None:
        self._taken: set[str] = set()
        for graph in iter_graphs(model) if model else ():
            self._taken.update(_names(graph))

    def fresh(self, base: str) -> str:
        """Return `base`, or the first of `base_1`, `base_2`, … that is free, and take it."""
        name, count = base, 0
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


def _names(graph: GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        yield value.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for node in graph.node:
        yield node.name
        yield from node.input
        yield from node.output


def uses(graph: GraphProto) -> dict[str, list[Use]]:
    """Map each value to the nodes that read it, in `graph` and in the subgraphs that see it from within."""
    found: dict[str, list[Use]] = {}
    _collect(graph, frozenset(), found)
    return found


def _collect(graph: GraphProto, hidden: frozenset[str], found: dict[str, list[Use]]) -> None:
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name and name not in hidden:
                found.setdefault(name, []).append(Use(node, index))
        for inner in node_graphs(node):
            _collect(inner, hidden | _defined(inner), found)
            for output in inner.output:
                if output.name not in _defined(inner) | hidden:
                    found.setdefault(output.name, []).append(Use(node, -1))


def outer_reads(graph: GraphProto) -> set[str]:
    """Return what `graph`, with the subgraphs in it, reads or gives out of the graphs around it."""
    read = {*uses(graph), *(each.name for each in graph.output)}
    return read - _defined(graph)


def _defined(graph: GraphProto) -> frozenset[str]:
    own = {each.name for each in (*graph.initializer, *graph.input)}
    own.update(name for node in graph.node for name in node.output)
    return frozenset(own)


def fixed_initializers(graph: GraphProto) -> dict[str, TensorProto]:
    """Map name to each initializer that is neither an input (a caller may override it) nor an output of its graph."""
    public = {each.name for each in (*graph.input, *graph.output)}
    return {each.name: each for each in graph.initializer if each.name not in public}


def attribute(node: NodeProto, name: str) -> AttributeProto | None:
    """Return the attribute, if the node carries it."""
    return next((each for each in node.attribute if each.name == name), None)


def int_attribute(node: NodeProto, name: str, default: int) -> int:
    """Return an integer attribute, or its default."""
    found = attribute(node, name)
    return default if found is None else int(found.i)


def float_attribute(node: NodeProto, name: str, default: float) -> float:
    """Return a float attribute, or its default."""
    found = attribute(node, name)
    return default if found is None else float(found.f)


def input_name(node: NodeProto, index: int) -> str:
    """Return the name at input `index`, empty where it is left out."""
    return node.input[index] if index < len(node.input) else ""


def replace_nodes(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    """Make `nodes` the graph's nodes; they may be those that it holds."""
    copies = [NodeProto.FromString(each.SerializeToString()) for each in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def remove_initializers(graph: GraphProto, names: set[str]) -> None:
    """Remove the initializers named, and what is said about their shapes."""
    for index in reversed([at for at, each in enumerate(graph.initializer) if each.name in names]):
        del graph.initializer[index]
    for index in reversed([at for at, each in enumerate(graph.value_info) if each.name in names]):
        del graph.value_info[index]
