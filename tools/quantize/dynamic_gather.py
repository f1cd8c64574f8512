"""Gather rows of a table that stays in memory as int8, or as it is stored (see `table_rows`).

Before: `Gather(table, ids)` of a float32 table of two or more axes, rows along the first. After:
`Gather(int8 table, ids) → Cast(to=FLOAT) → Mul(Gather(scales, ids))`, one scale a row. The table is read as int8, so it
takes a quarter of the memory too, which storage does not give: that unfolds the whole table at load.
"""

from __future__ import annotations

from onnx import NodeProto, TensorProto, helper

from .emission import Emission, Unfit
from .graphs import int_attribute
from .rounding import channel_scales, round_int8
from .table_rows import emit_rows

MIN_ELEMENTS = 1024


def emit_gather(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return the nodes that read the rows of a table, of int8 times their scales if it has no other form.

    Raises:
        Unfit: the table is none, has no rows long enough to share a scale, or is read as float32 elsewhere.
    """
    if emission.weight_size(node.input[0]) == 0:
        raise Unfit("it gathers from no constant table")
    table = emission.weight(node.input[0])
    if int_attribute(node, "axis", 0) % max(table.ndim, 1) or table.ndim < 2:
        raise Unfit("it does not gather rows of a table")
    if table.size < MIN_ELEMENTS or 4 * table.shape[0] > table.size:
        raise Unfit("its table is too small to pay, or its rows are")
    if not all(
        _is_row(each) and emission.takes(each) for each in emission.weights.readers(emission.graph, node.input[0])
    ):
        raise Unfit("its table is read as float32 elsewhere")
    form = emission.tables.get(node.input[0], "int8")
    if form != "int8":
        return emit_rows(node, emission, table, form)
    axes = (0,) if emission.per_channel else ()
    scales = channel_scales(table, axes)
    packed, scale = emission.constant(
        node.input[0], "gather", ("int8", round_int8(table, scales)), ("scale", scales if axes else scales.reshape(()))
    )
    rows, wide = emission.fresh("rows"), emission.fresh("wide")
    cast = helper.make_node("Cast", [rows], [wide], emission.fresh("Cast"), to=TensorProto.FLOAT)
    nodes = [emission.node("Gather", [packed, node.input[1]], [rows]), cast]
    if axes:
        factor = emission.fresh("factor")
        nodes.append(emission.node("Gather", [scale, node.input[1]], [factor]))
        scale = factor
    return [*nodes, emission.node("Mul", [wide, scale], [node.output[0]])]


def _is_row(reader: NodeProto) -> bool:
    return reader.op_type == "Gather" and int_attribute(reader, "axis", 0) == 0
