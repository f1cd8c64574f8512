"""Compute on the rows of a table once, instead of on every row that is looked up.

Before: `f(Gather(W, i))`, where f takes each row by itself: sums and products with constants, activations, a
normalization over the last axis, a product with stored weights. After: `Gather(f(W), i)`, where the new table is no
larger than what it replaces. Nothing else may read W, nor what lies between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper

from ...contracts import ToolError
from ..onnx_model import is_standard
from ..passes.runtime import run_once
from ..quantize.graphs import int_attribute
from .scope import Scope, rewrite_graphs
from .tracing import ELEMENTWISE, least_rank

_BY_ROW = frozenset({"LayerNormalization", "Softmax"})
_BINARY = frozenset({"Add", "Div", "Max", "Min", "Mul", "Pow", "Sub"})


@dataclass(frozen=True)
class _Region:
    """Nodes that compute on looked-up rows alone; the last one gives out the result.

    Attributes:
        nodes: in order.
        constants: that they read, as they apply to one row.
    """

    nodes: list[NodeProto]
    constants: dict[str, np.ndarray]


def fold_row_tables(model: ModelProto) -> int:
    """Rewrite in place and return how many operators went."""
    return rewrite_graphs(model, lambda scope: sum(_fold(scope, node, model) for node in scope.nodes))


def _fold(scope: Scope, node: NodeProto, model: ModelProto) -> int:
    if node.op_type != "Gather" or not is_standard(node) or int_attribute(node, "axis", 0) or not scope.has(node):
        return 0
    rank = least_rank(scope, node.output[0])
    if rank is None or not scope.alone(node.input[0]):
        return 0
    region = _region(scope, node, rank)
    table = scope.floats(node.input[0]) if region.nodes else None  # it may be gigabytes
    if table is None or table.ndim != 2:
        return 0
    made = _computed(region, node.output[0], table.astype(np.float32), model)
    freed = table.size + sum(each.size for name, each in region.constants.items() if scope.alone(name))
    if made is None or made.ndim != 2 or len(made) != len(table) or made.size > freed:
        return 0
    last = region.nodes[-1]
    scope.set_inputs(node, [scope.store(made, node.input[0]), node.input[1]])
    scope.remove(region.nodes[:-1])
    scope.take_over(node, last)
    return len(region.nodes)


def _region(scope: Scope, gather: NodeProto, rank: int) -> _Region:
    """Return the longest run of nodes from `gather` on that ends in one value."""
    values, nodes, constants = {gather.output[0]}, list[NodeProto](), dict[str, np.ndarray]()
    best = _Region([], {})
    for node in scope.nodes:
        read = _read(scope, node, values, rank) if values.intersection(node.input) else None
        if read is None:
            continue
        nodes.append(node)
        values.add(node.output[0])
        constants |= read
        inside = {id(each) for each in nodes}
        names = values - {node.output[0]}
        if all(reader is not None and id(reader) in inside for name in names for reader in scope.readers(name)):
            best = _Region(list(nodes), dict(constants))
    return best


def _read(scope: Scope, node: NodeProto, values: set[str], rank: int) -> dict[str, np.ndarray] | None:
    """Return the constants that `node` reads besides `values`, or None where it mixes rows or reads anything else."""
    if not is_standard(node) or len(node.output) != 1 or not _by_row(node):
        return None
    if node.op_type == "MatMul" and (node.input[0] not in values or node.input[1] in values):
        return None
    found: dict[str, np.ndarray] = {}
    for name in node.input:
        if not name or name in values:
            continue
        value = scope.floats(name)
        if value is None or value.ndim > rank:
            return None
        if node.op_type == "MatMul":
            if value.ndim != 2:
                return None
        elif value.ndim and value.size != value.shape[-1]:
            return None
        found[name] = (value if node.op_type == "MatMul" or not value.ndim else value.reshape(-1)).astype(np.float32)
    return found


def _by_row(node: NodeProto) -> bool:
    if node.op_type in _BY_ROW:
        return int_attribute(node, "axis", -1) == -1
    return node.op_type in ELEMENTWISE or node.op_type in _BINARY or node.op_type == "MatMul"


def _computed(region: _Region, name: str, table: np.ndarray, model: ModelProto) -> np.ndarray | None:
    """Run the nodes on the whole table, in the runtime and the precision in which they would run on its rows."""
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(table.shape))]
    result = region.nodes[-1].output[0]
    outputs = [helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, [None, None])]
    weights = [onnx.numpy_helper.from_array(value, each) for each, value in region.constants.items()]
    graph = helper.make_graph(region.nodes, "rows", inputs, outputs, weights)
    small = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    try:
        return run_once(small, {name: table})
    except ToolError:
        return None
