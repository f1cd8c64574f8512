"""What a stored weight is in the file: initializers, and nodes that unfold them to float32 under its old name.

`fp16`: fp16 → `Cast`. `int8`: int8 → `Cast` → `Mul(scales)`. `int8_block`, `int4`: the values lie as `(outer, blocks,
block, inner)`, `Cast` → `Mul(Cast(fp16 scales))` → `Reshape`, and a `Slice` where blocks reach beyond the end of a row.
Where the model's opset has no 4-bit type, bytes hold pairs of values, and `Gather` looks them up in a table of all
pairs. Every optimization level of onnxruntime but "disabled" folds all of this at load.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from ..onnx_model import tensor_bytes
from .graphs import Names
from .grids import GridForm, form_blocks
from .rounding import AnyArray, Int8Array
from .rows import Blocks, Rows, rows_of

INT4_OPSET = 21
_SLICE_INPUTS_OPSET = 10
_PAIRS = np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1)

Make = Callable[[], AnyArray]


@dataclass(frozen=True)
class Layout:
    """Shapes of what the file holds of one weight in a grid form.

    Attributes:
        values, scales: as stored; they broadcast.
        rows, run: how the weight reads as rows, and the axes that a row runs over.
        blocks: how rows are cut; in one block of their own length, values and scales lie as the weight does.
    """

    rows: Rows
    run: tuple[int, ...]
    blocks: Blocks
    shape: tuple[int, ...]
    values: tuple[int, ...]
    scales: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether the values lie in the weight's own shape."""
        return self.values == self.shape

    @property
    def padded(self) -> tuple[int, ...]:
        """Shape of whole rows before what fills up their last block is cut off."""
        return self.rows.outer, self.blocks.padded, self.rows.inner


def layout(shape: tuple[int, ...], axes: tuple[int, ...], form: GridForm, block: int) -> Layout:
    """Return how a weight of `shape`, whose outputs run over `axes`, lies in the file in `form`."""
    rows, run = rows_of(shape, axes)
    blocks = form_blocks(rows, form, block)
    if blocks.padded == rows.length and blocks.count == 1:
        one_scale = set(run) if form != "int8" else set(range(len(shape))) - set(axes)
        scales = tuple(1 if axis in one_scale else size for axis, size in enumerate(shape))
        return Layout(rows, run, blocks, shape, shape, scales)
    outer, inner = [(size,) if size > 1 else () for size in (rows.outer, rows.inner)]
    values, scales = (*outer, blocks.count, blocks.size, *inner), (*outer, blocks.count, 1, *inner)
    return Layout(rows, run, blocks, shape, values, scales)


