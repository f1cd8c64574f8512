"""Find the constant weights that a node sees, quantize each once, and drop what nothing reads any more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from ..onnx_model import iter_graphs, node_graphs, to_array, to_tensor
from .graphs import Names, fixed_initializers, remove_initializers, uses


class Weights:
    """The constant initializers of a model by the graph that sees them, and those made from them.

    A new initializer is put beside the one it was made from, so that nodes which share a weight share its
    quantized form too, across subgraphs.
    """

    def __init__(self, model: ModelProto, names: Names) -> None:
        self.names = names
        # Graphs are looked up by identity, which holds only while somebody holds them.
        self._graphs = list(iter_graphs(model))
        self._visible: dict[int, dict[str, tuple[GraphProto, TensorProto]]] = {}
        self._made: dict[tuple[int, tuple[object, ...]], tuple[str, ...]] = {}
        self._see(model.graph, {})

    def _see(self, graph: GraphProto, outer: dict[str, tuple[GraphProto, TensorProto]]) -> None:
        hidden = {name for node in graph.node for name in node.output} | {each.name for each in graph.input}
        visible = {name: found for name, found in outer.items() if name not in hidden}
        visible.update({name: (graph, tensor) for name, tensor in fixed_initializers(graph).items()})
        self._visible[id(graph)] = visible
        for node in graph.node:
            for inner in node_graphs(node):
                self._see(inner, visible)

    def tensor(self, graph: GraphProto, name: str) -> TensorProto | None:
        """Return the constant that `name` stands for in `graph`."""
        found = self._visible[id(graph)].get(name)
        return None if found is None else found[1]

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
        """Put `arrays` (base name, values) beside constant `origin`, once per `key`; return their names."""
        holder, tensor = self._visible[id(graph)].get(origin, (graph, None))
        entry = (id(tensor) if tensor is not None else id(holder), tuple(key))
        if entry not in self._made:
            fresh = [(self.names.fresh(base), values) for base, values in arrays]
            holder.initializer.extend([to_tensor(values, name) for name, values in fresh])
            self._made[entry] = tuple(name for name, _ in fresh)
        return self._made[entry]


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
