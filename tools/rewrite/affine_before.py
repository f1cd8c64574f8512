"""Fold what scales and shifts the input of layers into their weights.

Before: `Conv(x · a + b)` with a and b scalar or one number per channel, written with Mul, Div, Add, Sub, Neg or
BatchNormalization; also before ConvTranspose, Gemm and MatMul. After: the layer alone. A shift folds only where the
layer adds no zeros of its own at the border (nor into a MatMul, which has no bias). Every reader must take it, each
with float32 constants of its own. The half of a Gelu and the scale of a normalization stay: without them the runtime
would not recognise those.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from .affine import AFFINE, Affine, read_affine, read_chain
from .gelu import ends_gelu
from .linear import LINEAR, Linear, read_linear
from .scope import Scope, rewrite_graphs


def fold_affine_before(model: ModelProto) -> int:
    """Rewrite in place and return how many operators went."""
    return rewrite_graphs(model, _fold)


def _fold(scope: Scope) -> int:
    return sum(_absorb(scope, node) for node in reversed(scope.nodes) if scope.has(node))


def _absorb(scope: Scope, node: NodeProto) -> int:
    """Let all that read `node` take the chain of affine operators that it ends."""
    if node.op_type not in AFFINE or len(node.output) != 1 or read_affine(scope, node, 4) is None:
        return 0
    layers = _layers(scope, node.output[0])
    if not layers:
        return 0
    ranks = {layer.rank for layer in layers}
    chain = read_chain(scope, node, ranks.pop() if len(ranks) == 1 else None)
    folded = [] if chain is None else [made for layer in layers if (made := layer.before(chain)) is not None]
    if chain is None or len(folded) < len(layers) or _completes(scope, chain):
        return 0
    _write(scope, folded, chain)
    return len(chain.nodes)


def _completes(scope: Scope, chain: Affine) -> bool:
    """Tell whether the chain belongs to a Gelu or a normalization that the runtime fuses as it stands."""
    quotient = scope.producer(chain.source)
    root = scope.producer(quotient.input[1]) if quotient is not None and quotient.op_type == "Div" else None
    return (root is not None and root.op_type == "Sqrt") or any(ends_gelu(scope, node) for node in chain.nodes)


def _write(scope: Scope, folded: list[Linear], chain: Affine) -> None:
    for layer in folded:
        layer.write(scope)
        scope.set_inputs(layer.node, [chain.source, *list(layer.node.input)[1:]])
    scope.remove(chain.nodes)


def _layers(scope: Scope, name: str) -> list[Linear]:
    """Return the layers whose data `name` is, or nothing where anything else reads it."""
    layers: list[Linear] = []
    for reader in scope.readers(name):
        if reader is None or reader.op_type not in LINEAR or list(reader.input).count(name) != 1:
            return []
        layer = read_linear(scope, reader) if reader.input[0] == name else None
        if layer is None:
            return []
        layers.append(layer)
    return layers
