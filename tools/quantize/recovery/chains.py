"""Find linear operators whose output channels reach linear operators only, through what a factor passes unchanged.

An operator f is passed where f(s·x) = s·f(x) for positive s, one s per channel: `Relu` and its kin, pooling, a
product with something that does not depend on the channel's scale. `HardSwish`, `Sigmoid`, `Clip` to six are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from ...onnx_model import elements, is_standard, to_array
from ..graphs import Use, attribute, fixed_initializers, input_name, int_attribute, uses
from .matrix import Constants, Matrix, matrix_of

_ELEMENTWISE = frozenset({"Relu", "LeakyRelu", "PRelu", "Identity", "Abs"})
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})
_FLAT = "flat"

# Axis 1, the last axis, or last after a Flatten that put the places of a channel beside each other.
Place = int | str


class NotPassed(Exception):
    """The channels reach something that a factor does not pass; the message says what."""


@dataclass(frozen=True)
class End:
    """A linear operator that reads the channels, each at as many inputs as `Flatten` made of it."""

    matrix: Matrix
    repeats: int

    @property
    def tensor(self) -> str:
        """What it reads."""
        return self.matrix.node.input[0]


@dataclass(frozen=True)
class Chain:
    """A linear operator with all the linear operators that read its channels.

    Attributes:
        bias_add: the `Add` of a vector that is the bias of a `MatMul`.
        activation: what it gives, after its bias and the activation function that alone reads it.
    """

    start: Matrix
    ends: Sequence[End]
    bias_add: NodeProto | None
    activation: str


@dataclass
class Found:
    """The chains of a model, and why there is none from the other linear operators (node name → reason)."""

    chains: list[Chain] = field(default_factory=list[Chain])
    why: dict[str, str] = field(default_factory=dict[str, str])


def find_chains(model: ModelProto) -> Found:
    """Return the chains of the main graph. Weights that others read too begin and end none."""
    walker, found = _Walker(model), Found()
    for node in model.graph.node:
        start = walker.matrix(node)
        if start is None:
            continue
        try:
            found.chains.append(walker.chain(start))
        except NotPassed as reason:
            found.why[node.name] = str(reason)
    return found


class _Walker:
    def __init__(self, model: ModelProto) -> None:
        self._constants: Constants = fixed_initializers(model.graph)
        self._readers = uses(model.graph)
        self._outputs = {each.name for each in model.graph.output}
        self._main = {id(node) for node in model.graph.node}
        self._matrices: dict[int, Matrix | None] = {}

    def matrix(self, node: NodeProto) -> Matrix | None:
        if id(node) not in self._matrices:
            self._matrices[id(node)] = matrix_of(node, self._constants)
        return self._matrices[id(node)]

    def chain(self, start: Matrix) -> Chain:
        self._own(start)
        if start.node.op_type == "Attention":
            raise NotPassed("it reaches a Softmax")
        tensor, bias_add = start.node.output[0], self._bias_add(start)
        if bias_add is not None:
            tensor = bias_add.output[0]
        ends: list[End] = []
        self._walk(tensor, start.channel_axis, start, ends, set())
        if not ends:
            raise NotPassed("nothing reads it")
        return Chain(start, ends, bias_add, self._activation(tensor))

    def _activation(self, tensor: str) -> str:
        readers = self._readers[tensor]
        is_function = len(readers) == 1 and readers[0].node.op_type in (*_ELEMENTWISE, "Clip")
        return readers[0].node.output[0] if is_function else tensor

    def _own(self, matrix: Matrix) -> None:
        if len(self._readers.get(matrix.weight, ())) != 1:
            raise NotPassed("another node reads its weight too")

    def _bias_add(self, start: Matrix) -> NodeProto | None:
        """The `Add` of a vector that alone reads a `MatMul`."""
        readers = self._readers.get(start.node.output[0], [])
        if start.node.op_type != "MatMul" or len(readers) != 1 or start.node.output[0] in self._outputs:
            return None
        node = readers[0].node
        if node.op_type != "Add" or not is_standard(node) or id(node) not in self._main:
            return None
        vectors = [self._constants[name] for name in node.input if name in self._constants]
        return node if len(vectors) == 1 and _is_row(vectors[0], start.outputs) else None

    def _walk(self, tensor: str, place: Place, start: Matrix, ends: list[End], seen: set[int]) -> None:
        if tensor in self._outputs:
            raise NotPassed("it is an output of the model")
        for use in self._readers.get(tensor, []):
            node = use.node
            if id(node) not in self._main or use.index < 0:
                raise NotPassed("a subgraph reads it")
            if id(node) in seen:
                raise NotPassed(f"it reaches {node.op_type} twice")
            seen.add(id(node))
            end = self.matrix(node)
            if end is not None and use.index == 0:
                ends.append(self._end(end, place, start))
                continue
            self._walk(node.output[0], self._through(use, place, start), start, ends, seen)

    def _end(self, end: Matrix, place: Place, start: Matrix) -> End:
        self._own(end)
        flat = place == _FLAT
        if end.channel_axis != (-1 if flat else place) or end.inputs % start.outputs:
            raise NotPassed("the next layer reads it along another axis")
        repeats = end.inputs // start.outputs
        if repeats > 1 and not flat:
            raise NotPassed("the next layer has other channels")
        return End(end, repeats)

    def _through(self, use: Use, place: Place, start: Matrix) -> Place:
        """Where the channels are after the node, if a factor passes it."""
        node = use.node
        passed = _PASSED.get(node.op_type) if is_standard(node) and place != _FLAT else None
        after = passed(self._constants, use, place, start) if passed else None
        if after is None and place == _FLAT and node.op_type in _ELEMENTWISE - {"PRelu"}:
            return place
        if after is None:
            raise NotPassed(f"it reaches {node.op_type}")
        return after


def _is_row(tensor: TensorProto, width: int) -> bool:
    ordinary = tensor.data_type == TensorProto.FLOAT and elements(tensor) == width == (tensor.dims or [0])[-1]
    return bool(ordinary) and bool(np.isfinite(to_array(tensor)).all())


# --- what each operator does to the place of the channels; None where a factor does not pass ---

_Passes = Callable[[Constants, Use, Place, Matrix], Place | None]


def _same(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    del constants, start
    return place if use.index == 0 else None


def _pool(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    del constants, start
    alone = len([name for name in use.node.output if name]) == 1
    return place if use.index == 0 and place == 1 and alone else None


def _product(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    """The other operand may be anything that the channels reach only through a linear operator."""
    del constants, start
    return place if use.node.op_type == "Mul" or use.index == 0 else None


def _clip(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    """Only where it is a `Relu`: at zero below and without an upper end."""
    del start
    low = constants.get(input_name(use.node, 1))
    is_relu = low is not None and elements(low) == 1 and float(to_array(low).reshape(())) == 0.0
    return place if use.index == 0 and is_relu and not input_name(use.node, 2) else None


def _flatten(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    del constants, start
    return _FLAT if place == 1 and int_attribute(use.node, "axis", 1) == 1 else None


def _reshape(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    """Only where it is a `Flatten`."""
    del start
    shape = constants.get(input_name(use.node, 1))
    is_flatten = shape is not None and to_array(shape).tolist() == [0, -1]
    plain = not int_attribute(use.node, "allowzero", 0)
    return _FLAT if use.index == 0 and place == 1 and is_flatten and plain else None


def _reduce(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    """Over the places of a picture, all of them where the axes go."""
    node, rank = use.node, start.rank
    if use.index != 0 or place != 1:
        return None
    named = attribute(node, "axes")
    given = constants.get(input_name(node, 1))
    axes = list(named.ints) if named is not None else to_array(given).tolist() if given is not None else []
    spatial = {axis % rank for axis in axes if -rank <= axis < rank}
    if not spatial or spatial & {0, 1}:
        return None
    if int_attribute(node, "keepdims", 1):
        return place
    return -1 if spatial == set(range(2, rank)) else None


def _transpose(constants: Constants, use: Use, place: Place, start: Matrix) -> Place | None:
    del constants, start
    order = attribute(use.node, "perm")
    if order is None or place != 1:
        return None
    after = list(order.ints).index(1)
    return -1 if after == len(order.ints) - 1 else place if after == 1 else None


_PASSED: dict[str, _Passes] = {
    **dict.fromkeys(_ELEMENTWISE, _same),
    **dict.fromkeys(_POOLS, _pool),
    "Clip": _clip,
    "Div": _product,
    "Flatten": _flatten,
    "Mul": _product,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "Reshape": _reshape,
    "Transpose": _transpose,
}
