"""Which positions of a sequence are padding, so that nothing is fitted to what no answer depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto

from ..quantize.graphs import uses
from ..quantize.weight_inputs import some

_MASKS = (TensorProto.BOOL, TensorProto.INT32, TensorProto.INT64)
# What a mask goes through on its way to the scores of attention.
_THROUGH = frozenset(
    {"Add", "And", "Cast", "Equal", "Expand", "Greater", "Less", "Mul", "Not", "Reshape", "Slice", "Squeeze", "Sub",
     "Tile", "Transpose", "Unsqueeze", "Where"}
)  # fmt: skip
_ATTENTION = frozenset({"Attention", "MultiHeadAttention", "Softmax"})


def mask_input(model: ModelProto) -> str | None:
    """Return the input that masks attention: integers or truths that come into its scores and are no indices."""
    readers = uses(model.graph)
    for given in model.graph.input:
        if given.type.tensor_type.elem_type not in _MASKS:
            continue
        pending, seen = [given.name], set[str]()
        while pending:
            tensor = pending.pop()
            for use in readers.get(tensor, []):
                if use.node.op_type in _ATTENTION:
                    return given.name
                new = [name for name in use.node.output if name not in seen]
                if use.node.op_type in _THROUGH:
                    seen.update(new)
                    pending.extend(new)
    return None


@dataclass(frozen=True)
class Real:
    """The positions of a sample that are no padding, of so many in all."""

    positions: npt.NDArray[np.int64]
    count: int


def real_positions(feed: Mapping[str, Any], mask: str | None) -> Real | None:
    """Return the positions of a sample that its mask lets through; None where nothing is known to be padding."""
    if mask is None or mask not in feed:
        return None
    values = np.asarray(feed[mask])
    if values.ndim != 2 or not np.isin(values, (0, 1)).all() or values.all() or not values.any():
        return None
    return Real(np.flatnonzero(values.reshape(-1)), values.size)


def picked(positions: int, limit: int, real: Real | None) -> npt.NDArray[np.int64]:
    """Return at most `limit` of so many positions, evenly spread, without padding where they are those of the mask."""
    if real is None or positions != real.count:
        return some(positions, limit)
    return real.positions[some(len(real.positions), limit)]
