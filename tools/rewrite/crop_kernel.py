"""Cut off what of a convolution's kernel only ever meets padding.

Before: a `Conv` whose data are so small, and known to be, that some rows or columns of its kernel lie outside of them
at every position, as those of a padded 3×3 kernel do beside the centre where the data are 1×1. After: the same sums
with a smaller kernel and less padding. Only the main graph is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from ..onnx_model import is_standard
from ..quantize.graphs import attribute
from .inferred_dims import Dims, inferred_dims
from .scope import Scope, rewrite_graphs


class _Axis(NamedTuple):
    """What is left of the kernel along one axis, from `first` to before `last`, and of the padding."""

    first: int
    last: int
    begin: int
    end: int


def crop_kernels(model: ModelProto) -> int:
    """Rewrite in place and return how many kernels became smaller."""
    if not any(node.op_type == "Conv" for node in model.graph.node):
        return 0
    shapes = inferred_dims(model)

    def rule(scope: Scope) -> int:
        return _rewrite(scope, model.graph, shapes)

    return rewrite_graphs(model, rule)


def _rewrite(scope: Scope, graph: GraphProto, shapes: dict[str, Dims]) -> int:
    if scope.graph is not graph:
        return 0
    convolutions = [node for node in scope.nodes if node.op_type == "Conv" and is_standard(node)]
    return sum(_crop(scope, node, shapes.get(node.input[0], ())) for node in convolutions)


def _crop(scope: Scope, node: NodeProto, dims: Dims) -> int:
    weight = scope.constant(node.input[1])
    if weight is None or len(dims) != weight.ndim or not _is_plain(node) or not scope.alone(node.input[1]):
        return 0
    axes = _axes(node, dims[2:], weight.shape[2:])
    if axes is None or all(axis.last - axis.first == size for axis, size in zip(axes, weight.shape[2:], strict=True)):
        return 0
    kept = weight
    for at, axis in enumerate(axes):
        kept = kept.take(range(axis.first, axis.last), at + 2)
    scope.set_inputs(node, [node.input[0], scope.store(np.ascontiguousarray(kept), node.input[1]), *node.input[2:]])
    _set(node, "kernel_shape", kept.shape[2:])
    _set(node, "pads", [*(axis.begin for axis in axes), *(axis.end for axis in axes)])
    return 1


def _is_plain(node: NodeProto) -> bool:
    mode = attribute(node, "auto_pad")
    return mode is None or mode.s in (b"", b"NOTSET")


def _axes(node: NodeProto, sizes: Sequence[int | str], kernel: Sequence[int]) -> list[_Axis] | None:
    """Return what is needed along each axis; None where a size is not known, or nothing comes out."""
    rank = len(kernel)
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    pads = _ints(node, "pads", [0] * 2 * rank)
    found: list[_Axis] = []
    for at, (size, taps) in enumerate(zip(sizes, kernel, strict=True)):
        begin, end = pads[at], pads[at + rank]
        if not isinstance(size, int):
            found.append(_Axis(0, taps, begin, end))
            continue
        positions = (size + begin + end - dilations[at] * (taps - 1) - 1) // strides[at] + 1
        starts = [position * strides[at] - begin for position in range(positions)]
        met = [tap for tap in range(taps) if any(0 <= start + tap * dilations[at] < size for start in starts)]
        if not met or min(begin, end) < 0:
            return None
        first, last = met[0], met[-1] + 1
        # The last position may leave data over that it never reached: then less padding would give one more position.
        less = begin - first * dilations[at], end - (taps - last) * dilations[at]
        if min(less) < 0:
            first, last, less = 0, taps, (begin, end)
        found.append(_Axis(first, last, *less))
    return found


def _ints(node: NodeProto, name: str, default: list[int]) -> list[int]:
    given = attribute(node, name)
    return list(given.ints) if given is not None else default


def _set(node: NodeProto, name: str, values: Sequence[int]) -> None:
    kept = [each for each in node.attribute if each.name != name]
    node.ClearField("attribute")
    node.attribute.extend([*kept, helper.make_attribute(name, [int(value) for value in values])])
