"""Operators that move axes, or add and drop those of extent one."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import attribute, input_name, int_attribute
from ..labels import Axis, staying
from ..trace import Outputs, Trace, UnclearError


def transpose(trace: Trace, node: NodeProto) -> Outputs:
    """Axes in another order."""
    read = trace.known(node.input[0])
    found = attribute(node, "perm")
    order = list(found.ints) if found is not None else list(range(len(read)))[::-1]
    if sorted(order) != list(range(len(read))):
        raise UnclearError("its order is none of its axes")
    return [tuple(read[axis] for axis in order)]


def unsqueeze(trace: Trace, node: NodeProto) -> Outputs:
    """Axes of extent one among the others."""
    read = trace.known(node.input[0])
    axes = _stated_axes(trace, node)
    if axes is None:
        raise UnclearError("which axes it adds is computed")
    rank = len(read) + len(axes)
    places = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(places) != len(axes):
        raise UnclearError("its axis is out of range")
    rest = iter(read)
    return [tuple(staying(1) if axis in places else next(rest) for axis in range(rank))]


def squeeze(trace: Trace, node: NodeProto) -> Outputs:
    """Without axes of extent one."""
    read = trace.known(node.input[0])
    axes = _stated_axes(trace, node)
    if axes is None:
        if input_name(node, 1) or any(each is None for each in read):
            raise UnclearError("which axes it drops is not known")
        axes = tuple(axis for axis, each in enumerate(read) if each is not None and len(each) == 1)
    if not all(-len(read) <= axis < len(read) for axis in axes):
        raise UnclearError("its axis is out of range")
    gone = {axis % len(read) for axis in axes}
    return [tuple(each for axis, each in enumerate(read) if axis not in gone)]


def _stated_axes(trace: Trace, node: NodeProto) -> tuple[int, ...] | None:
    found = attribute(node, "axes")
    if found is not None:
        return tuple(found.ints)
    return trace.numbers.integers(node.input[1]) if input_name(node, 1) else None


def depth_to_space(trace: Trace, node: NodeProto) -> Outputs:
    """`blocksize²` channels become one with more places: they go together."""
    read = trace.known(node.input[0])
    block = int_attribute(node, "blocksize", 0) ** 2
    if len(read) != 4 or read[1] is None or not block or len(read[1]) % block:
        raise UnclearError("its blocks do not divide its channels")
    made = trace.unions.fresh(len(read[1]) // block)
    found = attribute(node, "mode")
    together = np.repeat(made, block) if found is not None and found.s == b"CRD" else np.tile(made, block)
    trace.tie(read[1], together)
    trace.freeze_all(read[2:], "")
    return [trace.like(node.output[0], (read[0], made, None, None))]


def space_to_depth(trace: Trace, node: NodeProto) -> Outputs:
    """One channel becomes `blocksize²`: they go together."""
    read = trace.known(node.input[0])
    block = int_attribute(node, "blocksize", 0) ** 2
    if len(read) != 4 or read[1] is None or not block or block * len(read[1]) > 2**17:
        raise UnclearError("it has no channels")
    trace.freeze_all(read[2:], "")
    return [trace.like(node.output[0], (read[0], np.tile(read[1], block), None, None))]


def tile(trace: Trace, node: NodeProto) -> Outputs:
    """Axes that are not repeated pass."""
    read = trace.known(node.input[0])
    times = trace.numbers.integers(node.input[1])
    made: list[Axis] = []
    for axis, each in enumerate(read):
        if times is not None and len(times) == len(read) and times[axis] == 1:
            made.append(each)
        else:
            trace.freeze(each, "it is repeated")
            made.append(None)
    return [trace.like(node.output[0], tuple(made))]


def shape(trace: Trace, node: NodeProto) -> Outputs:
    """Extents as numbers: cut models tell those of the original, so that what is computed of them stays as it was."""
    rank = len(trace.known(node.input[0]))
    return [(staying(len(range(rank)[int_attribute(node, "start", 0) : int_attribute(node, "end", rank)])),)]


def size(trace: Trace, node: NodeProto) -> Outputs:
    """The number of elements."""
    trace.freeze_all(trace.known(node.input[0]), "its elements are counted")
    return [()]
