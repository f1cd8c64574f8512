"""Operators that treat each element by itself, operands broadcast to each other."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto

from ..labels import Axes, Axis
from ..trace import Outputs, Trace, UnclearError

# Further inputs are scalars, or broadcast as any operand.
OPERATORS = frozenset(
    {"Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Clip", "Cos",
     "Cosh", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual",
     "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max",
     "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu",
     "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh",
     "ThresholdedRelu", "Where", "Xor"}
)  # fmt: skip


def elementwise(trace: Trace, node: NodeProto) -> Outputs:
    """All outputs have the operands' channels."""
    names = [name for name in node.input if name]
    axes = broadcast(trace, [trace.known(name) for name in names], node.output[0])
    return [axes for _ in node.output]


def first(trace: Trace, node: NodeProto) -> Outputs:
    """The channels of the first operand; the second tells a type."""
    return [trace.known(node.input[0])]


def broadcast(trace: Trace, operands: Sequence[Axes], output: str) -> Axes:
    """Tie the axes of operands that meet; return those of the result."""
    rank = max((len(each) for each in operands), default=0)
    told = trace.whole(output)
    found: list[Axis] = []
    for axis in range(rank):
        meeting = [each[axis - rank + len(each)] for each in operands if axis - rank + len(each) >= 0]
        found.append(_meet(trace, meeting))
    return tuple(found) if told is None else trace.like(output, tuple(found))


def _meet(trace: Trace, meeting: Sequence[Axis]) -> Axis:
    wide = [each for each in meeting if each is not None and len(each) != 1]
    if not wide:
        return None if any(each is None for each in meeting) else meeting[0]
    if any(each is None for each in meeting):
        for each in wide:
            trace.freeze(each, "it meets an axis of unknown extent")
        return None
    for each in wide[1:]:
        if len(each) != len(wide[0]):
            raise UnclearError("its operands do not fit each other")
        trace.tie(wide[0], each)
    return wide[0]
