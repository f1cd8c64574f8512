"""Fold what scales and shifts a layer's result into its weights.

Before: `Conv(x) · a + b` with a and b scalar or one number per channel, written with Mul, Div, Add, Sub, Neg or
BatchNormalization; also after ConvTranspose, Gemm and (without b) MatMul. After: the layer alone. Its weights must be
float32 constants that no other node reads, and nothing else may read what lies between.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from .affine import AFFINE, read_affine
from .linear import LINEAR, read_linear
from .scope import Scope, rewrite_graphs


def fold_affine_after(model: ModelProto) -> int:
    """Rewrite in place and return how many operators went."""
    return rewrite_graphs(model, _fold)


def _fold(scope: Scope) -> int:
    return sum(_absorb(scope, node) for node in scope.nodes if node.op_type in LINEAR)


def _absorb(scope: Scope, node: NodeProto) -> int:
    reader = scope.only_reader(node.output[0])
    linear = read_linear(scope, node) if reader is not None and reader.op_type in AFFINE else None
    count = 0
    while linear is not None and (reader := scope.only_reader(node.output[0])) is not None:
        affine = read_affine(scope, reader, linear.rank)
        folded = linear.after(affine) if affine is not None and affine.source == node.output[0] else None
        if folded is None:
            break
        linear, count = folded, count + 1
        scope.take_over(node, reader)
    if linear is not None and count:
        linear.write(scope)
    return count
