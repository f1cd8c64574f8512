"""Infer the shapes of intermediate values, as far as onnx can."""

from __future__ import annotations

import onnx
from onnx import ModelProto, shape_inference

from ..onnx_model import elements, fits_protobuf, iter_graphs, one_line

# A model is delivered with what it needs: shapes that any tool can infer again may cost this share of the file.
_SHARE = 0.005
# Inference reads what small tensors hold, such as targets of Reshape.
_READ = 1024


def infer_shapes(model: ModelProto) -> tuple[ModelProto, str | None]:
    """Return the model with inferred shapes, or the model itself and a note that says why not.

    Symbolic values are propagated first (`data_prop`), then not; a model beyond protobuf's limit is left alone.
    """
    if not fits_protobuf(model):
        return model, "shapes are not inferred: the model is too large for onnx to do so"
    reason = ""
    for data_prop in (True, False):
        try:
            return shape_inference.infer_shapes(model, strict_mode=False, data_prop=data_prop), None
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
            reason = one_line(str(error), 120)
    return model, f"shapes could not be inferred: {reason}"


def skeleton(model: ModelProto) -> ModelProto:
    """Return a copy for inference alone: of large tensors it has types and shapes, which is all that is asked."""
    copied = ModelProto()
    copied.CopyFrom(model)
    for graph in iter_graphs(copied):
        for tensor in graph.initializer:
            if elements(tensor) > _READ:
                shape, kind, name = tuple(tensor.dims), tensor.data_type, tensor.name
                tensor.Clear()
                tensor.dims.extend(shape)
                tensor.data_type, tensor.name = kind, name
    return copied


def store_shapes(model: ModelProto) -> tuple[ModelProto, str | None]:
    """Return the model with its inferred shapes where they cost next to nothing, and a note where they do not."""
    inferred, note = infer_shapes(model)
    if note is not None:
        return model, note
    before, after = model.ByteSize(), inferred.ByteSize()
    if after > before * (1 + _SHARE):
        return model, f"inferred shapes are not stored: they would be {(after - before) / before:.1%} of the file"
    return inferred, None
