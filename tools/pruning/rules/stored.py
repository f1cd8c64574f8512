"""What holds weights in another form than an initializer of float32, and what cannot be cut at all."""

from __future__ import annotations

from onnx import NodeProto

from ..trace import Outputs, Trace, UnclearError


def other_form(trace: Trace, node: NodeProto) -> Outputs:
    """Integers with scales: cutting comes before quantizing."""
    raise UnclearError("it is quantized")


def whole(trace: Trace, node: NodeProto) -> Outputs:
    """All of it belongs together."""
    raise UnclearError(f"{node.op_type} needs all that it reads")


def constant(trace: Trace, node: NodeProto) -> Outputs:
    """A Constant node that has not been lifted to an initializer."""
    return [trace.whole(node.output[0])]
