"""Operators that make a tensor of a shape that is given as numbers: `Expand` and `ConstantOfShape`."""

from __future__ import annotations

from onnx import NodeProto

from ..labels import Axis
from ..trace import Outputs, Trace, UnclearError


def constant_of_shape(trace: Trace, node: NodeProto) -> Outputs:
    """As wide as it is told, so that any of it could go."""
    dims = trace.extents(node.output[0])
    if dims is None:
        raise UnclearError("its shape is computed")
    return [tuple(map(trace.unions.axis, dims))]


def expand(trace: Trace, node: NodeProto) -> Outputs:
    """Axes of extent one become as wide as they are told; others pass."""
    read, dims = trace.known(node.input[0]), trace.extents(node.output[0])
    if dims is None or len(dims) < len(read):
        raise UnclearError("its shape is computed")
    made: list[Axis] = []
    for axis, dim in enumerate(dims):
        at = axis - len(dims) + len(read)
        along = read[at] if at >= 0 else None
        if along is not None and len(along) == dim:
            made.append(along)
        else:
            trace.freeze(along, "it is repeated") if along is not None and len(along) > 1 else None
            made.append(trace.unions.axis(dim))
    return [tuple(made)]