class Unfolder:
    """Collects the initializers and nodes that unfold the weights of one graph; what they share is there once.

    Args:
        names: of the model.
        opset: of the model; from 21 on there is a 4-bit type.
        hollow: collect initializers without values, to learn their size.

    Attributes:
        bytes: what all of it takes in the file.
    """

    def __init__(self, names: Names, opset: int, hollow: bool = False) -> None:
        self.initializers: list[TensorProto] = []
        self.nodes: list[NodeProto] = []
        self.bytes = 0
        self._names, self._opset, self._hollow = names, opset, hollow
        self._vectors: dict[tuple[int, ...], str] = {}
        self._pairs = ""

    def fp16(self, shape: tuple[int, ...], make: Make, output: str) -> None:
        """Unfold fp16 values under the name `output`."""
        self._node("Cast", [self._tensor("h", TensorProto.FLOAT16, shape, make)], output, to=TensorProto.FLOAT)

    def grid(self, how: Layout, form: GridForm, narrow: bool, output: str, made: tuple[Make, Make]) -> None:
        """Unfold integers and scales under the name `output`.

        Args:
            how: their shapes.
            form: type of the integers.
            narrow: whether scales are fp16.
            output: name of the weight.
            made: give integers and scales in the shapes of `how`.
        """
        wide = self._pairs_of(how, made[0]) if self._in_bytes(form) else self._integers(how, form, made[0])
        scales = self._tensor("s", TensorProto.FLOAT16 if narrow else TensorProto.FLOAT, how.scales, made[1])
        if narrow:
            scales = self._node("Cast", [scales], to=TensorProto.FLOAT)
        if how.plain:
            self._node("Mul", [wide, scales], output)
            return
        value = self._node("Mul", [wide, scales])
        if how.blocks.padded > how.rows.length:
            value = self._cut(self._node("Reshape", [value, self._vector(how.padded)]), how.rows.length)
        self._node("Reshape", [value, self._vector(how.shape)], output)

    def _in_bytes(self, form: GridForm) -> bool:
        return form == "int4" and self._opset < INT4_OPSET

    def _integers(self, how: Layout, form: GridForm, make: Make) -> str:
        if form == "int4":
            values = self._tensor("q", TensorProto.INT4, how.values, lambda: packed(make()))
        else:
            values = self._tensor("q", TensorProto.INT8, how.values, make)
        return self._node("Cast", [values], to=TensorProto.FLOAT)

    def _pairs_of(self, how: Layout, make: Make) -> str:
        """Bytes of two values each → their places in the table → float32 values."""
        if not self._pairs:
            table = self._tensor("t", TensorProto.INT8, (256, 2), lambda: ((_PAIRS ^ 8) - 8).astype(np.int8))
            self._pairs = self._node("Cast", [table], to=TensorProto.FLOAT)
        size = (math.prod(how.values) // 2,)
        places = self._tensor("q", TensorProto.UINT8, size, lambda: packed(make()))
        found = self._node("Gather", [self._pairs, self._node("Cast", [places], to=TensorProto.INT32)])
        return self._node("Reshape", [found, self._vector(how.values)])

    def _cut(self, value: str, length: int) -> str:
        if self._opset < _SLICE_INPUTS_OPSET:
            return self._node("Slice", [value], axes=[1], starts=[0], ends=[length])
        return self._node("Slice", [value, *map(self._vector, ((0,), (length,), (1,)))])

    def _vector(self, values: tuple[int, ...]) -> str:
        """The name of an int64 vector."""
        if values not in self._vectors:
            array = np.array(values, np.int64)
            self._vectors[values] = self._tensor("v", TensorProto.INT64, (len(values),), lambda: array)
        return self._vectors[values]

    def _tensor(self, base: str, kind: int, shape: Sequence[int], make: Make) -> str:
        name = self._names.fresh(base)
        tensor = TensorProto(name=name, data_type=kind, dims=shape)
        held = tensor_bytes(tensor)
        self.bytes += framed(tensor.ByteSize() + 1 + _varint(held) + held)
        if not self._hollow:
            tensor.raw_data = _little_endian(make()).tobytes()
        self.initializers.append(tensor)
        return name

    def _node(self, op_type: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or self._names.fresh("u")
        node = helper.make_node(op_type, inputs, [output], **attributes)
        self.nodes.append(node)
        self.bytes += framed(node.ByteSize())
        return output


def nothing() -> AnyArray:
    """Stand for values where only sizes are asked for."""
    return np.empty(0, np.int8)


def lying(how: Layout, integers: Int8Array, scales: AnyArray, narrow: bool) -> tuple[AnyArray, AnyArray]:
    """Return integers `(rows, length)` and scales `(rows, blocks)` in the shapes of the file."""
    rows, blocks = how.rows, how.blocks
    filled = np.pad(integers, ((0, 0), (0, blocks.padded - blocks.length)))
    values = Rows(rows.outer, blocks.padded, rows.inner).weight(filled, how.values)
    held = scales.astype(np.float16 if narrow else np.float32)
    if not how.plain:
        return values, Rows(rows.outer, blocks.count, rows.inner).weight(held, how.scales)
    every = tuple(1 if axis in how.run else size for axis, size in enumerate(how.shape))
    one = tuple(slice(1) if size == 1 else slice(None) for size in how.scales)
    return values, Rows(rows.outer, 1, rows.inner).weight(held, every)[one]


def packed(integers: AnyArray) -> AnyArray:
    """Return pairs of 4-bit integers as bytes, the first of a pair in the low half."""
    halves = integers.astype(np.uint8).reshape(-1, 2) & np.uint8(15)
    return halves[:, 0] | (halves[:, 1] << np.uint8(4))


def _little_endian(array: AnyArray) -> AnyArray:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def float_frame(name: str, shape: Sequence[int]) -> int:
    """Bytes of a float32 initializer beside its values."""
    held = 4 * math.prod(shape)
    empty = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape).ByteSize()
    return framed(empty + 1 + _varint(held) + held) - held


def framed(size: int) -> int:
    """Bytes of a message of `size` within the graph."""
    return 1 + _varint(size) + size


def _varint(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))
