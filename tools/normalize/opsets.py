"""Lift the default operator set to a version that quantizers work on.

Per-channel quantization needs opset 13; below it stock tools silently write models that do not load.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto, version_converter

from ...contracts import ToolError
from ..onnx_model import DEFAULT_DOMAINS, fits_protobuf, iter_graphs, iter_nodes, one_line, opset
from ..without_weights import with_weights_of, without_large_weights

# onnxruntime's own operators have a version of their own; the converter passes them on as they are.
_LEFT_ALONE = "com.microsoft"


def lift_opset(model: ModelProto, min_opset: int, target_opset: int) -> tuple[ModelProto, str | None]:
    """Return the model at `target_opset` where it is below `min_opset`, and a note where it was.

    Raises:
        ToolError: onnx's version converter cannot lift this model.
    """
    version = opset(model)
    if version >= min_opset:
        return model, None
    foreign = sorted({node.domain for node in iter_nodes(model)} - {*DEFAULT_DOMAINS, _LEFT_ALONE})
    if foreign or model.functions:
        raise ToolError(f"operators of {', '.join(foreign) or 'own functions'} are beyond the version converter")
    if not fits_protobuf(model):
        raise ToolError("the model is too large for the version converter")
    try:
        lifted = version_converter.convert_version(without_large_weights(model), target_opset)
        onnx.checker.check_model(lifted)
    except (version_converter.ConvertError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ToolError(f"the version converter failed: {one_line(str(error), 160)}") from error
    with_weights_of(lifted, model)
    _keep_signature(model, lifted)
    for graph in iter_graphs(lifted):
        graph.ClearField("value_info")  # the converter stores every shape it inferred
    return lifted, f"opset {version} became {target_opset}"


def _keep_signature(model: ModelProto, lifted: ModelProto) -> None:
    """Give `lifted` the declared inputs and outputs of `model`, whose free dimensions the converter may rename."""
    for name in ("input", "output"):
        original, changed = getattr(model.graph, name), getattr(lifted.graph, name)
        if [each.name for each in original] != [each.name for each in changed]:
            raise ToolError(f"the version converter changed the {name}s of the model")
        lifted.graph.ClearField(name)
        getattr(lifted.graph, name).extend(original)
