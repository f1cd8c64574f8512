"""Products of matrices: the inner axes meet and are mixed, the outer ones are the result's."""

from __future__ import annotations

from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..trace import Outputs, Trace, UnclearError, given
from .elementwise import broadcast


def gemm(trace: Trace, node: NodeProto) -> Outputs:
    """`A (rows, inner) · B (inner, columns) + C`, each transposed or not, `C` broadcast."""
    left, right = trace.known(node.input[0]), trace.known(node.input[1])
    if len(left) != 2 or len(right) != 2:
        raise UnclearError("its operands are no matrices")
    if int_attribute(node, "transA", 0):
        left = left[::-1]
    turned = bool(int_attribute(node, "transB", 0))
    if turned:
        right = right[::-1]
    trace.tie(left[1], right[0])
    trace.mix(0, 0 if int_attribute(node, "transA", 0) else 1)
    trace.reading(node.input[1], right[0])
    trace.giving(node.input[1], right[1])
    made = (left[0], right[1])
    third = given(trace, node, 2)
    if third is None:
        return [made]
    trace.giving(node.input[2], third[-1] if third else None)
    return [broadcast(trace, [made, third], node.output[0])]


def matmul(trace: Trace, node: NodeProto) -> Outputs:
    """`(…, rows, inner) · (…, inner, columns)`, the axes before broadcast to each other; vectors have but `inner`."""
    left, right = trace.known(node.input[0]), trace.known(node.input[1])
    if not left or not right:
        raise UnclearError("one of its operands is a number")
    inner = -1 if len(right) == 1 else -2
    trace.tie(left[-1], right[inner])
    trace.mix(0, len(left) - 1)
    trace.reading(node.input[0], left[-1])
    trace.reading(node.input[1], right[inner])
    rows, columns = left[:-1][-1:], right[1:][-1:]
    for name, made in ((node.input[0], rows), (node.input[1], columns)):
        trace.giving(name, made[0] if made else None)
    outer = broadcast(trace, [left[:-2], right[:-2]], "")
    return [trace.like(node.output[0], (*outer, *rows, *columns))]
