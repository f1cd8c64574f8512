"""One graph as a rewrite sees it: who makes a value, who reads it, which values are constants.

A value of an outer graph is visible in the bodies of its control flow, so constants come from there too, and what a
body reads counts as read. Edits keep the indices true; `close` writes them into the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from ..onnx_model import is_standard, iter_graphs, node_graphs, opset, to_array, to_tensor
from ..quantize.graphs import Names


class _Whole(NamedTuple):
    """What concerns the whole model: its names, how often each is read, and the version of the operator set."""

    names: Names
    reads: Counter[str]
    version: int


class Scope:
    """The nodes of one graph, with what their names mean.

    Attributes:
        graph: it is not changed before `close`, except for the nodes themselves.
        nodes: in order, without those that were removed.
        version: of the default operator set.
    """

    def __init__(self, graph: GraphProto, known: Mapping[str, TensorProto], whole: _Whole) -> None:
        self.graph = graph
        self.version = whole.version
        self._reads = whole.reads
        self._names = whole.names
        self._known = known
        self._arrays: dict[str, np.ndarray] = {}
        self._order = list(graph.node)
        self._gone: set[int] = set()
        self._added: dict[int, list[NodeProto]] = {}
        self._producers: dict[str, NodeProto] = {}
        self._readers: dict[str, list[NodeProto | None]] = {}
        self._index()

    def _index(self) -> None:
        for node in self._order:
            self._producers.update((name, node) for name in node.output if name)
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
            for inner in (body for graph in node_graphs(node) for body in iter_graphs(graph)):
                for name in (*(each for deep in inner.node for each in deep.input), *(o.name for o in inner.output)):
                    self._readers.setdefault(name, []).append(None)
        for output in self.graph.output:
            self._readers.setdefault(output.name, []).append(None)

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes that are left, in order; a copy, so that nodes may go while one looks at them."""
        return [node for node in self._order if id(node) not in self._gone]

    def has(self, node: NodeProto) -> bool:
        """Tell whether `node` is still there."""
        return id(node) not in self._gone

    def producer(self, name: str) -> NodeProto | None:
        """Return the node of this graph that makes `name`, where its operator is a standard one."""
        node = self._producers.get(name)
        return node if node is not None and is_standard(node) else None

    def readers(self, name: str) -> Sequence[NodeProto | None]:
        """Return who reads `name`, once per read; None stands for an output of the graph or a body's read."""
        return self._readers.get(name, ())

    def only_reader(self, name: str) -> NodeProto | None:
        """Return the node of this graph that reads `name`, if nothing else does and it does so once."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 else None

    def part(self, name: str) -> NodeProto | None:
        """Return the node that makes `name`, if it makes nothing else and is read once: a rewrite may take it away."""
        node = self.producer(name)
        return node if node is not None and len(node.output) == 1 and len(self.readers(name)) == 1 else None

    def constant(self, name: str) -> np.ndarray | None:
        """Return the value of `name` where it is stored and no caller can change it."""
        if name not in self._arrays and name in self._known and _is_plain(self._known[name]):
            self._arrays[name] = to_array(self._known[name])
        return self._arrays.get(name)

    def floats(self, name: str) -> np.ndarray | None:
        """Return the finite float32 values of `name` in double precision, or None for any other value."""
        value = self.constant(name)
        if value is None or value.dtype != np.float32 or not value.size or not np.isfinite(value).all():
            return None
        return np.asarray(value, np.float64)

    def scalar(self, name: str) -> float | None:
        """Return the float32 number `name`; one element in two or more dimensions could add dimensions to a result."""
        stored = self.constant(name)
        value = self.floats(name) if stored is not None and stored.shape in ((), (1,)) else None
        return None if value is None else float(value.reshape(()))

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return the int64 numbers of a list such as axes."""
        value = self.constant(name)
        if value is None or value.dtype != np.int64 or value.ndim > 1:
            return None
        return tuple(int(each) for each in value.reshape(-1))

    def is_constant(self, name: str) -> bool:
        """Tell whether `name` is stored."""
        return name in self._known or name in self._arrays

    def declared_rank(self, name: str) -> int | None:
        """Return the dimensions of an input of this graph, which the runtime holds its callers to."""
        inputs = {each.name for each in self.graph.input}
        return self.stated_rank(name) if name in inputs else None

    def stated_rank(self, name: str) -> int | None:
        """Return the dimensions that the file states for `name`, which may be wrong: what relies on them is checked."""
        for each in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            if each.name == name and each.type.tensor_type.HasField("shape"):
                return len(each.type.tensor_type.shape.dim)
        return None

    def alone(self, name: str) -> bool:
        """Tell whether a constant is read once in the whole model, so that changing it changes one node."""
        return (name in self._arrays and name not in self._known) or self._reads[name] == 1

    def fresh(self, base: str) -> str:
        """Return a name that nothing in the model bears."""
        return self._names.fresh(base)

    def store(self, value: np.ndarray, base: str) -> str:
        """Add an initializer and return its name."""
        name = self.fresh(base)
        self.graph.initializer.append(to_tensor(value, name))
        self._arrays[name] = value
        return name

    def set_inputs(self, node: NodeProto, names: Iterable[str]) -> None:
        """Give `node` other inputs."""
        for name in node.input:
            self._forget_read(name, node)
        del node.input[:]
        node.input.extend(names)
        for name in node.input:
            self._readers.setdefault(name, []).append(node)

    def become(self, node: NodeProto, op_type: str, names: Iterable[str], domain: str = "") -> None:
        """Turn `node` into an operator without attributes that reads `names` and gives out what `node` gave out."""
        node.op_type, node.domain = op_type, domain
        node.ClearField("attribute")
        self.set_inputs(node, names)

    def remove(self, nodes: Iterable[NodeProto]) -> None:
        """Remove nodes whose outputs nothing reads any more, or that another node makes now."""
        for node in nodes:
            self._gone.add(id(node))
            for name in node.input:
                self._forget_read(name, node)
            for name in node.output:
                if self._producers.get(name) is node:
                    del self._producers[name]

    def take_over(self, node: NodeProto, last: NodeProto) -> None:
        """Let `node` give out what `last`, the last one to read its only output, gave out; `last` goes."""
        self.remove([last])
        del self._producers[node.output[0]]
        node.output[0] = last.output[0]
        self._producers[node.output[0]] = node

    def replace_reads(self, old: str, new: str) -> None:
        """Let the nodes of this graph that read `old` read `new` instead."""
        for node in {id(each): each for each in self.readers(old) if each is not None}.values():
            self.set_inputs(node, [new if name == old else name for name in node.input])

    def insert(self, before: NodeProto, node: NodeProto) -> None:
        """Add `node` right before another one of this graph."""
        self._added.setdefault(id(before), []).append(node)
        self._producers.update((name, node) for name in node.output)
        for name in node.input:
            self._readers.setdefault(name, []).append(node)

    def _forget_read(self, name: str, node: NodeProto) -> None:
        readers = self._readers[name]
        index = next(index for index, each in enumerate(readers) if each is node)
        del readers[index]

    def close(self) -> None:
        """Write removals and additions into the graph."""
        for index in reversed(range(len(self._order))):
            node = self._order[index]
            added = self._added.get(id(node), [])
            if id(node) in self._gone:
                del self.graph.node[index]
            for each in reversed(added):
                self.graph.node.insert(index, each)


