"""Operators that lay elements out anew."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from ....contracts import ToolError
from ..call import Call, Inputs, axis_of, bounded, broadcast
from ..registry import operator


@operator("Shape")
def shape(call: Call, inputs: Inputs) -> Tensor:
    sizes = list(inputs[0].shape)
    end = call.attributes.get("end")
    return torch.tensor(sizes[call.integer("start") : None if end is None else int(end)], dtype=torch.int64)


@operator("Size")
def size(call: Call, inputs: Inputs) -> Tensor:
    return torch.tensor(inputs[0].numel(), dtype=torch.int64)


@operator("Reshape")
def reshape(call: Call, inputs: Inputs) -> Tensor:
    """A zero takes the input's size over unless `allowzero`; the shape is an attribute up to opset 4."""
    x = inputs[0]
    wanted = inputs.integers(1) if len(inputs) > 1 else call.integers("shape")
    if wanted is None:
        raise ToolError("there is no shape to reshape to")
    if not call.integer("allowzero"):
        wanted = [x.shape[index] if each == 0 else each for index, each in enumerate(wanted)]
    return x.reshape(wanted)


@operator("Flatten")
def flatten(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], call.integer("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(int(x.shape[:axis].numel()), int(x.shape[axis:].numel()))


def _axes(call: Call, inputs: Inputs) -> list[int] | None:
    """Axes are an attribute up to opset 12."""
    found = call.integers("axes")
    return inputs.integers(1) if found is None else found


@operator("Squeeze")
def squeeze(call: Call, inputs: Inputs) -> Tensor:
    x, axes = inputs[0], _axes(call, inputs)
    if axes is None:
        return x.squeeze()
    gone = {axis_of(axis, x.dim()) for axis in axes}
    if any(x.shape[axis] != 1 for axis in gone):
        raise ToolError("an axis that is squeezed is not of size 1")
    return x.reshape([each for index, each in enumerate(x.shape) if index not in gone])


@operator("Unsqueeze")
def unsqueeze(call: Call, inputs: Inputs) -> Tensor:
    x, axes = inputs[0], _axes(call, inputs) or []
    rank = x.dim() + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    old = iter(x.shape)
    return x.reshape([1 if index in new else next(old) for index in range(rank)])


@operator("Transpose")
def transpose(call: Call, inputs: Inputs) -> Tensor:
    x = inputs[0]
    return x.permute(call.integers("perm") or list(reversed(range(x.dim()))))


@operator("Concat")
def concat(call: Call, inputs: Inputs) -> Tensor:
    parts = list(inputs)
    return torch.cat(parts, axis_of(call.integer("axis", 1), parts[0].dim()))


@operator("Split")
def split(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    """Sizes are an attribute up to opset 12; without, the parts are equal, the last one smaller if need be."""
    x = inputs[0]
    axis = axis_of(call.integer("axis"), x.dim())
    sizes = call.integers("split") or inputs.integers(1)
    if sizes is None:
        count = call.integer("num_outputs", call.outputs)
        each = -(-x.shape[axis] // count)
        ends = list(accumulate([each] * (count - 1)))
        sizes = [each] * (count - 1) + [x.shape[axis] - (ends[-1] if ends else 0)]
    return tuple(torch.split(x, sizes, axis))


@operator("Expand")
def expand(call: Call, inputs: Inputs) -> Tensor:
    wanted = inputs.integers(1) or []
    return inputs[0].expand(broadcast(inputs[0].shape, bounded(wanted)))


@operator("Tile")
def tile(call: Call, inputs: Inputs) -> Tensor:
    x, times = inputs[0], inputs.integers(1) or []
    bounded([size * each for size, each in zip(x.shape, times, strict=True)])
    return x.repeat(times) if times else x


@operator("DepthToSpace")
def depth_to_space(call: Call, inputs: Inputs) -> Tensor:
    x, block = inputs[0], call.integer("blocksize", 1)
    count, depth, height, width = x.shape
    left = depth // (block * block)
    if call.text("mode", "DCR") == "DCR":
        apart = x.reshape(count, block, block, left, height, width).permute(0, 3, 4, 1, 5, 2)
    else:
        apart = x.reshape(count, left, block, block, height, width).permute(0, 1, 4, 2, 5, 3)
    return apart.reshape(count, left, height * block, width * block)


@operator("SpaceToDepth")
def space_to_depth(call: Call, inputs: Inputs) -> Tensor:
    x, block = inputs[0], call.integer("blocksize", 1)
    count, depth, height, width = x.shape
    apart = x.reshape(count, depth, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return apart.reshape(count, depth * block * block, height // block, width // block)


@operator("Trilu")
def triangle(call: Call, inputs: Inputs) -> Tensor:
    offset = (inputs.integers(1) or [0])[0]
    return (torch.triu if call.integer("upper", 1) else torch.tril)(inputs[0], offset)
