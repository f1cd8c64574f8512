"""Extents of all tensors, symbols where they are free, as far as they follow from the graph.

What onnx infers is the ground; a `Reshape` whose target is computed in the graph, or has a `-1` that follows from the
others, is worked out here and inference is run again on what that tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from ..normalize.shapes import infer_shapes, skeleton
from ..onnx_model import is_standard
from ..quantize.graphs import int_attribute
from .numbers import INTEGERS, Numbers

Dim = int | str
Dims = tuple[Dim, ...]

_NOT_INFERRED = frozenset({"ConstantOfShape", "Div", "Max", "Min", "Mod", "Reshape", "Where"})
_MOST = 64  # tensors worked out, after which no more rounds of inference are begun


@dataclass(frozen=True)
class Known:
    """What is known of the tensors of a graph.

    Attributes:
        dims: their extents.
        types: of their elements.
        numbers: small constants, and what is computed of extents.
    """

    dims: Mapping[str, Dims]
    types: Mapping[str, int]
    numbers: Numbers


def known_dims(model: ModelProto, given: Mapping[str, Dims]) -> Known:
    """Return what is known of the tensors of the main graph.

    Args:
        model: it.
        given: extents that inference does not find itself.

    Names of free extents are the model's own no longer: a file may call two different ones the same.
    """
    bare = _anonymous(skeleton(model))
    for name, dims in given.items():
        _tell(bare.graph, helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)))
    told: set[str] = set()
    while True:
        known, types = _read(infer_shapes(bare)[0].graph)
        numbers = Numbers(model.graph, known)
        found = {
            node.output[0]: shape
            for node in model.graph.node
            if (shape := _reshaped(node, known, numbers)) is not None and node.output[0] not in told
        }
        folded = _fold(bare.graph, numbers, known, types)
        if not (found or folded) or len(told) >= _MOST:
            return Known(known, types, numbers)
        told.update(found)
        for name, shape in found.items():
            kind = types.get(name, TensorProto.FLOAT)
            _tell(bare.graph, helper.make_tensor_value_info(name, kind, list(shape)))


def _fold(graph: GraphProto, numbers: Numbers, dims: Mapping[str, Dims], types: Mapping[str, int]) -> bool:
    """Put constants in place of what is known whole and that inference cannot compute; tell whether there was any."""
    known = {
        name: whole
        for name, whole in numbers.computed()
        if types.get(name) in INTEGERS and name in dims and len(dims[name]) <= 1
    }
    folded = False
    for node in graph.node:
        if node.op_type in _NOT_INFERRED and node.output[0] in known:
            name = node.output[0]
            held = helper.make_tensor(name, types[name], [len(known[name])] * len(dims[name]), known[name])
            node.CopyFrom(helper.make_node("Constant", [], [name], value=held))
            folded = True
    return folded


def _anonymous(model: ModelProto) -> ModelProto:
    """Forget what the file says of shapes, but for static extents of inputs."""
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    for index, value in enumerate(model.graph.input):
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"):
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                if dim.dim_value <= 0:
                    dim.dim_param = f"input {index} axis {axis}"
    return model


def _read(graph: GraphProto) -> tuple[dict[str, Dims], dict[str, int]]:
    dims: dict[str, Dims] = {}
    types: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.HasField("tensor_type"):
            kind = value.type.tensor_type
            types[value.name] = kind.elem_type
            if kind.HasField("shape"):
                dims[value.name] = tuple(
                    each.dim_value if each.dim_value > 0 else each.dim_param or f"{value.name} axis {axis}"
                    for axis, each in enumerate(kind.shape.dim)
                )
    for tensor in graph.initializer:
        dims[tensor.name], types[tensor.name] = tuple(tensor.dims), tensor.data_type
    return dims, types


def _tell(graph: GraphProto, value: ValueInfoProto) -> None:
    for index, each in enumerate(graph.output):
        if each.name == value.name:
            graph.output[index].CopyFrom(value)
            return
    graph.value_info.append(value)


def _reshaped(node: NodeProto, dims: Mapping[str, Dims], numbers: Numbers) -> Dims | None:
    """Return the extents that a `Reshape` gives where they say more than what was inferred."""
    if node.op_type != "Reshape" or len(node.input) != 2 or not is_standard(node) or node.input[0] not in dims:
        return None
    shape, before = reshaped(node, dims[node.input[0]], numbers), dims.get(node.output[0])
    if shape is None or before is None:
        return shape
    known, inferred = (sum(isinstance(each, int) for each in side) for side in (shape, before))
    return shape if known > inferred else None


def reshaped(node: NodeProto, given: Dims, numbers: Numbers) -> Dims | None:
    """Return the extents that a `Reshape` of a tensor of extents `given` has, None where its target is not known."""
    target = numbers.of(node.input[1])
    if target is None or (0 in target and int_attribute(node, "allowzero", 0)):
        return None
    shape: list[Dim] = []
    for axis, each in enumerate(target):
        if each == 0:
            if axis >= len(given):
                return None
            each = given[axis]
        shape.append(f"{node.output[0]} axis {axis}" if each is None or each == -1 else each)
    missing = [axis for axis, each in enumerate(target) if each == -1]
    if len(missing) == 1:
        rest = tuple(each for axis, each in enumerate(shape) if axis != missing[0])
        if (whole := _quotient(given, rest)) is not None:
            shape[missing[0]] = whole
    return tuple(shape)


def _quotient(whole: Dims, part: Dims) -> int | None:
    """Return `whole / part` where every free extent of one is in the other, too."""
    left = sorted(each for each in whole if isinstance(each, str))
    if left != sorted(each for each in part if isinstance(each, str)):
        return None
    above, below = (prod(each for each in side if isinstance(each, int)) for side in (whole, part))
    return above // below if below and not above % below and above else None
