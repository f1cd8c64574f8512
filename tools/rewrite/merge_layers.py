"""Multiply the weights of two layers with nothing between them.

Before: a Conv, Gemm or MatMul whose result only another of its kind reads, one of two convolutions being 1×1, both of
one group. After: one layer, where that takes no more multiplications than the two. Folding a BatchNormalization often
leaves such pairs, as linear bottlenecks do. Weights are float32 constants that nothing else reads.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto

from ..quantize.graphs import attribute
from .linear import Linear, read_linear
from .scope import Scope, rewrite_graphs


def merge_layers(model: ModelProto) -> int:
    """Rewrite in place and return how many layers went."""
    return rewrite_graphs(model, _merge)


def _merge(scope: Scope) -> int:
    count = 0
    for node in scope.nodes:
        while scope.has(node) and _absorb(scope, node):
            count += 1
    return count


def _absorb(scope: Scope, node: NodeProto) -> bool:
    """Let `node` take over the layer that reads it, or the other way round, if one of them can."""
    follower = scope.only_reader(node.output[0]) if len(node.output) == 1 else None
    if follower is None or follower.op_type != node.op_type or follower.input[0] != node.output[0]:
        return False
    first, second = read_linear(scope, node), read_linear(scope, follower)
    if first is None or second is None or len(first.weight) != 1 or len(second.weight) != 1:
        return False
    if second.pointwise and second.outputs <= _cheapest(first, second):
        _product(first, second).write(scope)
        scope.take_over(node, follower)
        return True
    if first.pointwise and first.inputs <= first.outputs and not (second.padded and first.bias is not None):
        _product(second, first, reverse=True).write(scope)
        scope.set_inputs(follower, [node.input[0], *list(follower.input)[1:]])
        scope.remove([node])
        return True
    return False


def _cheapest(first: Linear, second: Linear) -> float:
    """Return the outputs of a merged layer up to which it takes no more multiplications than the two."""
    return (first.weight.size + second.weight.size) / (first.weight.size / first.outputs)


def _product(kept: Linear, other: Linear, reverse: bool = False) -> Linear:
    """Return `kept` followed by `other`, a pointwise layer; or `other` followed by `kept` in `reverse`."""
    inner = other.weight[0, :, :, 0]
    if reverse:
        weight = np.einsum("omk,mi->oik", kept.weight[0], inner)
        moved = None if other.bias is None else np.einsum("omk,m->o", kept.weight[0], other.bias)
    else:
        weight = np.einsum("om,mik->oik", inner, kept.weight[0])
        moved = None if kept.bias is None else inner @ kept.bias
    biases = [each for each in (moved, kept.bias if reverse else other.bias) if each is not None]
    bias = np.sum(biases, axis=0) if biases else None
    return Linear(kept.node, weight[None], bias, kept.rank, kept.axis, _kernel(kept, weight.shape))


def _kernel(layer: Linear, shape: tuple[int, ...]) -> tuple[int, ...]:
    outputs, inputs, _ = shape
    if layer.node.op_type == "Conv":
        return (outputs, inputs, *layer.kernel[2:])
    turned = attribute(layer.node, "transB")
    return (outputs, inputs) if turned is not None and turned.i else (inputs, outputs)
