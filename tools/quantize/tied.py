"""Hold a table and its transpose once, as in models that score words by the matrix in which they look words up.

Exporters write both. While a model is quantized there are two, so that the product is seen to have a constant weight;
in the file there is one again, wherever both became the same integers.

Before: two initializers, one the transpose of the other. After: one of them and `Transpose`, which the runtime folds
when it loads the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ...contracts import QuantizeStep
from ..onnx_model import delete_named, is_standard, tensor_bytes, to_array, to_tensor
from .graphs import Names, fixed_initializers, int_attribute, replace_nodes, uses
from .rounding import AnyArray
from .weights import drop_unused

MIN_BYTES = 16 * 1024
_NARROW = frozenset({"int4", "int8_block"})
_INTEGER = frozenset({"dynamic", "static"})
_TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8})


def part_tied(model: ModelProto) -> None:
    """Give each product that reads a table transposed a weight of its own, in place."""
    graph, names = model.graph, Names(model)
    tables, given_out = fixed_initializers(graph), {each.name for each in graph.output}
    nodes: list[NodeProto] = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.input else None
        if table is not None and _turns(node, table) and node.output[0] not in given_out:
            graph.initializer.append(to_tensor(np.ascontiguousarray(to_array(table).T), node.output[0]))
            continue
        nodes.append(node)
        if node.op_type == "Gemm" and int_attribute(node, "transB", 0) and _is_looked_up(graph, node.input[1]):
            _give_own(node, graph, names)
    if len(nodes) < len(graph.node):
        replace_nodes(graph, nodes)
        drop_unused(model, set(tables))


def _turns(node: NodeProto, table: TensorProto) -> bool:
    perm = next((list(each.ints) for each in node.attribute if each.name == "perm"), [1, 0])
    return node.op_type == "Transpose" and is_standard(node) and _is_matrix(table) and perm == [1, 0]


def _is_matrix(tensor: TensorProto) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type in _TYPES and tensor_bytes(tensor) >= MIN_BYTES


def _is_looked_up(graph: GraphProto, name: str) -> bool:
    readers = uses(graph).get(name, [])
    return name in fixed_initializers(graph) and any(use.node.op_type == "Gather" for use in readers)


def _give_own(node: NodeProto, graph: GraphProto, names: Names) -> None:
    own = names.fresh(f"{node.input[1]}.turned")
    weight = to_array(fixed_initializers(graph)[node.input[1]])
    graph.initializer.append(to_tensor(np.ascontiguousarray(weight.T), own))
    node.input[1] = own
    delete_named(node.attribute, {"transB"})


def tied_step(step: QuantizeStep, model: ModelProto) -> QuantizeStep:
    """Return the step with tables in int8 whose transposes are int8 weights of products.

    One copy then serves both, which is smaller than two of which one has 4 bits, and better.
    """
    readers, forms = uses(model.graph), dict(step.stored)
    for kept, turned in turned_pairs(model.graph):
        products = [use.node for use in readers.get(turned, [])]
        computed = bool(products) and all(_form(node, step) in _INTEGER for node in products)
        if computed and forms.get(kept, step.storage) in _NARROW:
            forms[kept] = "int8"
    return step if forms == step.stored else step.model_copy(update={"stored": forms})


def _form(node: NodeProto, step: QuantizeStep) -> str:
    return step.nodes.get(node.name, step.compute.get(node.op_type, "fp32"))


def share_stored(model: ModelProto, step: QuantizeStep) -> None:
    """Share, in place, the pairs of which `step` computes with neither and stores both alike: one is stored then.

    Their common copy is rounded to the nearest, as it reaches the product through another operator.
    """
    readers = uses(model.graph)

    def alike(kept: str, turned: str) -> bool:
        forms = {step.stored.get(name, step.storage) for name in (kept, turned)}
        return len(forms) == 1 and all(_form(use.node, step) == "fp32" for use in readers.get(turned, []))

    _share(model, [pair for pair in turned_pairs(model.graph) if alike(*pair)])


def share_tied(model: ModelProto) -> int:
    """Keep one of each two matrices that are the other's transpose, in place; return how many went."""
    return _share(model, list(turned_pairs(model.graph)))


def _share(model: ModelProto, found: Sequence[tuple[str, str]]) -> int:
    graph, names = model.graph, Names(model)
    pairs = {turned: kept for kept, turned in found}
    if pairs:
        delete_named(graph.initializer, set(pairs))
        turns = [
            helper.make_node("Transpose", [kept], [turned], names.fresh("turn"), perm=[1, 0])
            for turned, kept in pairs.items()
        ]
        replace_nodes(graph, [*turns, *graph.node])
    return len(pairs)


def turned_pairs(graph: GraphProto) -> Iterator[tuple[str, str]]:
    """Yield pairs of matrices, the second the transpose of the first, which is looked up if either is."""
    readers = uses(graph)
    matrices = [each for each in fixed_initializers(graph).values() if _is_matrix(each)]
    looked_up = {
        each.name for each in matrices if any(use.node.op_type == "Gather" for use in readers.get(each.name, []))
    }
    known: dict[tuple[object, ...], TensorProto] = {}
    for tensor in sorted(matrices, key=lambda each: each.name not in looked_up):
        values = to_array(tensor)
        first = known.get(_edges(values.T))
        if first is not None and np.array_equal(to_array(first), values.T):
            yield first.name, tensor.name
        else:
            known[_edges(values)] = tensor


def _edges(values: AnyArray) -> tuple[object, ...]:
    """What tells most matrices apart: type, shape, first row and first column."""
    return values.dtype.str, values.shape, values[0].tobytes(), values[:, 0].tobytes()
