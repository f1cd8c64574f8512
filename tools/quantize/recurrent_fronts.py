"""Give an LSTM an input of even ranges, and where that is not enough in two digits.

Before: `LSTM(x, W, R, B)`. After: `LSTM(v, W · factor, R, B + W · centre)` with `v = Max(Min((x − centre) / factor,
bound), −bound)`, each of one value per channel. Where nothing is cut that is the same function.

With a second digit the LSTM reads `[first, k · (v − first)]` with the weights once as they are and once divided by k,
`first` being v rounded to the step that `DynamicQuantizeLSTM` will take. Two more channels, of no weight, hold that
step: they are the ends of the range. The product with the input is the small one of an LSTM's two, so this costs
little, and the error of the input falls to a kth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from ..onnx_model import is_standard, to_tensor
from .graphs import Names, replace_nodes
from .rounding import FloatArray
from .weights import Weights, drop_unused

LOWEST, HIGHEST = -128.0, 127.0


@dataclass(frozen=True)
class Front:
    """What is done with each channel of an input: `(x − centre) / factor`, kept within ±`bound`.

    Attributes:
        bound: what the channel reaches.
        cut: whether it is kept from going beyond.
        digit: what the second digit is multiplied with; 0 where there is none.
    """

    centre: FloatArray
    factor: FloatArray
    bound: FloatArray
    cut: bool
    digit: float = 0.0

    @property
    def words(self) -> str:
        """Say in short what is done."""
        even = "cut and equalised" if self.cut else "equalised"
        return f"its input is {even}{', in two digits' if self.digit else ''}"


def is_lstm(node: NodeProto) -> bool:
    """Tell whether the node is ONNX's own LSTM."""
    return node.op_type == "LSTM" and is_standard(node)


def put_fronts(model: ModelProto, fronts: Mapping[str, Front]) -> None:
    """Write each front before the LSTM of that name in the main graph."""
    weights = Weights(model, Names(model))
    made: list[NodeProto] = []
    replaced: set[str] = set()
    for node in list(model.graph.node):
        if is_lstm(node) and node.name in fronts:
            replaced.update(node.input)
            made.extend(_put(model.graph, weights, node, fronts[node.name]))
        made.append(node)
    replace_nodes(model.graph, made)
    drop_unused(model, replaced)


def _put(graph: GraphProto, weights: Weights, node: NodeProto, front: Front) -> Iterator[NodeProto]:
    """Point `node` at folded weights and at what is made of its input; yield the nodes that make it."""
    weight = constant_floats(weights, graph, node.input[1])
    writer = _Writer(graph, weights.names, node.input[0])
    node.input.extend([""] * (4 - len(node.input)))
    if front.centre.any():
        node.input[3] = writer.constant(_shifted(weights.floats(graph, node.input[3]), weight, front))
    _evened(writer, front)
    folded = weight * front.factor
    if front.digit:
        folded = _two_digits(writer, folded, np.float32(front.digit))
    node.input[1] = writer.constant(folded)
    node.input[0] = writer.value
    yield from writer.nodes


class _Writer:
    """Writes a chain of nodes, each applied to what the one before made."""

    def __init__(self, graph: GraphProto, names: Names, value: str) -> None:
        self._graph, self._names = graph, names
        self.value = value
        self.nodes: list[NodeProto] = []

    def constant(self, values: np.ndarray | np.float32) -> str:
        """Return the name of a new initializer."""
        name = self._names.fresh("even")
        self._graph.initializer.append(to_tensor(np.asarray(values), name))
        return name

    def at(self, value: str) -> Self:
        """Go on from `value`."""
        self.value = value
        return self

    def apply(self, op_type: str, *operands: np.ndarray | np.float32 | str, **attributes: Any) -> str:
        """Return what `op_type` makes of the value and of constants or named values, which becomes the value."""
        named = [each if isinstance(each, str) else self.constant(each) for each in operands]
        output = self._names.fresh("even")
        inputs = [self.value, *named]
        self.nodes.append(helper.make_node(op_type, inputs, [output], self._names.fresh("even"), **attributes))
        self.value = output
        return output


def _evened(writer: _Writer, front: Front) -> None:
    writer.apply("Mul", 1 / front.factor)
    if front.centre.any():
        writer.apply("Add", -front.centre / front.factor)
    if front.cut:
        writer.apply("Min", front.bound)
        writer.apply("Max", -front.bound)


def _two_digits(writer: _Writer, weight: FloatArray, digit: np.float32) -> FloatArray:
    """Write the input as two digits; return the weight that reads them, in the order in which they are joined."""
    whole = writer.value
    writer.apply("Abs")
    writer.apply("ReduceMax", keepdims=0)
    writer.apply("Mul", np.float32(1 / HIGHEST))
    unit = writer.apply("Max", np.float32(np.finfo(np.float32).tiny))
    lowest, highest = writer.apply("Mul", np.float32(LOWEST)), writer.at(unit).apply("Mul", np.float32(HIGHEST))
    writer.at(whole).apply("Div", unit)
    writer.apply("Round")
    first = writer.apply("Mul", unit)
    writer.at(whole).apply("Sub", first)
    second = writer.apply("Mul", digit)
    writer.at(first).apply("Concat", second, axis=2)
    pads = np.array([0, 0, 0, 0, 0, 1], np.int64)
    writer.apply("Pad", pads, lowest)
    writer.apply("Pad", pads, highest)
    idle = np.zeros((*weight.shape[:2], 2), np.float32)
    return np.concatenate([weight, weight / digit, idle], axis=2)


def _shifted(bias: FloatArray | None, weight: FloatArray, front: Front) -> FloatArray:
    """The bias, of shape (directions, 8 × units), with what the centre adds: its first half belongs to the input."""
    ways, gates, _ = weight.shape
    shifted = np.zeros((ways, 2 * gates), np.float64) if bias is None else bias.astype(np.float64)
    shifted[:, :gates] += weight.astype(np.float64) @ front.centre.astype(np.float64)
    return shifted.astype(np.float32)


def constant_floats(weights: Weights, graph: GraphProto, name: str) -> FloatArray:
    """Return the values of what is known to be a constant of finite float32."""
    values = weights.floats(graph, name)
    if values is None:
        raise ValueError("the weight was found to be constant")
    return values
