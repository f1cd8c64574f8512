"""Look rows up instead of multiplying with ones and zeros.

Before: `MatMul(Cast(i == [0 … n−1]), W)`, the one-hot embedding as JAX and TensorFlow write it, where the last axis of
i is one. After: `Gather(W, i)`, the same rows exactly. An index outside of the range has no one in its row and answers
zeros, so the table gets a row of zeros at its end, and such indices are led there. Needs opset 13.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from ..quantize.graphs import int_attribute
from .scope import Scope, rewrite_graphs
from .tracing import ends_in_one

MIN_OPSET = 13


def gather_one_hot(model: ModelProto) -> int:
    """Rewrite in place and return how many products became look-ups."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_look_up(scope, node) for node in scope.nodes if node.op_type == "MatMul")


def _look_up(scope: Scope, node: NodeProto) -> int:
    cast = scope.part(node.input[0])
    equal = scope.part(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
    if cast is None or equal is None or equal.op_type != "Equal" or int_attribute(cast, "to", 0) != TensorProto.FLOAT:
        return 0
    table = scope.floats(node.input[1])
    if table is None or table.ndim != 2:
        return 0
    for index, counted in (equal.input, reversed(equal.input)):
        counter = scope.constant(counted)
        if counter is not None and _counts(counter, len(table)) and ends_in_one(scope, index):
            _replace(scope, node, index, table, counter.dtype)
            scope.remove([cast, equal])
            return 1
    return 0


def _counts(value: np.ndarray, rows: int) -> bool:
    """Tell whether `value` is 0 … rows − 1 along its last axis, of a type that can also be −1."""
    flat = value.reshape(-1)
    return value.shape[-1:] == (rows,) and value.dtype.kind == "i" and np.array_equal(flat, np.arange(rows))


def _replace(scope: Scope, node: NodeProto, index: str, table: np.ndarray, kind: np.dtype) -> None:
    """Let `node` be a Gather from the table with zeros at its end: row −1, and the one after the last."""
    base, rows = node.output[0], len(table)
    longer = np.concatenate([table, np.zeros((1, table.shape[1]))]).astype(np.float32)
    column, inside = (scope.fresh(f"{base}_{what}") for what in ("column", "inside"))
    axes = scope.store(np.array([-1], np.int64), f"{base}_axes")
    low, high = (scope.store(np.array(value, kind), f"{base}_{name}") for name, value in (("low", -1), ("high", rows)))
    scope.insert(node, helper.make_node("Squeeze", [index, axes], [column], column))
    scope.insert(node, helper.make_node("Clip", [column, low, high], [inside], inside))
    scope.become(node, "Gather", [scope.store(longer, node.input[1]), inside])
