"""Write the mean over all positions as a global pooling.

Before: `ReduceMean(x)` over height and width, kept as axes, of what a convolution makes. After: `GlobalAveragePool(x)`,
which the runtime computes in the blocked layout of the convolutions.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from ..quantize.graphs import attribute, int_attribute
from .scope import Scope, rewrite_graphs
from .tracing import channels_of


def pool_mean(model: ModelProto) -> int:
    """Rewrite in place and return how many poolings that makes."""
    return rewrite_graphs(model, lambda scope: sum(_pool(scope, node) for node in scope.nodes))


def _pool(scope: Scope, node: NodeProto) -> int:
    if node.op_type != "ReduceMean" or scope.producer(node.output[0]) is not node:
        return 0
    given = attribute(node, "axes")
    axes = tuple(given.ints) if given is not None else scope.integers(node.input[1]) if len(node.input) > 1 else None
    if (
        axes is None
        or {each % 4 for each in axes} != {2, 3}
        or len(axes) != 2
        or not int_attribute(node, "keepdims", 1)
    ):
        return 0
    if channels_of(scope, node.input[0]) is None:
        return 0
    scope.become(node, "GlobalAveragePool", [node.input[0]])
    return 1
