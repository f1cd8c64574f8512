"""Collect the nodes of an expression, and tell whether nothing outside of it reads what lies within."""

from __future__ import annotations

import math

import numpy as np
from onnx import NodeProto

from ..quantize.graphs import attribute, int_attribute
from .scope import Scope


class Pattern:
    """Nodes that were met on the way from the last one of an expression to its inputs.

    Attributes:
        nodes: that the expression is made of; a search that leads nowhere is undone by cutting them off again.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.nodes: list[NodeProto] = []

    def made_by(self, name: str, *types: str) -> NodeProto | None:
        """Return the node that makes `name`, if it is one of `types`, and count it in."""
        node = self.scope.producer(name)
        if node is None or node.op_type not in types or len(node.output) != 1:
            return None
        if not any(each is node for each in self.nodes):
            self.nodes.append(node)
        return node

    def plus(self, name: str) -> tuple[str, float] | None:
        """Return what is added to a number to make `name`, and the number."""
        node = self.made_by(name, "Add", "Sub")
        if node is None:
            return None
        first, second = node.input
        right, left = self.scope.scalar(second), self.scope.scalar(first)
        if right is not None and left is None:
            return first, right if node.op_type == "Add" else -right
        return (second, left) if left is not None and right is None and node.op_type == "Add" else None

    def factors(self, name: str) -> tuple[float, list[str]]:
        """Return `name` as a number times other values, what products have only one reader taken apart."""
        value = self.scope.scalar(name)
        if value is not None:
            return value, []
        node = self.scope.part(name)
        if node is None or node.op_type not in {"Mul", "Div", "Neg", "Pow"}:
            return 1.0, [name]
        mark = len(self.nodes)
        self.nodes.append(node)
        found = self._taken_apart(node)
        if found is None:
            del self.nodes[mark:]
            return 1.0, [name]
        return found

    def _taken_apart(self, node: NodeProto) -> tuple[float, list[str]] | None:
        scale, names = self.factors(node.input[0])
        if node.op_type == "Neg":
            return -scale, names
        if node.op_type == "Mul":
            other, more = self.factors(node.input[1])
            return scale * other, names + more
        number = self.scope.scalar(node.input[1])
        if node.op_type == "Div":
            return (scale / number, names) if number else None
        return (scale ** int(number), names * int(number)) if number in {2.0, 3.0} else None

    def closed(self, last: NodeProto) -> bool:
        """Tell whether only the nodes read what the nodes make, the result of `last` apart."""
        inside = {id(node) for node in self.nodes}
        return id(last) in inside and all(
            reader is not None and id(reader) in inside
            for node in self.nodes
            if node is not last
            for reader in self.scope.readers(node.output[0])
        )

    def mean(self, name: str) -> str | None:
        """Return what `name` is the mean of along the last axis, that axis kept."""
        node = self.made_by(name, "ReduceMean")
        if node is None or not int_attribute(node, "keepdims", 1) or not over_last(self.scope, node):
            return None
        return node.input[0]

    def square(self, name: str) -> str | None:
        """Return what `name` is the square of."""
        node = self.made_by(name, "Mul", "Pow")
        if node is None:
            return None
        if node.op_type == "Mul":
            return node.input[0] if node.input[0] == node.input[1] else None
        return node.input[0] if self.scope.scalar(node.input[1]) == 2 else None


def over_last(scope: Scope, node: NodeProto) -> bool:
    """Tell whether a reduction goes along the last axis alone."""
    given = attribute(node, "axes")
    axes = tuple(given.ints) if given is not None else None
    if axes is None and len(node.input) > 1:
        axes = scope.integers(node.input[1])
    rank = scope.stated_rank(node.input[0])
    return axes == (-1,) or (axes is not None and rank is not None and axes == (rank - 1,))


def near(first: float, second: float) -> bool:
    """Tell whether two constants are the same number, written with few digits."""
    return math.isclose(first, second, rel_tol=1e-4)


def row(scope: Scope, name: str) -> np.ndarray | None:
    """Return the float32 numbers of a constant that varies along the last axis alone."""
    value = scope.floats(name)
    return value.reshape(-1) if value is not None and value.ndim and value.size == value.shape[-1] > 1 else None
