"""The dimensions of a model's values, as symbols where they are free; onnxruntime's own operators included."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto, NodeProto, helper

from ..normalize.shapes import infer_shapes, skeleton
from ..onnx_model import is_standard, opset
from ..quantize.graphs import Names, attribute, replace_nodes

Dims = tuple[int | str, ...]

# Operators of `com.microsoft` that give out the shape of their first input.
_SHAPE_KEPT = frozenset({"BiasGelu", "FastGelu", "Gelu", "QuickGelu", "SkipLayerNormalization"})


def inferred_dims(model: ModelProto, declared: bool = False) -> dict[str, Dims]:
    """Return name → dimensions of each value of the main graph whose rank is inferred; "" is a dimension of no name.

    Args:
        model: which is left as it is.
        declared: dimensions of two inputs that the file names alike count as equal. Callers are not held to that, so
            it is for what refuses other shapes by itself.
    """
    copied = skeleton(model)
    copied.graph.ClearField("value_info")
    for value in copied.graph.output:
        value.type.tensor_type.ClearField("shape")
    for value in copied.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") and not (declared and dim.dim_param):
                dim.dim_param = f"{value.name}.{axis}"
    _stand_in(copied)
    inferred, note = infer_shapes(copied)
    if note is not None:
        return {}
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    found = {
        value.name: tuple(
            int(dim.dim_value) if dim.HasField("dim_value") else str(dim.dim_param)
            for dim in value.type.tensor_type.shape.dim
        )
        for value in values
        if value.type.tensor_type.HasField("shape")
    }
    return found | {each.name: tuple(each.dims) for each in inferred.graph.initializer}


def _stand_in(model: ModelProto) -> None:
    """Put standard operators of the same shapes for those that onnx does not know, or inference would end there."""
    names, version = Names(model), opset(model)
    nodes = [made for node in model.graph.node for made in _standard(node, names, version)]
    replace_nodes(model.graph, nodes)


def _standard(node: NodeProto, names: Names, version: int) -> Sequence[NodeProto]:
    if is_standard(node):
        return (node,)
    made, output = helper.make_node, node.output[0]
    if node.op_type in _SHAPE_KEPT:
        return (made("Identity", [node.input[0]], [output]),)
    if len(node.output) > 1 or any(node.input[6:]) or len(node.input) < 3:
        return (node,)
    first, second = names.fresh("first"), names.fresh("second")
    if node.op_type == "MultiHeadAttention" and node.input[1] and node.input[2]:
        query, key, value = node.input[:3]
        turned = made("Transpose", [key], [first], perm=[0, 2, 1])
        return turned, made("MatMul", [query, first], [second]), made("MatMul", [second, value], [output])
    if node.op_type == "Attention" and attribute(node, "qkv_hidden_sizes") is None:
        parts = [output, second, names.fresh("third")]
        split = made("Split", [first], parts, axis=2)
        split.attribute.extend([helper.make_attribute("num_outputs", 3)] if version >= 18 else [])
        return made("MatMul", list(node.input[:2]), [first]), split
    return (node,)
