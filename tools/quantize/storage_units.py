"""The initializers that storage can take: which they are, how they are read, and what each form takes in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from ..onnx_model import elements, iter_graphs, tensor_bytes, to_array
from .graphs import Names, Use, fixed_initializers, int_attribute, uses
from .rounding import FloatArray, rounding_noise
from .rows import Rows, rows_of
from .unfolding import INT4_OPSET, Unfolder, float_frame, layout, nothing

# What the runtime unfolds at load is no larger; beyond it, a weight that is stored small would unfold at every call.
# It is the default of `optimization.constant_folding_max_output_size_in_bytes`.
UNFOLDED_BYTES = 1 << 30
MIN_ELEMENTS = 1024
MIN_ELEMENTS_OF_VECTOR = 4096

StoredForm = Literal["fp16", "int8", "int8_block", "int4"]
DEFAULT_BLOCK = 32

# Operator → input → axes of the weight whose indices are independent output channels. Axis 1 of recurrent weights
# runs over gates and units: one scale for all of them costs an LSTM a fifth of its accuracy.
_RECURRENT: dict[int, tuple[int, ...]] = {1: (0, 1), 2: (0, 1)}
_AXES: dict[str, dict[int, tuple[int, ...]]] = {
    "Conv": {1: (0,)},
    "FusedConv": {1: (0,)},
    "ConvTranspose": {1: (1,)},
    "MatMul": {1: (-1,), 0: (-2,)},
    "FusedMatMul": {1: (-1,), 0: (-2,)},
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNN": _RECURRENT,
    "Gather": {0: (0,)},
    "EmbedLayerNormalization": {2: (0,), 3: (0,), 4: (0,)},
    "Attention": {1: (-1,)},
}


@dataclass(frozen=True)
class StorageUnit:
    """One initializer that storage can take.

    Attributes:
        name: of the initializer; branches of an `If` may use one name twice.
        op_type: operator that reads it first, `-` where none does.
        shape: of its values.
        axes: axes with one int8 scale per index, none for one scale in all.
        in_subgraph: whether a subgraph holds it.
    """

    name: str
    op_type: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    in_subgraph: bool

    @property
    def bytes(self) -> int:
        """Bytes of its values as float32."""
        return 4 * math.prod(self.shape)

    @property
    def unfolds(self) -> bool:
        """Whether the runtime unfolds it at load; a larger table can still be held as it is stored (`table_rows`)."""
        return unfolds(self.bytes)

    @property
    def is_vector(self) -> bool:
        """Whether it has one axis in effect."""
        return max(self.shape) == math.prod(self.shape)

    @property
    def rows(self) -> Rows:
        """How it reads as rows."""
        return rows_of(self.shape, self.axes)[0]

    def stored_bytes(self, form: StoredForm, block: int = DEFAULT_BLOCK, opset: int = INT4_OPSET) -> int:
        """Return the bytes of the weight in `form`: values, scales, and what the nodes take that unfold them.

        Args:
            form: as which it is stored.
            block: neighbouring elements of a row that share a scale, at most.
            opset: of the file.
        """
        unfolder = Unfolder(Names(), opset, hollow=True)
        if form == "fp16":
            unfolder.fp16(self.shape, nothing, self.name)
        else:
            how = layout(self.shape, self.axes, form, block)
            unfolder.grid(how, form, form != "int8", self.name, (nothing, nothing))
        return unfolder.bytes - float_frame(self.name, self.shape)

    def taken_form(self, form: StoredForm, block: int = DEFAULT_BLOCK) -> StoredForm:
        """Return the form that it gets where `form` is asked for: a wider one where that is no larger.

        A vector gets blocks for 4 bits and fp16 for 8: biases and the like deserve more, and one scale is too coarse.
        """
        if self.is_vector:
            form = "fp16" if form in ("int8", "fp16") else "int8_block"
        order: tuple[StoredForm, ...] = ("fp16", "int8", "int8_block", "int4")
        skipped = "int8_block" if form == "int4" else "int8" if form == "int8_block" else None
        able: list[StoredForm] = [each for each in order[: order.index(form) + 1] if each != skipped]
        return min(able, key=lambda each: self.stored_bytes(each, block))


def is_storable(tensor: TensorProto) -> bool:
    """Tell whether the tensor is large enough to be worth unfolding: float32, 1,024 elements, or 4,096 in a vector."""
    least = MIN_ELEMENTS if len(tensor.dims) >= 2 else MIN_ELEMENTS_OF_VECTOR
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 1 and elements(tensor) >= least


# Operator → first input that holds scales and zero points rather than weights.
_PARAMETERS = {
    "QuantizeLinear": 1, "DequantizeLinear": 1, "DynamicQuantizeLSTM": 8, "GatherBlockQuantized": 2, "QAttention": 3,
}  # fmt: skip


def _is_parameter(readers: list[Use]) -> bool:
    return any(use.index >= _PARAMETERS.get(use.node.op_type, use.index + 1) for use in readers)


def storage_units(model: ModelProto) -> list[StorageUnit]:
    """Return the initializers that storage can take, in the order of the file, those in subgraphs included."""
    return [unit for _, _, unit in located(model)]


def located(model: ModelProto) -> Iterator[tuple[GraphProto, TensorProto, StorageUnit]]:
    """Yield each initializer that storage can take, with the graph that holds it."""
    for graph in iter_graphs(model):
        for tensor, readers in storable(graph):
            if not _is_parameter(readers):
                yield graph, tensor, _unit(tensor, readers, graph is not model.graph)


def storable(graph: GraphProto) -> Iterator[tuple[TensorProto, list[Use]]]:
    """Yield each initializer of `graph` that is large enough to be stored and not too large, with what reads it."""
    candidates = [tensor for tensor in fixed_initializers(graph).values() if is_storable(tensor)]
    readers = uses(graph) if candidates else {}
    for tensor in candidates:
        found = readers.get(tensor.name, [])
        if unfolds(tensor_bytes(tensor)) or is_looked_up(found):
            yield tensor, found


def unfolds(size: int) -> bool:
    """Tell whether the runtime unfolds a weight of `size` bytes of float32 at load."""
    return size <= UNFOLDED_BYTES


def is_looked_up(readers: list[Use]) -> bool:
    """Tell whether a weight is a table whose rows are gathered, and nothing else."""
    return bool(readers) and all(
        each.node.op_type == "Gather" and each.index == 0 and int_attribute(each.node, "axis", 0) == 0
        for each in readers
    )


def _unit(tensor: TensorProto, readers: list[Use], in_subgraph: bool) -> StorageUnit:
    op_type = readers[0].node.op_type if readers else "-"
    return StorageUnit(tensor.name, op_type, tuple(tensor.dims), _axes(tensor, readers), in_subgraph)


def _axes(tensor: TensorProto, readers: list[Use]) -> tuple[int, ...]:
    """The axes that the readers agree on, else the one that rounds best; none for vectors."""
    rank = len(tensor.dims)
    if max(tensor.dims) == elements(tensor):
        return ()
    wanted = {_channel_axes(use, rank) for use in readers}
    if len(wanted) == 1 and (only := wanted.pop()):
        return only
    return _best_axes(to_array(tensor))


def _channel_axes(use: Use, rank: int) -> tuple[int, ...]:
    """The axes that the reader names; none where it is of no known kind."""
    if use.node.op_type == "Gemm" and use.index == 1:
        return (1 - int_attribute(use.node, "transB", 0),)
    axes = _AXES.get(use.node.op_type, {}).get(use.index, ())
    return tuple(axis % rank for axis in axes) if all(-rank <= axis < rank for axis in axes) else ()


def _best_axes(weight: FloatArray) -> tuple[int, ...]:
    """The axis with the least rounding noise whose scales take at most an eighth of the bytes saved."""
    affordable = [axis for axis in range(weight.ndim) if 4 * weight.shape[axis] <= weight.size * 3 // 8]
    if not affordable or not np.isfinite(weight).all():
        return ()
    return (min(affordable, key=lambda axis: rounding_noise(weight, (axis,))),)
