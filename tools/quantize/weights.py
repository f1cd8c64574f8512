"""Find the constant weights that a node sees, quantize each once, and drop what nothing reads any more."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from ..onnx_model import iter_graphs, node_graphs, to_array, to_tensor
from .graphs import Names, fixed_initializers, remove_initializers, uses


class Weights:
    """The constant initializers of a model by the graph that sees them, and those made from them.

    Nodes that share a weight share what is made from it, across subgraphs. It is put into the innermost graph that
    holds all of them: onnxruntime packs weights for its kernels only where it finds them near (measured on an LSTM
    two branches deep: 8 % of the run time).
    """

    def __init__(self, model: ModelProto, names: Names) -> None:
        self.names = names
        # Graphs are looked up by identity, which holds only while somebody holds them.
        self._graphs = list(iter_graphs(model))
        self._visible: dict[int, dict[str, TensorProto]] = {}
        self._homes: dict[int, tuple[GraphProto, ...]] = {}
        self._readers: dict[int, list[NodeProto]] = {}
        self._made: dict[tuple[int, tuple[object, ...]], tuple[str, ...]] = {}
        self._see((model.graph,), {})

    def _see(self, path: tuple[GraphProto, ...], outer: dict[str, TensorProto]) -> None:
        graph = path[-1]
        hidden = {name for node in graph.node for name in node.output} | {each.name for each in graph.input}
        visible = {name: tensor for name, tensor in outer.items() if name not in hidden}
        visible.update(fixed_initializers(graph))
        self._visible[id(graph)] = visible
        for node in graph.node:
            for tensor in (visible[name] for name in node.input if name in visible):
                self._homes[id(tensor)] = _common(self._homes.get(id(tensor), path), path)
                self._readers.setdefault(id(tensor), []).append(node)
            for inner in node_graphs(node):
                self._see((*path, inner), visible)

    def tensor(self, graph: GraphProto, name: str) -> TensorProto | None:
        """Return the constant that `name` stands for in `graph`."""
        return self._visible[id(graph)].get(name)

    def readers(self, graph: GraphProto, name: str) -> list[NodeProto]:
        """Return the nodes, in any graph, that read the constant; a node that reads it twice comes twice."""
        tensor = self.tensor(graph, name)
        return [] if tensor is None else self._readers.get(id(tensor), [])

    def floats(self, graph: GraphProto, name: str) -> np.ndarray | None:
        """Return the values of a finite float32 constant, or None where `name` is no such thing."""
        tensor = self.tensor(graph, name)
        if tensor is None or tensor.data_type != TensorProto.FLOAT:
            return None
        values = to_array(tensor)
        return values if np.isfinite(values).all() else None

    def add(
        self, graph: GraphProto, origin: str, key: Sequence[object], arrays: Sequence[tuple[str, np.ndarray]]
    ) -> tuple[str, ...]:
        """Put `arrays` (base name, values) where all readers of constant `origin` see them, once per `key`.

        Without an origin they are put into `graph`. Returns their names.
        """
        tensor = self.tensor(graph, origin)
        holder = graph if tensor is None else self._homes[id(tensor)][-1]
        entry = (id(holder if tensor is None else tensor), tuple(key))
        if entry not in self._made:
            fresh = [(self.names.fresh(base), values) for base, values in arrays]
            holder.initializer.extend([to_tensor(values, name) for name, values in fresh])
            self._made[entry] = tuple(name for name, _ in fresh)
        return self._made[entry]


def _common(first: tuple[GraphProto, ...], second: tuple[GraphProto, ...]) -> tuple[GraphProto, ...]:
    """The graphs that both paths from the main graph go through."""
    pairs = itertools.takewhile(lambda pair: pair[0] is pair[1], zip(first, second, strict=False))
    return tuple(graph for graph, _ in pairs)


def drop_unused(model: ModelProto, candidates: set[str]) -> None:
    """Remove those initializers among `candidates` that no node reads and no graph gives out."""
    for graph in iter_graphs(model):
        read = uses(graph)
        public = {each.name for each in (*graph.output, *graph.input)}
        idle = {each.name for each in graph.initializer if each.name in candidates}
        remove_initializers(graph, {name for name in idle if name not in read and name not in public})


def drop_stale_shapes(graph: GraphProto) -> None:
    """Remove what is said about the shapes of values that no node of `graph` gives any more."""
    given = {name for node in graph.node for name in node.output} | {each.name for each in graph.initializer}
    for index in reversed([at for at, each in enumerate(graph.value_info) if each.name not in given]):
        del graph.value_info[index]
