"""Reshape: which axes of what it reads become which of what it gives.

Both are cut into the smallest blocks that hold the same elements. Where a block has several axes, channels go along
one of them and the others of that block stay: along the only one that can be cut, or else along the outermost (heads of
attention, channels before places), or along the innermost where a place follows (channels shuffled between groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..dims import Dim, Dims, reshaped
from ..labels import MOST, Axes, Axis, Labels, stays, whole
from ..trace import Outputs, Trace, UnclearError

_BESIDE = "it is reshaped together with an axis that channels go along"


@dataclass(frozen=True)
class Block:
    """Axes that hold the same elements.

    Attributes:
        read, made: of what is read and of what is given, in order.
    """

    read: tuple[int, ...]
    made: tuple[int, ...]


def flatten(trace: Trace, node: NodeProto) -> Outputs:
    """Two axes: those before `axis`, and the rest."""
    read = trace.known(node.input[0])
    axis = int_attribute(node, "axis", 1)
    axis = axis + len(read) if axis < 0 else axis
    if not 0 <= axis <= len(read):
        raise UnclearError("its axis is out of range")
    dims = _dims(trace, node.input[0], read)
    target = tuple(_whole(side, f"{node.output[0]} axis {at}") for at, side in enumerate((dims[:axis], dims[axis:])))
    return [_map(trace, read, dims, target)]


def _whole(dims: Dims, otherwise: str) -> Dim:
    free = [each for each in dims if isinstance(each, str)]
    known = prod(each for each in dims if isinstance(each, int))
    if not free:
        return known
    return free[0] if len(free) == 1 and known == 1 else otherwise


def reshape(trace: Trace, node: NodeProto) -> Outputs:
    """The extents that it gives must be known but for free ones."""
    read = trace.known(node.input[0])
    dims, target = _dims(trace, node.input[0], read), trace.extents(node.output[0])
    if target is None:
        target = reshaped(node, dims, trace.numbers)
    if target is None:
        raise UnclearError("what it reshapes to is computed")
    return [_map(trace, read, dims, target)]


def _dims(trace: Trace, name: str, read: Axes) -> Dims:
    told = trace.extents(name)
    if told is None or len(told) != len(read):
        told = tuple(f"{name} axis {axis}" for axis in range(len(read)))
    return tuple(dim if each is None else len(each) for dim, each in zip(told, read, strict=True))


def _map(trace: Trace, read: Axes, dims: Dims, target: Dims) -> Axes:
    if 0 in dims or 0 in target:
        raise UnclearError("it has no elements")
    made: list[Axis] = [whole(each) for each in target]
    found, rest = blocks(dims, target)
    for block in found:
        for axis, labels in _through(trace, read, block, target).items():
            made[axis] = labels
    left = _front_of_rest(trace, read, rest, target, made)
    trace.freeze_all([read[axis] for axis in left], "it is reshaped in a way that cannot be followed")
    return tuple(made)


def blocks(dims: Dims, target: Dims) -> tuple[list[Block], Block]:
    """Return the smallest blocks, from the front and from the back, and what lies between and cannot be told.

    Axes of extent one are in none of them.
    """
    read, made = ([axis for axis, each in enumerate(side) if each != 1] for side in (dims, target))
    found: list[Block] = []
    while (block := _next(dims, target, read, made)) is not None:
        found.append(block)
        read, made = read[len(block.read) :], made[len(block.made) :]
    while (block := _next(dims, target, read[::-1], made[::-1])) is not None:
        found.append(Block(block.read[::-1], block.made[::-1]))
        read, made = read[: len(read) - len(block.read)], made[: len(made) - len(block.made)]
    return found, Block(tuple(read), tuple(made))


def _next(dims: Dims, target: Dims, read: Sequence[int], made: Sequence[int]) -> Block | None:
    """Return the smallest block that begins both; a free extent matches itself alone."""
    if not read or not made:
        return None
    one, other = dims[read[0]], target[made[0]]
    end = beyond = 1
    while one != other:
        if isinstance(one, str) or isinstance(other, str):
            return None
        side, at, axes = (dims, end, read) if one < other else (target, beyond, made)
        more = side[axes[at]] if at < len(axes) else ""
        if isinstance(more, str):
            return None
        one, end, other, beyond = (
            (one * more, end + 1, other, beyond) if one < other else (one, end, other * more, beyond + 1)
        )
    return Block(tuple(read[:end]), tuple(made[:beyond]))


def _through(trace: Trace, read: Axes, block: Block, target: Dims) -> dict[int, Labels]:
    """Return the labels of the axes that a block gives, by axis; those that it leaves out stay."""
    extents = [len(each) for axis in block.read if (each := read[axis]) is not None]
    if len(extents) != len(block.read) or prod(extents) > MOST:
        trace.freeze_all([read[axis] for axis in block.read], "it is reshaped together with others")
        return {}
    along = next((at for at, axis in enumerate(block.read) if not stays(read[axis])), 0)
    trace.freeze_all([read[axis] for axis in block.read if axis != block.read[along]], _BESIDE)
    labels = read[block.read[along]]
    if labels is None or stays(labels):
        return {}
    flat = labels[_positions(extents, along)]
    if len(block.made) == 1:
        return {block.made[0]: flat}
    return _split(trace, flat, block, target)


def _positions(extents: Sequence[int], along: int) -> Labels:
    """Return for each element of a block where it stands on one of its axes."""
    inner = prod(extents[along + 1 :])
    return np.arange(prod(extents), dtype=np.int64) // inner % extents[along]


def _split(trace: Trace, flat: Labels, block: Block, target: Dims) -> dict[int, Labels]:
    """Let channels go along one of several axes: along one that holds them as they are, if there is one."""
    extents = [each for axis in block.made if isinstance(each := target[axis], int)]
    for along, axis in enumerate(block.made):
        positions = _positions(extents, along)
        first = np.zeros(extents[along], np.int64)
        first[positions[::-1]] = flat[::-1]
        if (first[positions] == flat).all():
            return {axis: first}
    placed = any(axis > block.made[-1] for axis, each in enumerate(target) if each != 1)
    along = trace.fork(extents, len(extents) - 1 if placed else 0)
    made = trace.unions.fresh(extents[along])
    trace.forked(extents, made)
    trace.tie(flat, made[_positions(extents, along)])
    return {block.made[along]: made}


def _front_of_rest(trace: Trace, read: Axes, rest: Block, target: Dims, made: list[Axis]) -> tuple[int, ...]:
    """Follow the outermost axis of what cannot be told: one is a whole number of times the other.

    Returns:
        the axes read that are not followed.
    """
    if not rest.read or not rest.made:
        return rest.read
    labels, extent = read[rest.read[0]], target[rest.made[0]]
    if labels is None or stays(labels) or isinstance(extent, str) or extent > MOST:
        return rest.read
    if not len(labels) % extent:
        groups = trace.unions.fresh(extent)
        trace.tie(labels, np.repeat(groups, len(labels) // extent))
        made[rest.made[0]] = groups
    elif not extent % len(labels):
        made[rest.made[0]] = np.repeat(labels, extent // len(labels))
    else:
        return rest.read
    return rest.read[1:]
