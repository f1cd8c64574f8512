"""Which activation a weight's axis reads: the channels of a group, as what comes after them sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from ..onnx_model import is_standard, to_array
from ..quantize.graphs import fixed_initializers, int_attribute, uses
from ..quantize.rounding import FloatArray
from .coupling import Group, Member


@dataclass(frozen=True)
class Reading:
    """One reading of a group's channels.

    Attributes:
        tensor: the activation.
        axis: of it, along which the channels lie; negative from the end.
        positions: `(channels, n)` of that axis.
        sizes: `(channels, n)`: the root of the sum of squares of the weights that read each position.
    """

    tensor: str
    axis: int
    positions: np.ndarray
    sizes: FloatArray


def readings(model: ModelProto, group: Group) -> list[Reading]:
    """Return how weights read the channels of a group; those of operators that are not known are passed over."""
    fixed, readers = fixed_initializers(model.graph), uses(model.graph)
    found: list[Reading] = []
    for member in group.members:
        if member.role != "reads" or member.initializer not in fixed:
            continue
        weight = to_array(fixed[member.initializer])
        for use in readers.get(member.initializer, []):
            place = _PLACES.get((use.node.op_type, use.index))
            at = place(use.node, weight.ndim) if place and is_standard(use.node) else None
            if at is not None and at[1] == member.axis and (tensor := at[0]) not in fixed:
                found.append(Reading(tensor, at[2], member.positions, _sizes(weight, member)))
    return found


def _sizes(weight: FloatArray, member: Member) -> FloatArray:
    others = tuple(each for each in range(weight.ndim) if each != member.axis)
    return np.sqrt(np.square(weight, dtype=np.float64).sum(axis=others))[member.positions].astype(np.float32)


# A node and the rank of its weight → the activation, the axis of the weight that reads it, the axis that it reads.
_Place = Callable[[NodeProto, int], tuple[str, int, int]]


def _gemm(node: NodeProto, rank: int) -> tuple[str, int, int]:
    turned, given = int_attribute(node, "transB", 0), int_attribute(node, "transA", 0)
    return node.input[0], 1 if turned else 0, 0 if given else 1


def _states(node: NodeProto) -> str:
    """Return the states of all steps, or the last ones where only these are given out."""
    return next(name for name in node.output if name)


_PLACES: dict[tuple[str, int], _Place] = {
    ("Conv", 1): lambda node, rank: (node.input[0], 1, 1),
    ("ConvTranspose", 1): lambda node, rank: (node.input[0], 0, 1),
    ("Gemm", 1): _gemm,
    ("MatMul", 1): lambda node, rank: (node.input[0], rank - 2, -1),
    ("MatMul", 0): lambda node, rank: (node.input[1], rank - 1, -2),
    **{(kind, 1): lambda node, rank: (node.input[0], 2, -1) for kind in ("LSTM", "GRU", "RNN")},
    **{(kind, 2): lambda node, rank: (_states(node), 2, -1) for kind in ("LSTM", "GRU", "RNN")},
}
