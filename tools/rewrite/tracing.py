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
_GATES = frozenset({"Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Softplus", "Tanh"})
# Operators of one input that take each number by itself; further inputs are bounds.
ELEMENTWISE = _GATES - {"Mul"} | {
    "Abs",
    "Elu",
    "Erf",
    "Exp",
    "Identity",
    "Log",
    "Neg",
    "Reciprocal",
    "Sqrt",
}
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
        elif node.op_type not in _GATES or (node.op_type == "Mul" and not _by_constant(scope, node)):
            return False
        name = node.input[0]
    return False


def _by_constant(scope: Scope, node: NodeProto) -> bool:
    return scope.scalar(node.input[1]) is not None


def least_rank(scope: Scope, name: str) -> int | None:
    """Return how many dimensions `name` has at least, or None where its operators do not tell."""
    change = 0
    for _ in range(_DEPTH):
        node = scope.producer(name)
        if node is None:
            declared = scope.declared_rank(name)
            return None if declared is None else declared + change
        if node.op_type == "Reshape":
            shape = scope.integers(node.input[1])
            return None if shape is None else len(shape) + change
        if node.op_type in {"Squeeze", "Unsqueeze"}:
            axes = scope.integers(node.input[1]) if len(node.input) > 1 else None
            if axes is None:
                return None
            change += len(axes) if node.op_type == "Unsqueeze" else -len(axes)
        elif node.op_type == "Gather":
            table = scope.constant(node.input[0])
            if table is None:
                return None
            change += table.ndim - 1
            name = node.input[1]
            continue
        elif node.op_type not in ELEMENTWISE | {"Cast", "Expand"}:  # an Expand may add some
            return None
        name = node.input[0]
    return None


def ends_in_one(scope: Scope, name: str) -> bool:
    """Tell whether the last axis of `name` is known to have one position."""
    node = scope.producer(name)
    if node is None:
        return False
    if node.op_type == "Expand":
        return _last_number(scope, node.input[1]) == 1 and ends_in_one(scope, node.input[0])
    numbers = scope.integers(node.input[1]) if len(node.input) > 1 else None
    if not numbers:
        return False
    return (node.op_type == "Reshape" and numbers[-1] == 1) or (node.op_type == "Unsqueeze" and numbers == (-1,))


def _last_number(scope: Scope, name: str) -> int | None:
    """Return the last of the integers `name`, which may be put together of several."""
    for _ in range(_DEPTH):
        value = scope.constant(name)
        if value is not None:
            return int(value.reshape(-1)[-1]) if value.size and value.dtype.kind == "i" else None
        node = scope.producer(name)
        if node is None or node.op_type not in {"Cast", "Concat"}:
            return None
        name = node.input[-1]
    return None