def _is_plain(tensor: TensorProto) -> bool:
    return tensor.data_type in {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.INT64,
        TensorProto.INT32,
        TensorProto.BOOL,
    }


Rule = Callable[[Scope], int]


def rewrite_graphs(model: ModelProto, rule: Rule) -> int:
    """Apply `rule` in place to every graph, bodies before the graph that holds them; return the sum of its counts.

    Initializers that nothing reads any more go, those that the rule made and then did without included: the runtime
    warns of each whenever the file is loaded.
    """
    names, read = Names(model), _reads(model)
    idle_before = {each.name for graph in iter_graphs(model) for each in graph.initializer} - read.keys()
    count = _visit(model.graph, {}, _Whole(names, read, opset(model)), rule)
    if count:
        kept = idle_before | _reads(model).keys()
        for graph in iter_graphs(model):
            for index in reversed(range(len(graph.initializer))):
                if graph.initializer[index].name not in kept:
                    del graph.initializer[index]
    return count


def _visit(graph: GraphProto, outer: Mapping[str, TensorProto], whole: _Whole, rule: Rule) -> int:
    hidden = {each.name for each in graph.input} | {name for node in graph.node for name in node.output}
    known = {name: value for name, value in outer.items() if name not in hidden}
    known.update({each.name: each for each in graph.initializer if each.name not in hidden})
    count = 0
    for node in graph.node:
        for inner in node_graphs(node):
            count += _visit(inner, known, whole, rule)
    scope = Scope(graph, known, whole)
    count += rule(scope)
    scope.close()
    return count


def _reads(model: ModelProto) -> Counter[str]:
    found: Counter[str] = Counter()
    for graph in iter_graphs(model):
        found.update(name for node in graph.node for name in node.input)
        found.update(each.name for each in graph.output)
    return found
