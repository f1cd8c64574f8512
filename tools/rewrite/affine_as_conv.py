"""Write a scale and a shift between convolutions as a 1×1 depthwise convolution.

Before: `x · a + b` on the four-dimensional values between convolutions, where it cannot be folded into them (a padded
one follows, or an activation stands between). After: a Conv of one group per channel. It costs the same arithmetic, but
the runtime keeps its blocked layout, which sums and scalar products break (see onnxruntime's `nchwc_transformer.cc`).
Whether that pays is measured.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from .affine import read_chain
from .linear import depthwise
from .scope import Scope, rewrite_graphs
from .tracing import KEEPING, channels_of, is_pooled

_READERS = KEEPING | {"Add", "Concat", "Conv", "Mul", "Resize"}


def affine_as_conv(model: ModelProto) -> int:
    """Rewrite in place and return how many convolutions that makes."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    return sum(_convert(scope, node) for node in reversed(scope.nodes) if scope.has(node))


def _convert(scope: Scope, node: NodeProto) -> int:
    if len(node.output) != 1 or not any(each and each.op_type in _READERS for each in scope.readers(node.output[0])):
        return 0
    chain = read_chain(scope, node)
    channels = None if chain is None or is_pooled(scope, chain.source) else channels_of(scope, chain.source)
    if chain is None or channels is None or not depthwise(scope, node, chain, channels):
        return 0
    scope.remove(chain.nodes[1:])
    return 1
