"""Pad the data of a convolution with channels of zeros, up to a number that the runtime's blocked kernels take.

Before: a `Conv` in the plane with eight or more input channels, not a multiple of four, that no other convolution makes
(`align_channels` widens those). After: a `Pad` before it, and weights that multiply the new channels by zero. The sums
are the same, and the blocked kernels, which onnxruntime leaves such a convolution out of (`nchwc_transformer.cc`), take
it. Whether that pays is measured. Needs opset 11.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import is_standard
from ..quantize.graphs import int_attribute
from .scope import Scope, rewrite_graphs

MIN_OPSET = 11
_ALIGNMENT = 4
_LEAST = 8  # the smallest block; with fewer channels the kernels read what is not blocked


def pad_channels(model: ModelProto) -> int:
    """Rewrite in place and return how many convolutions got more channels."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_align(scope, node) for node in scope.nodes if node.op_type == "Conv" and is_standard(node))


def _align(scope: Scope, node: NodeProto) -> int:
    weight = scope.floats(node.input[1])
    if weight is None or weight.ndim != 4 or int_attribute(node, "group", 1) != 1:
        return 0
    channels = weight.shape[1]
    missing = -channels % _ALIGNMENT
    if channels < _LEAST or not missing:
        return 0
    data, given, *bias = node.input
    wide = np.pad(weight, ((0, 0), (0, missing), (0, 0), (0, 0))).astype(np.float32)
    pads = scope.store(np.array([0, 0, 0, 0, 0, missing, 0, 0], np.int64), f"{data}_pads")
    padded = scope.fresh(f"{data}_aligned")
    scope.insert(node, helper.make_node("Pad", [data, pads], [padded]))
    scope.set_inputs(node, [padded, scope.store(wide, given), *bias])
    return 1
