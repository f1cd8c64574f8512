"""Cut channels out of a model, and prove it: what is left must equal the original with those channels zero.

Zero means zero where channels are mixed: just before each product, sum or recurrence that reads them. There what stands
between, biases and shifts and activations of zero that are not zero, makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from ...contracts import ToolError
from ..onnx_model import delete_named, quoted, read_names, to_array, to_tensor
from ..quantize.graphs import fixed_initializers, replace_nodes
from ..quantize.trial import copy_model, opened, run
from .coupling import Solved, solved
from .labels import Axes, Labels, Mask
from .rules.patches import patch_of
from .slicer import Slicer

# Of the largest answer: sums of fewer terms are rounded otherwise.
TOLERANCE = 1e-3

Keep = Mapping[str, Labels]
Left = Mapping[str, Mapping[int, Labels]]


@dataclass(frozen=True)
class Cut:
    """A model without some of its channels.

    Attributes:
        model: it; the original is untouched.
        keep: the channels that are left of each group that lost some.
        initializers: by name and axis the positions that are left, of those that lost some.
        tensors: the same of activations, whose names do not change.
    """

    model: ModelProto
    keep: Keep
    initializers: Left
    tensors: Left


def cut(model: ModelProto, keep: Keep) -> Cut:
    """Return `model` with nothing but the channels in `keep` of the groups that are named there.

    Args:
        model: its Constant nodes lifted.
        keep: channels by the id of their group (`couplings`), each group at least one.

    Raises:
        ToolError: there is no such group, or no such channel in it.
    """
    found = solved(model)
    going = _going(found, keep)
    made = copy_model(model)
    slicer = Slicer(found.trace, made, going)
    for node in list(made.graph.node):
        patch = patch_of(node)
        if patch is not None:
            patch(slicer, node)
        slicer.finish(node)
    left = {name: axes for name in found.trace.axes if (axes := slicer.cut_axes(name))}
    weights = fixed_initializers(made.graph)
    initializers = {name: axes for name, axes in left.items() if name in weights}
    for name, axes in initializers.items():
        _take(weights[name], axes)
    replace_nodes(made.graph, slicer.nodes)
    tensors = {name: axes for name, axes in left.items() if name not in weights}
    delete_named(made.graph.value_info, tensors.keys() | initializers.keys())
    _drop_unread(made, model)
    return Cut(made, dict(keep), initializers, tensors)


def _going(found: Solved, keep: Keep) -> Mask:
    """Return for each label whether it goes."""
    goes = np.zeros(int(found.component.max()) + 1, np.bool_)
    for name, kept in keep.items():
        channels = found.channels.get(name)
        if channels is None:
            raise ToolError(f"there are no channels {quoted(name)} that could go", "pruning")
        chosen = np.unique(np.asarray(kept, np.int64))
        if not len(chosen) or chosen[0] < 0 or chosen[-1] >= len(channels):
            raise ToolError(f"{quoted(name)} has channels 0 to {len(channels) - 1}, at least one stays", "pruning")
        goes[np.delete(channels, chosen)] = True
    return np.asarray(goes[found.component])


def _take(tensor: TensorProto, axes: Mapping[int, Labels]) -> None:
    values = to_array(tensor)
    for axis, left in axes.items():
        values = values.take(left, axis)
    tensor.CopyFrom(to_tensor(values, tensor.name))


def _drop_unread(made: ModelProto, model: ModelProto) -> None:
    """Drop the constants that only told widths which are others now."""
    before, after = (read_names(each.graph) for each in (model, made))
    delete_named(made.graph.initializer, before - after)


def masked(model: ModelProto, keep: Keep) -> ModelProto:
    """Return the original with the channels that are not kept zero wherever they are mixed.

    Raises:
        ToolError: as `cut`.
    """
    found = solved(model)
    made = copy_model(model)
    slicer = Slicer(found.trace, made, _going(found, keep))
    sites: dict[int, list[tuple[int, int]]] = {}
    for site in found.trace.sites:
        sites.setdefault(site.node, []).append((site.index, site.axis))
    for at, node in enumerate(list(made.graph.node)):
        for index, axis in sites.get(at, ()):
            _mask(slicer, node, index, axis, slicer.axes(found.trace.nodes[at].input[index]))
        slicer.finish(node)
    replace_nodes(made.graph, slicer.nodes)
    return made


def _mask(slicer: Slicer, node: NodeProto, index: int, axis: int, axes: Axes) -> None:
    name = node.input[index]
    along, left = (axes[axis], slicer.left(axes[axis])) if axis < len(axes) else (None, None)
    if along is None or left is None:
        return
    stays = np.zeros((len(along), *(1 for _ in axes[axis + 1 :])), np.bool_)
    stays[left] = True
    zero = to_tensor(np.zeros((), helper.tensor_dtype_to_np_dtype(slicer.trace.types.get(name, TensorProto.FLOAT))), "")
    mask = slicer.constant(stays, f"{name}_stays")
    node.input[index] = slicer.fresh(f"{name}_masked")
    nothing = slicer.constant(to_array(zero), f"{name}_zero")
    slicer.nodes.append(helper.make_node("Where", [mask, name, nothing], [node.input[index]]))


def check(model: ModelProto, made: Cut, feeds: Sequence[Mapping[str, Any]]) -> None:
    """Hold a cut model against the original with the same channels zero.

    Raises:
        ToolError: their answers differ, or one of them does not run.
    """
    with opened(masked(model, made.keep), as_shipped=False) as wanted, opened(made.model, as_shipped=False) as sliced:
        names = [each.name for each in wanted.get_outputs()]
        for feed in feeds:
            for name, one, other in zip(names, run(wanted, feed), run(sliced, feed), strict=True):
                _compare(name, one, other)


def _compare(name: str, wanted: Any, found: Any) -> None:
    one, other = np.asarray(wanted), np.asarray(found)
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ToolError(f"without the channels the output {quoted(name)} has another shape or type", "pruning")
    if one.dtype.kind != "f" or not one.size:
        return
    finite = one[np.isfinite(one)]
    allowed = TOLERANCE * float(np.abs(finite).max(initial=0.0)) + 1e-6
    if not np.allclose(one, other, rtol=0, atol=allowed, equal_nan=True):
        raise ToolError(
            f"without the channels the output {quoted(name)} is another than with them zero: nothing was cut", "pruning"
        )
