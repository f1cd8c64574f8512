"""Pooling and reductions: over places they leave channels alone, over channels they need all of them."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto

from ...quantize.graphs import attribute, input_name, int_attribute
from ..labels import Axes, Axis, staying
from ..trace import Outputs, Trace, UnclearError


def pool(trace: Trace, node: NodeProto) -> Outputs:
    """Each channel by itself, over places."""
    read = trace.known(node.input[0])
    trace.freeze_all(read[2:], "")
    if len(node.output) > 1 and node.output[1]:
        trace.freeze_all(read, "places are counted over all channels")
    made = trace.like(node.output[0], (*read[:2], *(None for _ in read[2:])))
    return [made for _ in node.output]


def reduce(trace: Trace, node: NodeProto) -> Outputs:
    """What is reduced over is needed whole: there is no weight that could make up for what went."""
    read = trace.known(node.input[0])
    over = reduced_axes(trace, node, len(read))
    trace.freeze_all([read[axis] for axis in over], "it is reduced together with others")
    return [_left(read, over, bool(int_attribute(node, "keepdims", 1)))]


def reduced_axes(trace: Trace, node: NodeProto, rank: int) -> tuple[int, ...]:
    """Return the axes that a reduction is taken over."""
    found = attribute(node, "axes")
    axes: Sequence[int] | None = None if found is None else list(found.ints)
    if axes is None and input_name(node, 1):
        axes = trace.numbers.integers(node.input[1])
        if axes is None:
            raise UnclearError("what it reduces over is computed")
    if axes is None or not len(axes):
        return () if int_attribute(node, "noop_with_empty_axes", 0) else tuple(range(rank))
    if not all(-rank <= axis < rank for axis in axes):
        raise UnclearError("its axis is out of range")
    return tuple(sorted({axis % rank for axis in axes}))


def _left(read: Axes, over: Sequence[int], kept: bool) -> Axes:
    made: list[Axis] = []
    for axis, each in enumerate(read):
        if axis not in over:
            made.append(each)
        elif kept:
            made.append(staying(1))
    return tuple(made)


def arg(trace: Trace, node: NodeProto) -> Outputs:
    """The place of the largest or smallest along an axis."""
    read = trace.known(node.input[0])
    axis = int_attribute(node, "axis", 0)
    if not -len(read) <= axis < len(read):
        raise UnclearError("its axis is out of range")
    trace.freeze(read[axis], "its places are counted")
    return [_left(read, (axis % len(read),), bool(int_attribute(node, "keepdims", 1)))]


def resize(trace: Trace, node: NodeProto) -> Outputs:
    """Axes whose extent stays pass; others are places."""
    read = trace.known(node.input[0])
    dims = trace.extents(node.output[0])
    if dims is None or len(dims) != len(read):
        raise UnclearError("what it resizes to is computed")
    passing = _same(read, dims)
    for axis, each in enumerate(read):
        if axis not in passing:
            trace.freeze(each, "it is resized")
    made = tuple(each if axis in passing else None for axis, each in enumerate(read))
    return [trace.like(node.output[0], made)]


def _same(read: Axes, dims: Sequence[int | str]) -> set[int]:
    return {
        axis for axis, (each, dim) in enumerate(zip(read, dims, strict=True)) if each is not None and len(each) == dim
    }
