"""Operators that join, split and choose along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import attribute, input_name, int_attribute
from ..labels import MOST, Axes, Axis, Labels, stays
from ..trace import Outputs, Trace, UnclearError

_UNKNOWN = "where it is cut is computed"


def concat(trace: Trace, node: NodeProto) -> Outputs:
    """Channels one after another."""
    operands = [trace.known(name) for name in node.input]
    rank = len(operands[0])
    axis = int_attribute(node, "axis", 0)
    if any(len(each) != rank for each in operands) or not -rank <= axis < rank:
        raise UnclearError("its operands do not fit each other")
    axis %= rank
    made: list[Axis] = []
    for at in range(rank):
        meeting = [each[at] for each in operands]
        made.append(_joined(trace, meeting) if at == axis else _tied(trace, meeting))
    return [trace.like(node.output[0], tuple(made))]


def _joined(trace: Trace, parts: Sequence[Axis]) -> Axis:
    known = [each for each in parts if each is not None]
    if len(known) == len(parts) and sum(map(len, known)) <= MOST:
        return np.concatenate(known)
    trace.freeze_all(known, "it is joined with an axis of unknown extent")
    return None


def _tied(trace: Trace, meeting: Sequence[Axis]) -> Axis:
    found = meeting[0]
    for each in meeting[1:]:
        found = trace.tie(found, each)
    return found


def split(trace: Trace, node: NodeProto) -> Outputs:
    """Runs of channels, each to an output of its own."""
    read = trace.known(node.input[0])
    axis = axis_of(node, len(read))
    along = read[axis]
    sizes = _sizes(trace, node, along)
    if along is None or sizes is None or sum(sizes) != len(along) or len(sizes) != len(node.output):
        trace.freeze(along, _UNKNOWN)
        return [trace.like(name, (*read[:axis], None, *read[axis + 1 :])) for name in node.output]
    ends = np.cumsum(sizes)
    runs = [along[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    return [(*read[:axis], run, *read[axis + 1 :]) for run in runs]


def _sizes(trace: Trace, node: NodeProto, along: Axis) -> tuple[int, ...] | None:
    stated = attribute(node, "split")
    if stated is not None:
        return tuple(stated.ints)
    if input_name(node, 1):
        return trace.numbers.integers(node.input[1])
    if along is None:
        return None
    each = -(-len(along) // len(node.output))
    return tuple(max(min(each, len(along) - each * at), 0) for at in range(len(node.output)))


def axis_of(node: NodeProto, rank: int, default: int = 0) -> int:
    """Return the node's attribute `axis`, counted from the front.

    Raises:
        UnclearError: there is no such axis.
    """
    axis = int_attribute(node, "axis", default)
    if not -rank <= axis < rank:
        raise UnclearError("its axis is out of range")
    return axis % rank


def slice_(trace: Trace, node: NodeProto) -> Outputs:
    """A run of positions of some axes."""
    read = trace.known(node.input[0])
    bounds = slice_bounds(trace, node, len(read))
    if bounds is None:
        axes = _computed_axes(trace, node, len(read))
        trace.freeze_all([read[axis] for axis in axes], _UNKNOWN)
        made = [None if axis in axes else each for axis, each in enumerate(read)]
    else:
        made = list(read)
        for axis, (start, end, step) in bounds.items():
            made[axis] = _run(trace, read[axis], start, end, step)
    return [trace.like(node.output[0], tuple(made))]


def _run(trace: Trace, along: Axis, start: int, end: int, step: int) -> Axis:
    if along is None:
        return None
    if step == 0:
        raise UnclearError("its step is zero")
    if step != 1:
        trace.freeze(along, "every so many of it are taken")
    return along[_slice(start, end, step)]


def _slice(start: int, end: int, step: int) -> slice:
    # The end of a run that goes backwards to the first position lies before it.
    return slice(start, None if step < 0 and end < -(2**31) else end, step)


def slice_bounds(trace: Trace, node: NodeProto, rank: int) -> dict[int, tuple[int, int, int]] | None:
    """Return start, end and step by axis, or None where they are computed."""
    starts, ends = (_stated(trace, node, index, name) for index, name in ((1, "starts"), (2, "ends")))
    if starts is None or ends is None or len(starts) != len(ends):
        return None
    axes = _stated(trace, node, 3, "axes") if _has(node, 3, "axes") else tuple(range(len(starts)))
    steps = trace.numbers.integers(node.input[4]) if input_name(node, 4) else (1,) * len(starts)
    if axes is None or steps is None or not len(axes) == len(steps) == len(starts):
        return None
    if not all(-rank <= axis < rank for axis in axes):
        raise UnclearError("its axis is out of range")
    return {axis % rank: each for axis, *each in zip(axes, starts, ends, steps, strict=True)}  # type: ignore[misc]


def _has(node: NodeProto, index: int, name: str) -> bool:
    return bool(input_name(node, index)) or attribute(node, name) is not None


def _stated(trace: Trace, node: NodeProto, index: int, name: str) -> tuple[int, ...] | None:
    found = attribute(node, name)
    if found is not None:
        return tuple(found.ints)
    return trace.numbers.integers(node.input[index]) if input_name(node, index) else None


def _computed_axes(trace: Trace, node: NodeProto, rank: int) -> set[int]:
    """Return the axes that a slice may cut whose bounds are computed."""
    axes = trace.numbers.integers(node.input[3]) if input_name(node, 3) else None
    return set(range(rank)) if axes is None else {axis % rank for axis in axes if -rank <= axis < rank}


def gather(trace: Trace, node: NodeProto) -> Outputs:
    """Chosen positions of an axis; those chosen by what is computed need all of it."""
    read, chosen = trace.known(node.input[0]), trace.known(node.input[1])
    axis = axis_of(node, len(read))
    along = read[axis]
    for other in (*read[:axis], *read[axis + 1 :]):
        trace.giving(node.input[0], other)
    indices = gathered(trace, node)
    if indices is None or along is None or not _inside(indices, len(along)):
        trace.freeze(along, "it is looked up by what is computed")
        return [trace.like(node.output[0], (*read[:axis], *_stay(chosen), *read[axis + 1 :]))]
    if indices.ndim == 0:
        trace.freeze(along[indices.reshape(1)], "it is taken by itself")
        return [(*read[:axis], *read[axis + 1 :])]
    return [(*read[:axis], along[indices], *read[axis + 1 :])]


def gathered(trace: Trace, node: NodeProto) -> Labels | None:
    """Return the constant indices of a `Gather`: a scalar or a vector."""
    found = trace.numbers.array(node.input[1])
    if found is not None:
        return None if found.ndim > 1 or found.dtype.kind != "i" else found.astype(np.int64)
    whole, dims = trace.numbers.integers(node.input[1]), trace.extents(node.input[1])
    if whole is None or dims is None or len(dims) > 1:
        return None
    return np.asarray(whole, np.int64).reshape((len(whole),) if dims else ())


def _inside(indices: Labels, extent: int) -> bool:
    return bool(((indices >= -extent) & (indices < extent)).all())


def _stay(axes: Axes) -> Axes:
    return tuple(None if each is None else np.zeros(len(each), np.int64) for each in axes)


def pad(trace: Trace, node: NodeProto) -> Outputs:
    """Axes to which nothing is added pass."""
    read = trace.known(node.input[0])
    pads = _stated(trace, node, 1, "pads")
    axes = trace.numbers.integers(node.input[3]) if input_name(node, 3) else tuple(range(len(read)))
    if pads is None or axes is None or len(pads) != 2 * len(axes):
        padded = set(range(len(read)))
    else:
        padded = {axis % len(read) for at, axis in enumerate(axes) if pads[at] or pads[at + len(axes)]}
    trace.freeze_all([read[axis] for axis in padded if not stays(read[axis])], "it is padded")
    made = tuple(None if axis in padded else each for axis, each in enumerate(read))
    return [trace.like(node.output[0], made)]
