"""Operators that make a tensor out of a shape or out of bounds."""

from __future__ import annotations

from math import ceil

import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor

from ..call import Call, Inputs, axis_of, bounded
from ..registry import operator


@operator("ConstantOfShape")
def constant_of_shape(call: Call, inputs: Inputs) -> Tensor:
    sizes = bounded(inputs.integers(0) or [])
    value = call.attributes.get("value")
    if value is None:
        return torch.zeros(sizes, dtype=call.dtype(TensorProto.FLOAT))
    single = numpy_helper.to_array(value).reshape(-1)[0].item()
    return torch.full(sizes, single, dtype=call.dtype(value.data_type))


@operator("Range")
def range_of(call: Call, inputs: Inputs) -> Tensor:
    start, limit, step = (inputs[index].detach().reshape(()) for index in range(3))
    count = max(0, ceil((float(limit) - float(start)) / float(step))) if float(step) else 0
    bounded([count])
    return start + torch.arange(count).to(start.dtype) * step


@operator("EyeLike")
def eye_like(call: Call, inputs: Inputs) -> Tensor:
    kind = call.integer("dtype")
    rows, columns = inputs[0].shape
    places = torch.arange(columns)[None] - torch.arange(rows)[:, None]
    return (places == call.integer("k")).to(call.dtype(kind) if kind else inputs[0].dtype)


@operator("OneHot")
def one_hot(call: Call, inputs: Inputs) -> Tensor:
    places, depth, values = inputs[0].long(), (inputs.integers(1) or [0])[0], inputs[2]
    axis = axis_of(call.integer("axis", -1), places.dim() + 1)
    bounded([*places.shape, depth])
    counted = torch.where(places < 0, places + depth, places).unsqueeze(axis)
    ladder = torch.arange(depth).reshape([-1 if index == axis else 1 for index in range(places.dim() + 1)])
    return torch.where(counted == ladder, values[1], values[0])
