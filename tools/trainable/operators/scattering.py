"""Operators that write values into a copy of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call, Inputs, axis_of
from ..registry import operator
from .indexing import counted

_WAYS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scattered(x: Tensor, axis: int, places: Tensor, values: Tensor, way: str) -> Tensor:
    if way == "none":
        return torch.scatter(x, axis, places, values)
    return torch.scatter_reduce(x, axis, places, values, _WAYS[way], include_self=True)


@operator("ScatterElements", "Scatter")
def scatter_elements(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], axis_of(call.integer("axis"), inputs[0].dim())
    places = counted(inputs[1], x.shape[axis])
    return _scattered(x, axis, places, inputs[2], call.text("reduction", "none"))


@operator("ScatterND")
def scatter_nd(call: Call, inputs: Inputs) -> Tensor:
    """Seen as rows, of which the indices name some: one scatter along the first axis."""
    x, places, values = inputs[0], inputs[1], inputs[2]
    depth = places.shape[-1]
    outer = x.shape[:depth]
    rows = x.reshape(int(outer.numel()), -1)
    flat = torch.zeros(places.shape[:-1], dtype=torch.int64)
    for each in range(depth):
        index = counted(places[..., each], outer[each])
        if index.numel() and not bool(((index >= 0) & (index < outer[each])).all()):
            raise IndexError("an index to scatter to is out of bounds")
        flat = flat * outer[each] + index
    where = flat.reshape(-1, 1).expand(-1, rows.shape[1])
    written = _scattered(rows, 0, where, values.reshape(-1, rows.shape[1]), call.text("reduction", "none"))
    return written.reshape(x.shape)
