"""Add one to a gate instead of the gated value to the ungated.

Before: `x + x · g`, a residual squeeze-and-excitation, with one g per channel. After: `x · (g + 1)`: the sum runs over
as many numbers as there are channels, no longer over all of x. The gate must come from a pooling over all positions,
and nothing else may read the product.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto

from .scope import Scope, rewrite_graphs
from .tracing import is_pooled


def factor_gate(model: ModelProto) -> int:
    """Rewrite in place and return how many sums became small."""
    return rewrite_graphs(model, _factor)


def _factor(scope: Scope) -> int:
    return sum(_rewrite(scope, node) for node in scope.nodes if scope.has(node))


def _rewrite(scope: Scope, node: NodeProto) -> int:
    if node.op_type != "Add" or scope.producer(node.output[0]) is not node or scope.version < 7:
        return 0
    for source, product in (node.input, reversed(node.input)):
        gated = scope.part(product)
        if gated is None or gated.op_type != "Mul" or source == product or source not in gated.input:
            continue
        gate = gated.input[1] if gated.input[0] == source else gated.input[0]
        if gate != source and is_pooled(scope, gate):
            one = scope.store(np.ones((), np.float32), "one")
            scope.become(gated, "Add", [gate, one])
            scope.become(node, "Mul", [source, product])
            return 1
    return 0
