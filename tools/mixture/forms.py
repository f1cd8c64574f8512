"""Bytes that a weight or a node takes in the file in each form; those of stored weights are the writer's own."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..quantize.storage_units import StorageUnit, StoredForm

_STORED: Mapping[str, StoredForm] = {"fp16": "fp16", "int8": "int8", "int8_block": "int8_block", "int4": "int4"}
# Two pairs of nodes with their parameters around a static unit, one chain of nodes for a dynamic one.
_COMPUTED_NODES: Mapping[str, int] = {"static": 800, "dynamic": 550, "half": 160}
# Scale and zero point of a channel's weights; static units round a channel's bias with a scale of its own, too.
_COMPUTED_PER_CHANNEL: Mapping[str, int] = {"static": 13, "dynamic": 5, "half": 0}
_COMPUTED_BITS: Mapping[str, int] = {"static": 8, "dynamic": 8, "half": 16}


def stored_bytes(weight: StorageUnit, form: str, block: int, opset: int) -> int:
    """Return the bytes of values, scales and the nodes that unfold them, in the form that the weight would get."""
    if form == "fp32":
        return weight.bytes
    return weight.stored_bytes(weight.taken_form(_STORED[form], block), block, opset)


def held_bytes(weight: StorageUnit, form: str) -> int:
    """Return the bytes that operators computing in `form` hold of a weight, scales included."""
    channels = math.prod(weight.shape[axis] for axis in weight.axes)
    return math.prod(weight.shape) * _COMPUTED_BITS[form] // 8 + _COMPUTED_PER_CHANNEL[form] * channels


def node_bytes(form: str) -> int:
    """Return the bytes of the nodes and parameters around one that computes in `form`."""
    return _COMPUTED_NODES[form]
