"""Compute element by element before a turn instead of after it, so that the turn back cancels it.

Before: `Transpose⁻¹(f(Transpose(a), Transpose(b), c, …))`, `f` any expression of operators that take each element by
itself. After: `f(a, b, Transpose⁻¹(c), …)`, constants turned in the file. Values are the same bits. onnxruntime's own
pass does so for what it takes to be cheap, in one layout it prefers; this one needs no such guess: the last turn
always goes, the first ones wherever nothing else reads them, and none is added.

Conditions: every way back from the last `Transpose` ends at a `Transpose` the other way or at a constant, and nothing
outside reads what is in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto

from ..onnx_model import delete_named
from ..quantize.graphs import attribute
from .scope import Scope, rewrite_graphs

_PLAIN = frozenset(
    {"Abs", "Add", "And", "Cast", "Ceil", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu",
     "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log",
     "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "Pow", "PRelu", "Reciprocal", "Relu", "Round", "Selu",
     "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Where"}
)  # fmt: skip


def cancel_transposes(model: ModelProto) -> int:
    """Rewrite in place and return how many turns back went."""
    return rewrite_graphs(model, lambda scope: sum(_cancel(scope, node) for node in scope.nodes))


def _cancel(scope: Scope, last: NodeProto) -> int:
    order = _order(last) if scope.has(last) else None
    if order is None:
        return 0
    region = _Region(scope, order)
    if not region.reach(last.input[0]) or not region.nodes or not region.closed(last):
        return 0
    region.turn()
    scope.take_over(region.nodes[0], last)
    scope.remove([node for node in region.turns if not scope.readers(node.output[0])])
    return 1


def _order(node: NodeProto) -> tuple[int, ...] | None:
    """The order of axes of a `Transpose`; None for other operators, and where it depends on the rank."""
    found = attribute(node, "perm") if node.op_type == "Transpose" and node.domain in ("", "ai.onnx") else None
    return tuple(found.ints) if found is not None else None


class _Region:
    """What lies between turns one way and a turn back by `order`, the node next to the latter first."""

    def __init__(self, scope: Scope, order: Sequence[int]) -> None:
        self.nodes: list[NodeProto] = []
        self.turns: list[NodeProto] = []
        self._scope, self._order = scope, tuple(order)
        self._other_way = tuple(int(each) for each in np.argsort(order))
        self._names: dict[str, str] = {}
        self._constants: list[str] = []

    def reach(self, name: str) -> bool:
        """Follow a value back to turns and constants; tell whether there is nothing else."""
        if not name or name in self._names or any(name in node.output for node in self.nodes):
            return True
        if self._scope.is_constant(name):
            self._constants.append(name)
            return self._can_turn(name)
        node = self._scope.producer(name)
        if node is None or len(node.output) != 1:
            return False
        if _order(node) == self._other_way:
            self.turns.append(node)
            self._names[name] = node.input[0]
            return True
        if node.op_type not in _PLAIN:
            return False
        self.nodes.append(node)
        return all(self.reach(each) for each in node.input)

    def _can_turn(self, name: str) -> bool:
        value = self._scope.constant(name)
        return value is not None and value.ndim <= len(self._order)

    def closed(self, last: NodeProto) -> bool:
        """Tell whether nothing but the region and `last` reads what the region makes, and it starts at a turn."""
        inside = {id(node) for node in (*self.nodes, last)}
        readers = [reader for node in self.nodes for reader in self._scope.readers(node.output[0])]
        return bool(self.turns) and all(reader is not None and id(reader) in inside for reader in readers)

    def turn(self) -> None:
        """Let the nodes read what comes before the turns, and constants turned back."""
        self._names.update((name, self._turned(name)) for name in dict.fromkeys(self._constants))
        for node in self.nodes:
            self._scope.set_inputs(node, [self._names.get(name, name) for name in node.input])
        delete_named(self._scope.graph.value_info, {node.output[0] for node in self.nodes})

    def _turned(self, name: str) -> str:
        value = self._scope.constant(name)
        if value is None or value.size == 1:
            return name
        wide = value.reshape((1,) * (len(self._order) - value.ndim) + value.shape)
        return self._scope.store(np.ascontiguousarray(wide.transpose(self._order)), f"{name}_turned")
