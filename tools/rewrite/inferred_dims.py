"""The dimensions of a model's values, as symbols where they are free; onnxruntime's own operators included."""

from __future__ import annotations

from onnx import ModelProto

from ..normalize.shapes import infer_shapes, skeleton
from ..onnx_model import is_standard

Dims = tuple[int | str, ...]

# Operators of `com.microsoft` that give out the shape of their first input; onnx knows none of them.
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
    """Put `Identity` where an operator that onnx does not know keeps a shape, or inference would end there."""
    for node in model.graph.node:
        if node.op_type in _SHAPE_KEPT and not is_standard(node):
            first, output = node.input[0], node.output[0]
            node.Clear()
            node.op_type = "Identity"
            node.input.append(first)
            node.output.append(output)
