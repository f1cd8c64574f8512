"""Turn Constant nodes into initializers, in the main graph and in subgraphs.

Before: weights as Constant nodes, which quantizers do not see. After: initializers of the same name. A scalar
stays a scalar. Constants that are outputs of their graph, and sparse ones, stay nodes.
"""

from __future__ import annotations

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ..onnx_model import is_standard, iter_graphs

_SCALARS = {
    "value_float": TensorProto.FLOAT,
    "value_int": TensorProto.INT64,
    "value_string": TensorProto.STRING,
}
_LISTS = {
    "value_floats": TensorProto.FLOAT,
    "value_ints": TensorProto.INT64,
    "value_strings": TensorProto.STRING,
}


def lift_constants(model: ModelProto) -> str | None:
    """Rewrite in place; return a note, or None where there was no Constant node to turn."""
    count = sum(_lift(graph) for graph in iter_graphs(model))
    return f"{count} Constant nodes became initializers" if count else None


def _lift(graph: GraphProto) -> int:
    outputs = {each.name for each in graph.output}
    turned: list[int] = []
    for index, node in enumerate(graph.node):
        tensor = constant_value(node)
        if tensor is not None and node.output[0] not in outputs:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            turned.append(index)
    for index in reversed(turned):
        del graph.node[index]
    return len(turned)


def constant_value(node: NodeProto) -> TensorProto | None:
    """Return the tensor that a Constant node holds, or None for any other node and for sparse constants."""
    if node.op_type != "Constant" or not is_standard(node) or len(node.attribute) != 1:
        return None
    attribute = node.attribute[0]
    if attribute.name == "value":
        copy = TensorProto()
        copy.CopyFrom(attribute.t)
        return copy
    value = helper.get_attribute_value(attribute)
    if attribute.name in _SCALARS:
        return helper.make_tensor("", _SCALARS[attribute.name], [], [value])
    if attribute.name in _LISTS:
        return helper.make_tensor("", _LISTS[attribute.name], [len(value)], list(value))
    return None
