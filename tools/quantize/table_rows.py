"""Gather rows of a table that stays in memory as it is stored: 4 bits, blocks of int8, or fp16.

Before: `Gather(table, ids)` of a float32 table, rows along the first axis. After, in 4 bits and in blocks of int8:
`GatherBlockQuantized(packed table, ids, scales)` (domain `com.microsoft`), which unfolds the rows that it reads; in
fp16 `Gather → Cast`. The values are those of the stored form. A row costs up to twice the time of the plain `Gather`,
and the table takes an eighth to a half of the memory, where storage would unfold all of it at load.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from onnx import NodeProto, TensorProto, helper

from ...contracts import LayerForm
from .emission import Emission, Unfit
from .grids import make_grid
from .rounding import FP16_MAX, AnyArray, FloatArray, Int8Array
from .rows import Blocks
from .unfolding import packed

RowForm = Literal["fp16", "int8_block", "int4"]

_BITS: dict[RowForm, int] = {"fp16": 16, "int8_block": 8, "int4": 4}
# What reports call them: the values are those of the stored forms.
_SHOWN: dict[RowForm, str] = {"fp16": "fp16 stored", "int8_block": "int8 block stored", "int4": "int4 stored"}
# What the kernel takes: a power of two, and no less.
_LEAST_BLOCK = 16


def emit_rows(node: NodeProto, emission: Emission, table: FloatArray, form: RowForm) -> list[NodeProto]:
    """Return the nodes that read rows of `table` as `form` holds them.

    Raises:
        Unfit: the kernel does not take the table's shape, or the form its values.
    """
    if form == "fp16":
        return _half(node, emission, table)
    if table.ndim != 2:
        raise Unfit("rows in blocks are those of matrices")
    if form == "int4" and table.shape[1] % 2:
        raise Unfit("4-bit values come in pairs, and its rows are odd")
    return _blocked(node, emission, table, form)


def rows_layer(table: str, form: RowForm, elements: int) -> LayerForm:
    """Say what became of a table of `elements` values."""
    why, size = "in memory too: rows unfold as they are read", elements * _BITS[form] // 8
    return LayerForm(name=table, op_type="Gather", form=_SHOWN[form], why=why, weight_bytes=size)


def _half(node: NodeProto, emission: Emission, table: FloatArray) -> list[NodeProto]:
    if float(np.abs(table).max(initial=0.0)) > FP16_MAX:
        raise Unfit("its table holds values beyond fp16")
    (values,) = emission.constant(node.input[0], "rows.fp16", ("half", table.astype(np.float16)))
    rows = emission.fresh("rows")
    return [emission.node("Gather", [values, node.input[1]], [rows]), _cast(emission, rows, node.output[0])]


def _blocked(
    node: NodeProto, emission: Emission, table: FloatArray, form: Literal["int8_block", "int4"]
) -> list[NodeProto]:
    blocks = row_blocks(table.shape[1], emission.block)
    grid = make_grid(table, form, (0,), emission.block, blocks)
    scales = grid.scales.astype(np.float16 if grid.narrow else np.float32)
    values, scale = emission.constant(
        node.input[0], f"rows.{form}", ("rows", _as_bytes(grid.nearest(table), form)), ("scale", scales)
    )
    nodes: list[NodeProto] = []
    if grid.narrow:  # the runtime widens them once, at load
        wide = emission.fresh("scale")
        nodes, scale = [_cast(emission, scale, wide)], wide
    read = emission.node(
        "GatherBlockQuantized", [values, node.input[1], scale], [node.output[0]], domain="com.microsoft"
    )
    options = {"bits": _BITS[form], "block_size": blocks.size, "gather_axis": 0, "quantize_axis": 1}
    read.attribute.extend(helper.make_attribute(name, value) for name, value in options.items())
    return [*nodes, read]


def row_blocks(length: int, block: int) -> Blocks:
    """Cut rows of `length` into blocks of a power of two, at most `block`; the last may reach beyond the end."""
    size = max(min(block, 1 << (length - 1).bit_length()), _LEAST_BLOCK)
    return Blocks(-(-length // size), size, length)


def _as_bytes(integers: Int8Array, form: RowForm) -> AnyArray:
    """Return integers of shape (rows, length) as the kernel reads them: zero lies in the middle of their range."""
    middle = 1 << (_BITS[form] - 1)
    shifted = (integers.astype(np.int16) + middle).astype(np.uint8)
    return packed(shifted).reshape(len(shifted), -1) if form == "int4" else shifted


def _cast(emission: Emission, name: str, output: str) -> NodeProto:
    return helper.make_node("Cast", [name], [output], emission.fresh("Cast"), to=TensorProto.FLOAT)
