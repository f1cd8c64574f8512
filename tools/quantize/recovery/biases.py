"""Find in a quantized model what a unit of the original gives, and the constant that is its bias there.

A unit keeps its name (static compute, stored weights) or the name of its output (dynamic compute). Its bias is the
third input of the operator, or what the next `Add` (`BiasGelu`, `SkipLayerNormalization`) adds: a float constant, or an
int32 one behind `DequantizeLinear`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper

from ...onnx_model import elements, is_standard, to_array
from ..graphs import Use, attribute, fixed_initializers, float_attribute, input_name, int_attribute, uses
from ..rounding import FloatArray
from .channels import Tap
from .editor import Editor
from .matrix import Constants, Matrix, matrix_of
from .slopes import ScaleFinder

_INT32_MAX = 2**30
# Rounding moves the slope between a weight and itself by less.
_SAME = 0.05

# Operator (domain com.microsoft) → input that is added to its first before anything else happens.
_ADDED = {"BiasGelu": 1, "FastGelu": 1, "SkipLayerNormalization": 4}
_KINDS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT32)
_UNFOLDS = ("Cast", "DequantizeLinear", "Reshape")


@dataclass(frozen=True)
class Place:
    """Where a bias is: input `index` of `node` is its constant, or is made there of nothing.

    Attributes:
        missing: the node takes a bias and has none.
    """

    node: NodeProto
    index: int
    missing: bool = False


@dataclass(frozen=True)
class Unit:
    """A linear operator of the original, and what became of it.

    Attributes:
        known: what it gives in the original, before its activation function.
        given: the same in the quantized model, times `slope` and plus `offset` where an activation function that
            begins so was pulled into it.
        place: its bias in the quantized model.
        biased: whether the bias is in what is watched, rather than added after.
    """

    matrix: Matrix
    known: str
    given: str
    place: Place
    biased: bool
    slope: float = 1.0
    offset: float = 0.0

    def tap(self, tensor: str) -> Tap:
        """Return how to watch the unit's output under the name `tensor`."""
        return Tap(tensor, self.matrix.channel_axis, self.matrix.rank, self.matrix.outputs)


