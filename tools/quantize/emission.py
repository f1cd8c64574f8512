"""What emitting the dynamic int8 form of a node needs: the graph's weights, fresh names, shared activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import GraphProto, NodeProto, helper

from ..onnx_model import elements
from .computed_rounding import NEAREST, Roundings
from .recurrent_weights import RecurrentWeight
from .rounding import FloatArray
from .storage_units import DEFAULT_BLOCK, StoredForm
from .weights import Weights


class Unfit(Exception):
    """Why a node cannot take the form asked for; the message is shown in the layer table."""


@dataclass
class Emission:
    """Where the new nodes of one graph come from; activations that several nodes read are quantized once.

    Attributes:
        takes: tells whether a node of the model is to become int8.
        tables: looked-up table → form in which its rows are held; the others are held as int8.
        block: neighbouring elements of a row that share a scale, at most, in forms that have blocks.
        roundings: integers of weights that are not rounded to the nearest.
        rounded: weights of LSTMs that were rounded before, by name.
    """

    graph: GraphProto
    weights: Weights
    per_channel: bool
    takes: Callable[[NodeProto], bool]
    tables: Mapping[str, StoredForm] = field(default_factory=dict[str, StoredForm])
    block: int = DEFAULT_BLOCK
    roundings: Roundings = NEAREST
    rounded: Mapping[str, RecurrentWeight] = field(default_factory=dict[str, RecurrentWeight])
    quantized: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])

    def weight(self, name: str) -> FloatArray:
        """Return the values of a constant weight, or say why there are none."""
        values = self.weights.floats(self.graph, name)
        if values is not None:
            return values
        if self.weights.tensor(self.graph, name) is not None:
            raise Unfit("its weight is not finite float32")
        if self._dequantized(name):
            raise Unfit("its weight is quantized already")
        raise Unfit("its weight is computed, not constant")

    def weight_size(self, name: str) -> int:
        """Return the elements of a constant, 0 where `name` is none."""
        tensor = self.weights.tensor(self.graph, name)
        return 0 if tensor is None else elements(tensor)

    def _dequantized(self, name: str) -> bool:
        return any(name in node.output and node.op_type == "DequantizeLinear" for node in self.graph.node)

    def activation(self, name: str, nodes: list[NodeProto]) -> tuple[str, str, str]:
        """Return values, scale and zero point of an activation as uint8, adding the node that makes them."""
        if name not in self.quantized:
            made = (self.fresh("quantized"), self.fresh("scale"), self.fresh("zero"))
            nodes.append(self.node("DynamicQuantizeLinear", [name], list(made)))
            self.quantized[name] = made
        return self.quantized[name]

    def fresh(self, base: str) -> str:
        """Return a name that the model does not have yet."""
        return self.weights.names.fresh(base)

    def node(self, op_type: str, inputs: list[str], outputs: list[str], domain: str = "") -> NodeProto:
        """Return a node with a name of its own."""
        return helper.make_node(op_type, inputs, outputs, self.fresh(op_type), domain=domain)

    def constant(self, origin: str, key: str, *arrays: tuple[str, np.ndarray]) -> tuple[str, ...]:
        """Return names of constants made from weight `origin`."""
        return self.weights.add(self.graph, origin, (key, self.per_channel), arrays)
