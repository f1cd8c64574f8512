"""The work-arounds that a user of stock tools finds out about: without them half of the models fail.

Per-channel weights need opset 13, weights in Constant nodes are not seen, symbolic shape inference fails on dynamic
models, and an LSTM whose weights come through Slice or Transpose is passed over until these are folded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper
from task import Task, first_line

_OPSET, _LEAST = 17, 13


def prepare(task: Task) -> Path:
    """Return the model lifted to opset 17, its Constants initializers, folded, its shapes inferred where possible."""
    model = onnx.load(task.model)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < _LEAST:
        model = _lifted(model, task)
    lift_constants(model.graph)
    plain, folded = task.out / "plain.onnx", task.out / "folded.onnx"
    onnx.save(model, plain)
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True, auto_merge=True)
    except Exception as error:  # noqa: BLE001 - it is optional, and the plain file remains
        task.notes.append(f"quant_pre_process: {first_line(error)}")
        return plain
    return folded


def _lifted(model: onnx.ModelProto, task: Task) -> onnx.ModelProto:
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, _OPSET)
    except Exception as error:  # noqa: BLE001 - the number alone works for files of opset 11 and 12
        task.notes.append(f"version converter: {first_line(error)}; the opset's number was raised instead")
    for each in model.opset_import:
        if each.domain in ("", "ai.onnx"):
            each.version = _OPSET
    return model


def lift_constants(graph: Any) -> None:
    """Turn Constant nodes with a tensor into initializers, in bodies too."""
    for node in list(graph.node):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                lift_constants(attribute.g)
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(tensor), node.output[0]))
            graph.node.remove(node)