class QuantizedUnits:
    """The linear operators of `original` whose outputs and biases are found again in `quantized`."""

    def __init__(self, original: ModelProto, quantized: ModelProto) -> None:
        self.quantized = quantized
        self.editor = Editor(quantized)
        self._graph = quantized.graph
        self._named = {node.name: node for node in quantized.graph.node if node.name}
        self._makers = {name: node for node in quantized.graph.node for name in node.output if name}
        self._readers = uses(quantized.graph)
        self._outputs = {each.name for each in quantized.graph.output}
        self._scales = ScaleFinder(quantized, self.editor, self._makers, self._readers)
        self.units = list(self._found(original))

    def _found(self, original: ModelProto) -> Iterator[Unit]:
        constants = fixed_initializers(original.graph)
        for node in original.graph.node:
            matrix = matrix_of(node, constants)
            if matrix is None or not is_standard(node):
                continue
            given = self._given(node)
            place = self._place(given, matrix.outputs) if given else None
            if place is not None:
                biased = self._makers[given].op_type in ("Add", "Conv", "ConvTranspose", "Gemm")
                yield Unit(matrix, node.output[0], given, place, biased, *self._pulled(matrix, given, place, constants))

    def _given(self, node: NodeProto) -> str:
        """What the unit gives in the quantized model, empty where that cannot be told."""
        same = self._named.get(node.name)
        if same is not None and same.op_type == node.op_type:
            return same.output[0]
        return node.output[0] if node.output[0] in self._makers else ""

    def _place(self, tensor: str, width: int) -> Place | None:
        maker = self._makers[tensor]
        if maker.op_type in ("Conv", "ConvTranspose", "Gemm") and is_standard(maker):
            if not input_name(maker, 2):
                return Place(maker, 2, missing=True) if maker.op_type == "Conv" else None
            return self._constant(maker, 2, width)
        if maker.op_type == "Add":
            return self._operand(maker, width)
        readers = self._readers.get(tensor, [])
        if len(readers) != 1 or tensor in self._outputs or readers[0].index < 0:
            return None
        return self._after(readers[0], width)

    def _after(self, use: Use, width: int) -> Place | None:
        node = use.node
        if node.op_type == "Add" and is_standard(node):
            return self._operand(node, width)
        index = _ADDED.get(node.op_type) if node.domain == "com.microsoft" else None
        if index is None or use.index > 1 or not input_name(node, index):
            return None
        return self._constant(node, index, width)

    def _operand(self, add: NodeProto, width: int) -> Place | None:
        found = [place for index in (0, 1) if (place := self._constant(add, index, width)) is not None]
        return found[0] if len(found) == 1 else None

    def _constant(self, node: NodeProto, index: int, width: int) -> Place | None:
        """The constant of one value per channel behind an input, looking through what unfolds it."""
        name = node.input[index]
        tensor = self.editor.tensors.get(name)
        if tensor is not None:
            fits = tensor.data_type in _KINDS and elements(tensor) == width and len(tensor.dims) > 0
            return Place(node, index) if fits else None
        maker = self._makers.get(name)
        if maker is None or maker.op_type not in _UNFOLDS or len(self._readers[name]) != 1:
            return None
        return self._constant(maker, 0, width)

    def _pulled(self, matrix: Matrix, given: str, place: Place, constants: Constants) -> tuple[float, float]:
        """What the unit's output is multiplied with and what is added to it, told by its weight and its bias."""
        maker = self._makers[given]
        weight = self._dequantized(input_name(maker, 1)) if maker.op_type == matrix.node.op_type else None
        if weight is None:
            return 1.0, 0.0
        before = to_array(constants[matrix.weight]).astype(np.float64) * float_attribute(matrix.node, "alpha", 1.0)
        energy = float(np.vdot(before, before))
        slope = float(np.vdot(weight, before)) / energy if weight.shape == before.shape and energy else 1.0
        if abs(slope - 1) < _SAME:
            return 1.0, 0.0
        bias = self._dequantized(place.node.output[0]) if place.node.op_type == "DequantizeLinear" else None
        if bias is None or matrix.node.op_type == "MatMul":  # whose bias is added after what is watched
            return slope, 0.0
        own = to_array(constants[matrix.bias]).reshape(-1) if matrix.bias else np.zeros(matrix.outputs)
        return slope, float(np.mean(bias.reshape(-1) - slope * own * float_attribute(matrix.node, "beta", 1.0)))

    def _dequantized(self, name: str) -> npt.NDArray[np.float64] | None:
        """The values of a constant behind `DequantizeLinear`."""
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        held = [self.editor.tensors.get(each) for each in maker.input]
        if any(each is None for each in held) or attribute(maker, "block_size") is not None:
            return None
        values, scale, *zero = [to_array(each).astype(np.float64) for each in held if each is not None]
        axis = int_attribute(maker, "axis", 1) % max(1, values.ndim)
        shape = [-1 if index == axis and scale.size > 1 else 1 for index in range(values.ndim)]
        shifted = values - (zero[0].reshape(shape) if zero else 0.0)
        return np.asarray(shifted * scale.reshape(shape), np.float64)

    def shift(self, unit: Unit, by: FloatArray) -> None:
        """Add `by` to the unit's bias, one value per channel."""
        node, index = unit.place.node, unit.place.index
        if unit.place.missing and not input_name(node, 2):
            self._give_bias(node, by)
        elif node.op_type == "DequantizeLinear":
            scale = to_array(self.editor.tensors[node.input[1]]).astype(np.float64).reshape(-1)
            self.editor.change(node, index, lambda values: _moved(values, by / scale))
        else:
            self.editor.change(node, index, lambda values: (values + by.reshape(values.shape)).astype(values.dtype))

    def stretch(self, unit: Unit, factors: FloatArray) -> bool:
        """Multiply what the unit gives, channel by channel; return whether there was a way."""
        scales = self._scales.of(unit.matrix, self._makers[unit.given])
        if scales is None:
            return False
        scales.multiply(self.editor, factors)
        node, index = unit.place.node, unit.place.index
        if not unit.biased or not input_name(node, index):
            return True
        own = 1 if node.op_type == "DequantizeLinear" else index
        self.editor.change(node, own, lambda values: (values * factors.reshape(values.shape)).astype(values.dtype))
        return True

    def _give_bias(self, node: NodeProto, by: FloatArray) -> None:
        del node.input[2:]
        sources = [self._makers.get(name) for name in node.input[:2]]
        if not all(source is not None and source.op_type == "DequantizeLinear" for source in sources):
            node.input.append(self.editor.add("bias", by.astype(np.float32)))
            return
        first, second = (to_array(self.editor.tensors[source.input[1]]) for source in sources if source is not None)
        scale = first.reshape(-1).astype(np.float64) * second.reshape(-1).astype(np.float64)
        self._give_rounded(node, by, scale)

    def _give_rounded(self, node: NodeProto, by: FloatArray, scale: np.ndarray) -> None:
        """Give a bias as int32 behind `DequantizeLinear`, which an integer `Conv` needs."""
        values = _moved(np.zeros(by.shape, np.int32), by / scale)
        flat = scale.astype(np.float32).reshape(() if scale.size == 1 else scale.shape)
        inputs = [self.editor.add("bias", values), self.editor.add("scale", flat)]
        made = helper.make_node("DequantizeLinear", inputs, [self.editor.fresh("bias")], self.editor.fresh("unfold"))
        if scale.size > 1:
            made.attribute.append(helper.make_attribute("axis", 0))
        node.input.append(made.output[0])
        self._graph.node.insert(0, made)


def _moved(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    moved = values.astype(np.float64) + np.rint(steps).reshape(values.shape)
    return np.clip(moved, -_INT32_MAX, _INT32_MAX).astype(np.int32)
