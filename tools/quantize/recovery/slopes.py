"""Multiply the output channels of a quantized unit by way of the scales that its weight has anyway.

Where a scale stands in the file for several channels, or others read it, there is no way: the unit is left alone.
Which scale is whose in a stored weight is found by unfolding the numbers of the scales in place of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper

from ...onnx_model import elements, to_tensor
from ..graphs import Use, int_attribute
from ..rounding import FloatArray
from ..trial import opened, run
from .editor import Editor
from .matrix import Matrix

# What unfolds a stored weight; see `unfolding`.
_UNFOLDS = frozenset({"Cast", "Gather", "Mul", "Reshape", "Slice", "Transpose"})
_LONGEST = 16


@dataclass(frozen=True)
class Scales:
    """The constant at input `index` of `node`: a multiple of the channel that `channels` names, −1 for none."""

    node: NodeProto
    index: int
    channels: npt.NDArray[np.int64]

    def multiply(self, editor: Editor, factors: FloatArray) -> None:
        """Multiply what belongs to each channel by the factor of that channel."""
        each = np.where(self.channels >= 0, factors[self.channels], np.float32(1))
        editor.change(
            self.node,
            self.index,
            lambda values: (values.astype(np.float32) * each.reshape(values.shape)).astype(values.dtype),
        )


class ScaleFinder:
    """Finds the scales of weights in a quantized model.

    Args:
        model: it is not changed.
        editor: of the same model.
        makers: value → the node that gives it.
        readers: value → the nodes that read it.
    """

    def __init__(
        self,
        model: ModelProto,
        editor: Editor,
        makers: Mapping[str, NodeProto],
        readers: Mapping[str, Sequence[Use]],
    ) -> None:
        self._model, self._editor = model, editor
        self._makers, self._readers = makers, readers

    def of(self, matrix: Matrix, node: NodeProto) -> Scales | None:
        """Return the scales of the weight of `node`, which is what became of `matrix`; None where there is no way."""
        if node.op_type != matrix.node.op_type or len(self._readers.get(node.input[1], ())) != 1:
            return None
        tensor, maker = self._editor.tensors.get(node.input[1]), self._makers.get(node.input[1])
        if tensor is not None:
            whole = tensor.data_type == TensorProto.FLOAT and elements(tensor) == np.prod(matrix.view)
            return Scales(node, 1, _channels(matrix, tuple(tensor.dims))) if whole else None
        if maker is not None and maker.op_type == "DequantizeLinear":
            return self._dequantized(matrix, maker)
        return self._unfolded(matrix, node.input[1])

    def _dequantized(self, matrix: Matrix, maker: NodeProto) -> Scales | None:
        values, scale = (self._editor.tensors.get(name) for name in maker.input[:2])
        if values is None or scale is None or elements(scale) != matrix.outputs or matrix.outputs == 1:
            return None
        axis = int_attribute(maker, "axis", 1)
        along = np.arange(matrix.outputs).reshape([-1 if at == axis else 1 for at in range(len(values.dims))])
        same = np.array_equal(
            np.broadcast_to(along, values.dims), _channels(matrix, tuple(values.dims)).reshape(values.dims)
        )
        return Scales(maker, 1, np.arange(matrix.outputs)) if same else None

    def _unfolded(self, matrix: Matrix, weight: str) -> Scales | None:
        nodes = self._chain(weight)
        product = next((node for node in nodes if node.op_type == "Mul"), None)
        if product is None:
            return None
        holder, index = self._held(product)
        tensor = self._editor.tensors.get(holder.input[index])
        if tensor is None or tensor.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            return None
        numbers = self._numbers(nodes, product, weight, tuple(tensor.dims))
        channels = _channels(matrix, numbers.shape)
        owner = np.full(elements(tensor), -1, np.int64)
        owner[numbers.reshape(-1)] = channels
        if not np.array_equal(owner[numbers.reshape(-1)], channels):
            return None
        return Scales(holder, index, owner)

    def _chain(self, weight: str) -> list[NodeProto]:
        """The nodes that unfold a weight from constants, in order; none where something else is among them."""
        found: list[NodeProto] = []
        pending = [weight]
        while pending and len(found) <= _LONGEST:
            node = self._makers.get(pending.pop())
            if node is None or any(node is each for each in found):
                continue
            if node.op_type not in _UNFOLDS:
                return []
            found.append(node)
            pending.extend(name for name in node.input if name not in self._editor.tensors)
        given = {name for node in found for name in node.output}
        open_ends = [n for node in found for n in node.input if n not in given and n not in self._editor.tensors]
        if open_ends or len(found) > _LONGEST:
            return []
        order = {id(node): index for index, node in enumerate(self._model.graph.node)}
        return sorted(found, key=lambda node: order[id(node)])

    def _held(self, product: NodeProto) -> tuple[NodeProto, int]:
        """Where the second operand of the product is constant: at itself, or behind a `Cast`."""
        maker = self._makers.get(product.input[1])
        return (product, 1) if maker is None else (maker, 0)

    def _numbers(
        self, nodes: Sequence[NodeProto], product: NodeProto, weight: str, shape: tuple[int, ...]
    ) -> npt.NDArray[np.int64]:
        """Return for each element of the weight the number of the scale that it is a multiple of."""
        made = ModelProto()
        made.CopyFrom(self._model)
        graph = made.graph
        for field in ("node", "initializer", "input", "output", "value_info", "sparse_initializer"):
            graph.ClearField(field)
        named = {name for node in nodes for name in node.input}
        graph.initializer.extend([self._editor.tensors[name] for name in named if name in self._editor.tensors])
        ids = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
        graph.initializer.append(to_tensor(ids, "scale numbers"))
        wide = product.input[0]
        graph.initializer.append(to_tensor(np.ones((), np.float32), "one"))
        shifted = [
            helper.make_node("Shape", [wide], ["wide shape"], "wide shape"),
            helper.make_node("Expand", ["one", "wide shape"], ["ones"], "ones"),
        ]
        for node in nodes:
            if node is product:
                graph.node.extend([*shifted, helper.make_node("Mul", ["ones", "scale numbers"], list(node.output))])
            else:
                graph.node.append(node)
        graph.output.append(helper.make_empty_tensor_value_info(weight))
        with opened(made, as_shipped=False) as session:
            values: Any = run(session, {})[0]
        return np.rint(np.asarray(values)).astype(np.int64)


def _channels(matrix: Matrix, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The output channel of each element of the weight, flat."""
    numbers = np.arange(matrix.outputs, dtype=np.float32)
    return matrix.scale_outputs(np.ones(shape, np.float32), numbers).astype(np.int64).reshape(-1)
