"""Operators of com.microsoft that do in one what several of the default domain do."""

from __future__ import annotations

from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..trace import Outputs, Trace, UnclearError, given
from . import convolution, elementwise, matrix, normal


def fused_conv(trace: Trace, node: NodeProto) -> Outputs:
    """A convolution, a tensor that is added, an activation."""
    made = convolution.conv(trace, node)
    added = given(trace, node, 3)
    if added is None or made[0] is None:
        return made
    return [elementwise.broadcast(trace, [made[0], added], node.output[0])]


def fused_matmul(trace: Trace, node: NodeProto) -> Outputs:
    """A product of matrices that may be transposed."""
    if any(int_attribute(node, name, 0) for name in ("transBatchA", "transBatchB", "transA", "transB")):
        raise UnclearError("its operands are transposed")
    return matrix.matmul(trace, node)


def skip_norm(trace: Trace, node: NodeProto) -> Outputs:
    """A sum, normalized; the third or fourth output is the sum itself."""
    operands = [trace.known(name) for index, name in enumerate(node.input) if name and index != 0]
    made = elementwise.broadcast(trace, [trace.known(node.input[0]), *operands], node.output[0])
    trace.freeze(made[-1] if made else None, normal.ACROSS)
    return [made if index in (0, 3) else None for index in range(len(node.output))]
