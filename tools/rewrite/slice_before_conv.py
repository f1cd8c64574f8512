"""Do not compute what a Slice behind a convolution cuts off.

Before: `Conv → Slice` along an axis of positions, activations or a Split of channels between them, as causal
convolutions cut off what their padding at the end made, and spectra their first frames. After: no Slice, and that much
less padding, in the Conv or in a Pad before it. Where less padding cannot stand for it, nothing changes.
Needs opset 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import delete_named, is_standard
from ..quantize.graphs import attribute, int_attribute
from .scope import Scope, rewrite_graphs
from .tracing import ELEMENTWISE

MIN_OPSET = 10
_PAD_OPSET = 11  # before, the amounts are an attribute
_OPEN_END = 2**31 - 1


class _Cut(NamedTuple):
    """How many positions go along one axis, at its begin and at its end."""

    axis: int
    begin: int
    end: int


def slice_before_conv(model: ModelProto) -> int:
    """Rewrite in place and return how many slices are gone."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    shorter = set[str]()
    splits = [node for node in scope.nodes if node.op_type == "Split" and is_standard(node)]
    count = sum(_unsplit(scope, node, shorter) for node in splits)
    for node in scope.nodes:
        cut = _read(scope, node)
        maker = scope.part(node.input[0]) if cut is not None else None
        if cut is not None and maker is not None and _apply(scope, node.input[0], cut, shorter):
            scope.take_over(maker, node)
            count += 1
    delete_named(scope.graph.value_info, shorter)
    return count


def _read(scope: Scope, node: NodeProto | None) -> _Cut | None:
    """Return what a Slice cuts off along one axis, where that does not depend on how much there is."""
    if node is None or node.op_type != "Slice" or not is_standard(node) or len(node.input) < 4:
        return None
    numbers = [scope.integers(name) if name else (1,) for name in [*node.input[1:], ""][:4]]
    if any(each is None or len(each) != 1 for each in numbers):
        return None
    start, end, axis, step = (each[0] for each in numbers if each is not None)
    if step != 1 or start < 0 or axis < 2 or not (end < 0 or end >= _OPEN_END):
        return None
    return _Cut(axis, start, -end if end < 0 else 0)


def _unsplit(scope: Scope, node: NodeProto, shorter: set[str]) -> int:
    """Cut before a Split, if all of its parts are cut in the same way; `shorter` takes the names that are now."""
    slices = [scope.only_reader(name) for name in node.output]
    cuts = {_read(scope, each) for each in slices}
    cut = next(iter(cuts))
    if len(cuts) > 1 or cut is None or not 0 <= int_attribute(node, "axis", 0) != cut.axis:
        return 0
    if any(each is None or None in scope.readers(each.output[0]) for each in slices):
        return 0
    if not _apply(scope, node.input[0], cut, shorter):
        return 0
    shorter.update(node.output)
    for name, each in zip(node.output, slices, strict=True):
        assert each is not None
        scope.replace_reads(each.output[0], name)
        scope.remove([each])
    return len(slices)


def _apply(scope: Scope, name: str, cut: _Cut, shorter: set[str]) -> bool:
    """Let what makes `name`, which only the cut reads, make no more than what it leaves."""
    node, names = scope.part(name), [name]
    while node is not None and node.op_type in ELEMENTWISE:
        names.append(node.input[0])
        node = scope.part(node.input[0])
    weight = scope.constant(node.input[1]) if node is not None and node.op_type == "Conv" else None
    if node is None or weight is None or cut.axis >= weight.ndim or _has_automatic_pads(node):
        return False
    rank = weight.ndim - 2
    at = cut.axis - 2
    pads, strides = _ints(node, "pads", [0] * 2 * rank), _ints(node, "strides", [1] * rank)
    more = []
    for place, positions in ((at, cut.begin), (at + rank, cut.end)):
        taken = min(positions * strides[at], max(pads[place], 0))
        pads[place] -= taken
        more.append(positions * strides[at] - taken)
    if any(more) and not _unpad(scope, node.input[0], _Cut(cut.axis, more[0], more[1]), shorter):
        return False
    shorter.update(names)
    kept = [each for each in node.attribute if each.name != "pads"]
    node.ClearField("attribute")
    node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
    return True


def _unpad(scope: Scope, name: str, cut: _Cut, shorter: set[str]) -> bool:
    """Take the cut off a Pad that makes `name`, axes that were added since apart."""
    node, axis, names = scope.part(name), cut.axis, [name]
    while node is not None and node.op_type == "Unsqueeze":
        given = attribute(node, "axes")
        added = tuple(given.ints) if given is not None else scope.integers(node.input[1]) or (-1,)
        if min(added) < 0 or axis in added:
            return False
        axis -= sum(each < axis for each in added)
        names.append(node.input[0])
        node = scope.part(node.input[0])
    if node is None or node.op_type != "Pad" or scope.version < _PAD_OPSET or len(node.input) > 3:
        return False
    pads = list(scope.integers(node.input[1]) or ())
    rank = len(pads) // 2
    if not pads or pads[axis] < cut.begin or pads[axis + rank] < cut.end:
        return False
    pads[axis] -= cut.begin
    pads[axis + rank] -= cut.end
    scope.set_inputs(node, [node.input[0], scope.store(np.array(pads, np.int64), node.input[1]), *node.input[2:]])
    shorter.update(names)
    return True


def _has_automatic_pads(node: NodeProto) -> bool:
    mode = attribute(node, "auto_pad")
    return mode is not None and mode.s not in (b"", b"NOTSET")


def _ints(node: NodeProto, name: str, default: list[int]) -> list[int]:
    given = attribute(node, name)
    return list(given.ints) if given is not None else default
