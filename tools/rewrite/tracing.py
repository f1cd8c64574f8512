"""What is known of a value from the operators that made it, where a file's own word on shapes may be wrong."""

from __future__ import annotations

from onnx import NodeProto

from ..quantize.graphs import int_attribute
from .scope import Scope

# Operators that keep the number of channels and the blocked layout.
KEEPING = frozenset(
    {
        "AveragePool",
        "Clip",
        "GlobalAveragePool",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "MaxPool",
        "Relu",
        "Sigmoid",
        "Tanh",
    }
)
_ELEMENTWISE = frozenset(
    {"Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Softplus", "Tanh"}
)
_DEPTH = 12


def channels_of(scope: Scope, name: str) -> int | None:
    """Return the channels of a four-dimensional value that a convolution makes, activations and poolings apart."""
    for _ in range(_DEPTH):
        node = scope.producer(name)
        if node is None:
            return None
        if node.op_type == "Conv":
            weight = scope.constant(node.input[1])
            return int(weight.shape[0]) if weight is not None and weight.ndim == 4 else None
        if node.op_type == "ConvTranspose":
            weight = scope.constant(node.input[1])
            groups = int_attribute(node, "group", 1)
            return int(weight.shape[1]) * groups if weight is not None and weight.ndim == 4 else None
        if node.op_type not in KEEPING:
            return None
        name = node.input[0]
    return None


def is_pooled(scope: Scope, name: str) -> bool:
    """Tell whether `name` is a float32 value of one position per channel, made from a pooling over all of them."""
    weights = False
    for _ in range(_DEPTH):
        node = scope.producer(name)
        if node is None:
            return False
        if node.op_type in {"GlobalAveragePool", "GlobalMaxPool"}:
            return weights
        if node.op_type == "Conv" and not any(
            value for each in node.attribute if each.name == "pads" for value in each.ints
        ):
            weight = scope.floats(node.input[1])
            weights = weights or weight is not None
        elif node.op_type not in _ELEMENTWISE or (node.op_type == "Mul" and not _by_constant(scope, node)):
            return False
        name = node.input[0]
    return False


def _by_constant(scope: Scope, node: NodeProto) -> bool:
    return scope.scalar(node.input[1]) is not None
