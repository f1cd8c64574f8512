"""The tensors that a model holds, each with the place it is written back to, and which of them are learned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from torch import Tensor

from ..onnx_model import node_graphs, to_array
from .call import DTYPES

LEARNED_TYPES = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16})
_VALUES = ("value", "value_float", "value_floats", "value_int", "value_ints")
# Inputs that set what an operator does, or that are statistics: they are no weights, whatever their type.
_SETTINGS: dict[str, range] = {
    "BatchNormalization": range(3, 5),
    "Clip": range(1, 3),
    "DequantizeLinear": range(1, 3),
    "Dropout": range(1, 3),
    "Equal": range(2),
    "Expand": range(1, 2),
    "Greater": range(2),
    "GreaterOrEqual": range(2),
    "Less": range(2),
    "LessOrEqual": range(2),
    "MatMulNBits": range(1, 4),
    "Mod": range(2),
    "OneHot": range(3),
    "Pad": range(1, 4),
    "Pow": range(1, 2),
    "Range": range(3),
    "Resize": range(1, 4),
    "Upsample": range(1, 2),
    "GRU": range(5, 6),
    "LSTM": range(5, 7),
    "RNN": range(5, 6),
}
# Of these a single number is a factor or an epsilon of the formula.
_FORMULAS = frozenset({"Add", "Div", "Max", "Min", "Mul", "Sub", "Where"})
# A bias this large masks; nothing learned is.
_LARGEST = 1e4


@dataclass(frozen=True)
class Held:
    """A tensor of the file: `name` is the value's name, `key` the same, made unique among bodies."""

    key: str
    name: str
    graph: int
    source: TensorProto | NodeProto

    @property
    def kind(self) -> int:
        """ONNX's element type."""
        if isinstance(self.source, TensorProto):
            return self.source.data_type
        value = _value(self.source)
        if value.name == "value":
            return value.t.data_type
        return TensorProto.FLOAT if value.name.startswith("value_float") else TensorProto.INT64

    def array(self) -> np.ndarray:
        if isinstance(self.source, TensorProto):
            return to_array(self.source)
        value = _value(self.source)
        if value.name == "value":
            return to_array(value.t)
        found = helper.get_attribute_value(value)
        return np.asarray(found, np.float32 if value.name.startswith("value_float") else np.int64)

    def tensor(self) -> Tensor:
        """Return its values in the type that they are computed with."""
        array, wanted = self.array(), DTYPES[self.kind]
        if array.dtype.kind not in "biuf" or array.dtype.itemsize == 0:  # bfloat16, four bits: numpy has no such type
            array = array.astype(np.float32 if wanted.is_floating_point else np.int64)
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:
            array = array.astype(np.int64)
        return torch.from_numpy(np.array(array, order="C")).to(wanted)

    def write(self, array: np.ndarray) -> None:
        """Put other values of the same shape and type in their place."""
        if isinstance(self.source, NodeProto):
            value = _value(self.source)
            if value.name != "value":
                value.CopyFrom(helper.make_attribute(value.name, array.tolist()))
                return
            target = value.t
        else:
            target = self.source
        note, name = target.doc_string, target.name
        target.Clear()
        target.data_type, target.name = helper.np_dtype_to_tensor_dtype(array.dtype), name
        target.dims.extend(array.shape)
        target.raw_data = np.ascontiguousarray(array).tobytes()
        if note:
            target.doc_string = note


def _value(node: NodeProto) -> AttributeProto:
    return next(each for each in node.attribute if each.name in _VALUES)


def is_constant(node: NodeProto) -> bool:
    """Tell whether a node is a tensor of the file: a Constant of numbers."""
    return node.op_type == "Constant" and any(each.name in _VALUES for each in node.attribute)


def graphs_of(model: ModelProto) -> list[GraphProto]:
    """Return the model's graph and every body inside, each before what is inside it."""
    return list(_graphs(model.graph))


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for body in node_graphs(node):
            yield from _graphs(body)


def held_tensors(model: ModelProto) -> Iterator[Held]:
    """Yield every initializer and every Constant, in an order that equal models share."""
    taken: dict[str, int] = defaultdict(int)
    for index, graph in enumerate(graphs_of(model)):
        sources = [(each.name, each) for each in graph.initializer]
        constants = [(node.output[0], node) for node in graph.node if is_constant(node) and node.output]
        for name, source in [*sources, *constants]:
            taken[name] += 1
            yield Held(name if taken[name] == 1 else f"{name}#{taken[name]}", name, index, source)


def learned(model: ModelProto) -> frozenset[str]:
    """Return the keys of the tensors that training made what they are, as far as the graph shows.

    Left out are whole numbers, statistics, settings of operators, single numbers of a formula, masks, and the scales
    of weights that are stored as whole numbers.
    """
    settings, formulas = _uses(model)
    found = list[str]()
    for held in held_tensors(model):
        if held.kind not in LEARNED_TYPES or held.name in settings:
            continue
        array = held.array()
        if (array.size <= 1 and held.name in formulas) or not array.size:
            continue
        if bool(np.all(np.isfinite(array))) and float(np.abs(array).max()) <= _LARGEST:
            found.append(held.key)
    return frozenset(found)


def _uses(model: ModelProto) -> tuple[set[str], set[str]]:
    """Return the names of values that set an operator, and of those that stand in a formula."""
    settings, formulas = set[str](), set[str]()
    nodes = [node for graph in graphs_of(model) for node in graph.node]
    codes = {held.name for held in held_tensors(model) if held.kind not in LEARNED_TYPES}
    unfolded = {node.output[0] for node in nodes if node.op_type == "Cast" and node.input and node.input[0] in codes}
    for node in nodes:
        places = _SETTINGS.get(node.op_type, range(0))
        settings.update(name for index, name in enumerate(node.input) if index in places)
        if node.op_type in _FORMULAS:
            formulas.update(node.input)
            if unfolded.intersection(node.input):
                settings.update(node.input)
        if node.op_type == "Sub" or node.op_type == "Mul":
            unfolded.update(node.output if unfolded.intersection(node.input) else ())
    return settings, formulas
