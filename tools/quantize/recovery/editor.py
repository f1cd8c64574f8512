"""Change constants that one node reads, and leave alone what others read too."""

from __future__ import annotations

from collections.abc import Callable

from onnx import ModelProto, NodeProto, TensorProto

from ...onnx_model import iter_graphs, to_array, to_tensor
from ..graphs import Names, fixed_initializers
from ..rounding import FloatArray


class Editor:
    """Changes constant initializers of a main graph in place."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._names = Names(model)
        self.tensors: dict[str, TensorProto] = fixed_initializers(model.graph)
        self._reads: dict[str, int] = {}
        for graph in iter_graphs(model):
            given = [name for node in graph.node for name in node.input] + [each.name for each in graph.output]
            for name in given:
                self._reads[name] = self._reads.get(name, 0) + 1

    def values(self, name: str) -> FloatArray:
        """Return the values of a constant."""
        return to_array(self.tensors[name])

    def readers(self, name: str) -> int:
        """Return how often `name` is read or given out, subgraphs included."""
        return self._reads.get(name, 0)

    def change(self, node: NodeProto, index: int, change: Callable[[FloatArray], FloatArray]) -> None:
        """Change the constant at input `index` of `node`; what others read too is copied first."""
        name = node.input[index]
        values = change(self.values(name))
        if self.readers(name) > 1:
            self._reads[name] -= 1
            node.input[index] = self.add(name, values)
        else:
            self.tensors[name].CopyFrom(to_tensor(values, name))

    def add(self, base: str, values: FloatArray) -> str:
        """Add a constant that one node is about to read, and return its name."""
        name = self._names.fresh(base)
        self._graph.initializer.append(to_tensor(values, name))
        self.tensors[name] = self._graph.initializer[-1]
        self._reads[name] = 1
        return name

    def fresh(self, base: str) -> str:
        """Return a name that the model does not have yet."""
        return self._names.fresh(base)
