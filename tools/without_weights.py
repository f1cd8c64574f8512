"""Models without their large weights, for what looks at graphs alone and cannot hold or read the weights."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from .onnx_model import delete_named, is_external, read_names


def without_large_weights(model: ModelProto) -> ModelProto:
    """Return a copy in which the weights of the main graph that lie in files are inputs, of the same type and shape.

    What holds for any values of its inputs holds for these weights.
    """
    copied = ModelProto()
    copied.CopyFrom(model)
    hidden = {each.name: each for each in model.graph.initializer if is_external(each)}
    given = {each.name for each in model.graph.input}
    copied.graph.input.extend(_as_input(each) for name, each in hidden.items() if name not in given)
    delete_named(copied.graph.initializer, hidden.keys())
    return copied


def has_hidden_weights(model: ModelProto) -> bool:
    """Tell whether `without_large_weights` takes anything away."""
    return any(is_external(each) for each in model.graph.initializer)


def with_weights_of(model: ModelProto, original: ModelProto) -> ModelProto:
    """Return `model`, which came of `original` without its large weights, with those that it still reads, in place."""
    hidden = [each for each in original.graph.initializer if is_external(each)]
    given = {each.name for each in original.graph.input}
    delete_named(model.graph.input, {each.name for each in hidden} - given)
    read = read_names(model.graph)
    model.graph.initializer.extend(each for each in hidden if each.name in read)
    return model


def _as_input(tensor: TensorProto) -> ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
