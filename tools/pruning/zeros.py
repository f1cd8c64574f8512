"""Which tensors hold nothing but zeros, whatever the input: such an initial state is as good as none."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto

from ..onnx_model import is_external, is_standard, to_array
from ..quantize.graphs import attribute, fixed_initializers
from ..weight_files import extent_of

# Zeros of the first operand stay zeros; further ones only say where they go.
_MOVING = frozenset(
    {"Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose",
     "Unsqueeze"}
)  # fmt: skip


def zeros(graph: GraphProto, asked: Collection[str]) -> frozenset[str]:
    """Return those of the tensors `asked` for that are zero throughout."""
    made = {name: node for node in graph.node for name in node.output if name}
    weights = fixed_initializers(graph)
    return frozenset(name for name in asked if _is_zero(name, made, weights))


def _is_zero(name: str, made: dict[str, NodeProto], weights: dict[str, TensorProto]) -> bool:
    pending, seen = [name], set[str]()
    while pending:
        each = pending.pop()
        if each in seen:
            continue
        seen.add(each)
        node = made.get(each)
        if node is None:
            if each not in weights or not _holds_zeros(weights[each]):
                return False
        elif node.op_type in _MOVING and is_standard(node) and node.input:
            pending.append(node.input[0])
        elif node.op_type == "Concat" and is_standard(node):
            pending.extend(node.input)
        elif not _fills_zeros(node):
            return False
    return True


def _holds_zeros(tensor: TensorProto) -> bool:
    unread = is_external(tensor) and extent_of(tensor) is None
    return not unread and tensor.data_type == TensorProto.FLOAT and not to_array(tensor).any()


def _fills_zeros(node: NodeProto) -> bool:
    if node.op_type != "ConstantOfShape" or not is_standard(node):
        return False
    found = attribute(node, "value")
    return found is None or not np.any(to_array(found.t))
