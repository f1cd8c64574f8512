"""Bytes that a weight or a node takes in the file in each form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Bits of a value, of a scale, and nodes and names around them; scales of blocks are fp16.
FLOAT_BITS = 32
_BLOCK_SCALE_BITS = 16
_STORED_BITS: Mapping[str, int] = {"fp16": 16, "int8": 8, "int8_block": 8, "int4": 4}
_STORED_NODES: Mapping[str, int] = {"fp32": 0, "fp16": 110, "int8": 230, "int8_block": 400, "int4": 400}
_BLOCKED = frozenset({"int8_block", "int4"})
# Two pairs of nodes with their parameters around a static unit, one chain of nodes for a dynamic one.
_COMPUTED_NODES: Mapping[str, int] = {"static": 800, "dynamic": 550, "half": 160}
# Scale and zero point of a channel's weights; static units round a channel's bias with a scale of its own, too.
_COMPUTED_PER_CHANNEL: Mapping[str, int] = {"static": 13, "dynamic": 5, "half": 0}
_COMPUTED_BITS: Mapping[str, int] = {"static": 8, "dynamic": 8, "half": 16}


@dataclass(frozen=True)
class Weight:
    """A float32 initializer that can take another form; `axes` have one scale for each index."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """How many scales it has where each channel has one."""
        return math.prod(self.shape[axis] for axis in self.axes)


def stored_bytes(weight: Weight, form: str, block: int) -> int:
    """Return the bytes of values, scales and the nodes that unfold them; `block` values share a scale in rows."""
    if form == "fp32":
        return weight.elements * FLOAT_BITS // 8
    values = math.ceil(weight.elements * _STORED_BITS[form] / 8)
    return values + _scale_bytes(weight, form, block) + _STORED_NODES[form] + 2 * len(weight.name)


def _scale_bytes(weight: Weight, form: str, block: int) -> int:
    if form in _BLOCKED:
        return math.ceil(weight.elements / block) * _BLOCK_SCALE_BITS // 8
    return 4 * weight.channels if form == "int8" else 0


def held_bytes(weight: Weight, form: str) -> int:
    """Return the bytes that operators computing in `form` hold of a weight, scales included."""
    return weight.elements * _COMPUTED_BITS[form] // 8 + _COMPUTED_PER_CHANNEL[form] * weight.channels


def node_bytes(form: str) -> int:
    """Return the bytes of the nodes and parameters around one that computes in `form`."""
    return _COMPUTED_NODES[form]
