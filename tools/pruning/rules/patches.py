"""What nodes say of widths, beside weights: attributes and constants that change when channels go.

What a node computes with must not change, such as the scale of attention: it is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from onnx import NodeProto, helper

from ...onnx_model import is_standard
from ...quantize.graphs import attribute, input_name, int_attribute
from ..labels import Labels
from ..slicer import Slicer
from .attention import joint_sizes
from .recurrent import STATES
from .selection import axis_of, gathered, slice_bounds

Patch = Callable[[Slicer, NodeProto], None]


def _set(node: NodeProto, name: str, value: int | list[int]) -> None:
    for index, each in enumerate(node.attribute):
        if each.name == name:
            del node.attribute[index]
            break
    node.attribute.append(helper.make_attribute(name, value))


def _groups(slicer: Slicer, node: NodeProto) -> None:
    """Convolutions: as many groups as fit the channels that are left of each."""
    groups = int_attribute(node, "group", 1)
    wide = slicer.width(node.output[0] if node.op_type == "ConvTranspose" else node.input[0], 1)
    narrow = slicer.width(node.input[1], 1)
    if groups > 1 and wide is not None and narrow:
        _set(node, "group", wide // narrow)


def _norm_groups(slicer: Slicer, node: NodeProto) -> None:
    """Groups keep as many channels each."""
    groups, whole = int_attribute(node, "num_groups", 1), slicer.axes(node.input[0])[1:2]
    left = slicer.width(node.input[0], 1)
    if left is not None and whole[0] is not None:
        _set(node, "num_groups", left * groups // len(whole[0]))


def _units(slicer: Slicer, node: NodeProto) -> None:
    left = slicer.cut_axes(node.input[2]).get(2)
    if left is None:
        return
    _set(node, "hidden_size", len(left))
    for index in STATES:
        if input_name(node, index) in slicer.trace.nothing:
            node.input[index] = ""


def _shape(slicer: Slicer, node: NodeProto) -> None:
    """Cut models tell the extents of the original, so that what is computed of them stays as it was."""
    axes, cut = slicer.axes(node.input[0]), slicer.cut_axes(node.input[0])
    rank = len(axes)
    inside = range(rank)[int_attribute(node, "start", 0) : int_attribute(node, "end", rank)]
    told = {at - inside.start: len(axis) for at in cut if at in inside and (axis := axes[at]) is not None}
    if told and not _unread(slicer, node.output[0], set(told), len(inside)):
        slicer.after(node, told, len(inside))


def _unread(slicer: Slicer, name: str, entries: set[int], length: int) -> bool:
    """Tell whether nothing takes these entries of a vector: all who read it choose others."""
    readers = slicer.readers(name)
    return bool(readers) and all(
        each.op_type == "Gather"
        and is_standard(each)
        and each.input[0] == name
        and (chosen := gathered(slicer.trace, each)) is not None
        and not {int(at) % length for at in chosen.reshape(-1)} & entries
        for each in readers
    )


def _heads(slicer: Slicer, node: NodeProto) -> None:
    """Attention: heads are as wide as before, so the scale of its scores is."""
    if node.domain == "com.microsoft" and node.op_type == "Attention":
        width = slicer.axes(node.input[1])[1:2]
        left = slicer.left(width[0]) if width else None
        if left is not None and width[0] is not None:
            _joint_heads(slicer, node, left, len(width[0]))
        return
    before, now = slicer.axes(node.input[0]), slicer.width(node.input[0], -1)
    for name in ("num_heads", "q_num_heads", "kv_num_heads"):
        count = int_attribute(node, name, 0)
        if count and now and before[-1] is not None:
            _set(node, name, count * now // len(before[-1]))


def _joint_heads(slicer: Slicer, node: NodeProto, left: Labels, width: int) -> None:
    sizes = joint_sizes(node, width)
    ends = np.cumsum((0, *sizes))
    now = [int(((left >= start) & (left < end)).sum()) for start, end in pairwise(ends.tolist())]
    heads = int_attribute(node, "num_heads", 1)
    _set(node, "num_heads", now[0] * heads // sizes[0])
    _set(node, "qkv_hidden_sizes", now)


def _target(index: int) -> Patch:
    """The input `index` tells the extents of the output."""

    def patch(slicer: Slicer, node: NodeProto) -> None:
        cut = slicer.cut_axes(node.output[0])
        if not cut or not input_name(node, index):
            return
        rank = len(slicer.axes(node.output[0]))
        length = slicer.length(node.input[index], rank)
        entries = {at - rank + length: len(left) for at, left in cut.items() if at - rank + length >= 0}
        slicer.overwrite(node, index, entries, length)

    return patch


def _sizes(slicer: Slicer, node: NodeProto) -> None:
    """Resize: the extents that it is told of some axes."""
    cut = slicer.cut_axes(node.output[0])
    found = attribute(node, "axes")
    rank = len(slicer.axes(node.output[0]))
    axes = [axis % rank for axis in found.ints] if found is not None else list(range(rank))
    entries = {axes.index(at): len(left) for at, left in cut.items() if at in axes}
    if entries and input_name(node, 3):
        slicer.overwrite(node, 3, entries, len(axes))


def _split(slicer: Slicer, node: NodeProto) -> None:
    cut = slicer.cut_axes(node.input[0])
    at = axis_of(node, len(slicer.axes(node.input[0]))) if cut else -1
    if at not in cut:
        return
    sizes: list[int] = []
    for name in node.output:
        run = slicer.axes(name)[at]
        left = slicer.left(run)
        sizes.append(len(left) if left is not None else 0 if run is None else len(run))
    if slicer.trace.opset < 13:
        _set(node, "split", sizes)
        return
    for index, each in enumerate(node.attribute):
        if each.name == "num_outputs":
            del node.attribute[index]
            break
    node.input[1:] = [slicer.constant(np.asarray(sizes, np.int64), f"{node.output[0]}_split")]


def _slice(slicer: Slicer, node: NodeProto) -> None:
    read = slicer.axes(node.input[0])
    cut = slicer.of(read)
    bounds = slice_bounds(slicer.trace, node, len(read)) if cut else None
    if bounds is None or not set(bounds) & set(cut):
        return
    for axis in set(bounds) & set(cut):
        whole = read[axis]
        start, end, step = bounds[axis]
        inside = range(0 if whole is None else len(whole))[start:end]
        bounds[axis] = (int((cut[axis] < inside.start).sum()), int((cut[axis] < inside.stop).sum()), step)
    columns = [list(each) for each in zip(*((axis, *each) for axis, each in bounds.items()), strict=True)]
    axes, starts, ends, steps = columns
    if slicer.trace.opset < 10:
        for name, value in (("axes", axes), ("starts", starts), ("ends", ends)):
            _set(node, name, value)
        return
    stated = (("starts", starts), ("ends", ends), ("axes", axes), ("steps", steps))
    kind = np.int64
    node.input[1:] = [slicer.constant(np.asarray(value, kind), f"{node.output[0]}_{name}") for name, value in stated]


def _gather(slicer: Slicer, node: NodeProto) -> None:
    read = slicer.axes(node.input[0])
    along = read[axis_of(node, len(read))] if slicer.of(read) else None
    left, indices = slicer.left(along), gathered(slicer.trace, node)
    if left is None or along is None or indices is None:
        return
    ranks = np.full(len(along), -1, np.int64)
    ranks[left] = np.arange(len(left))
    now = ranks[indices]
    node.input[1] = slicer.constant(now if now.ndim == 0 else now[now >= 0], f"{node.output[0]}_chosen")


PATCHES: dict[str, Patch] = {
    "Attention": _heads,
    "Conv": _groups,
    "ConstantOfShape": _target(0),
    "ConvTranspose": _groups,
    "Expand": _target(1),
    "GRU": _units,
    "Gather": _gather,
    "GroupNormalization": _norm_groups,
    "LSTM": _units,
    "RNN": _units,
    "Reshape": _target(1),
    "Resize": _sizes,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
}


_FUSED: dict[tuple[str, str], Patch] = {
    ("com.microsoft", "Attention"): _heads,
    ("com.microsoft", "FusedConv"): _groups,
    ("com.microsoft", "MultiHeadAttention"): _heads,
}


def patch_of(node: NodeProto) -> Patch | None:
    """Return what a node must be told, if anything."""
    return PATCHES.get(node.op_type) if is_standard(node) else _FUSED.get((node.domain, node.op_type))
