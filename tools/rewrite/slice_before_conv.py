"""Do not compute what a Slice behind a convolution cuts off.

Before: `Conv → Slice` along an axis of positions, activations or a Split of channels between them, as causal
convolutions cut off what their padding at the end made, and spectra their first frames. After: no Slice, and that much
less padding, in the Conv or in a Pad before it. Where less padding cannot stand for it, nothing changes; nor where the
Slice may leave nothing: an empty value is what no convolution makes. A length that is free is one at least.
Needs opset 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import delete_named, is_standard, iter_nodes
from ..quantize.graphs import attribute, int_attribute
from .inferred_dims import Dims, inferred_dims
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
    """Rewrite in place and return how many slices cut off less, or nothing any more."""
    if not {"Conv", "Slice"} <= {node.op_type for node in iter_nodes(model)}:
        return 0
    return rewrite_graphs(model, partial(_rewrite, dims=inferred_dims(model)))


def _rewrite(scope: Scope, dims: Mapping[str, Dims]) -> int:
    if scope.version < MIN_OPSET:
        return 0
    shorter = set[str]()
    convolutions = [node for node in scope.nodes if node.op_type == "Conv" and is_standard(node)]
    count = sum(_move(scope, node, dims, shorter) for node in convolutions)
    delete_named(scope.graph.value_info, shorter)
    return count


def _move(scope: Scope, node: NodeProto, dims: Mapping[str, Dims], shorter: set[str]) -> int:
    """Move what all slices behind a convolution cut off alike; `shorter` takes the names of values that change."""
    names, slices = _behind(scope, node)
    cuts = [_read(scope, each) for each in slices]
    alike = sorted(set(cuts[0]).intersection(*cuts[1:])) if cuts else []
    moved = [cut for cut in alike if _leaves_some(scope, node, cut, dims) and _apply(scope, node, cut, shorter)]
    if not moved:
        return 0
    shorter.update(names)
    for each in slices:
        _drop(scope, each, {cut.axis for cut in moved})
    return len(slices)


def _behind(scope: Scope, node: NodeProto) -> tuple[list[str], list[NodeProto]]:
    """Return the slices that alone read what `node` makes, and the values before them; no slices where others do."""
    name, names, slices = node.output[0], [node.output[0]], list[NodeProto]()
    while (after := scope.only_reader(name)) is not None and after.op_type in ELEMENTWISE and is_standard(after):
        name = after.output[0]
        names.append(name)
    for reader in scope.readers(name):
        if reader is not None and reader.op_type == "Split" and int_attribute(reader, "axis", 0) == 1:
            names += reader.output
            found = [scope.only_reader(part) for part in reader.output]
        else:
            found = [reader]
        taken = [each for each in found if each is not None and each.op_type == "Slice" and is_standard(each)]
        if len(taken) < len(found):
            return names, []
        slices += taken
    return names, slices


def _read(scope: Scope, node: NodeProto) -> list[_Cut]:
    """Return what a Slice cuts off along axes of positions, where that does not depend on how many there are."""
    cuts: list[_Cut] = []
    for axis, start, end, step in zip(*_numbers(scope, node), strict=True):
        if axis > 1 and step == 1 and start >= 0 and (end < 0 or end >= _OPEN_END):
            cuts.append(_Cut(axis, start, -end if end < 0 else 0))
    return cuts


def _numbers(scope: Scope, node: NodeProto) -> tuple[tuple[int, ...], ...]:
    """Return axes, starts, ends and steps of a Slice; none at all where they are not known."""
    starts, ends, axes, steps = ([*node.input[1:], "", ""])[:4]
    found = [_integers(scope, each) for each in (axes, starts, ends)]
    found.append(_integers(scope, steps) if steps else (1,) * len(found[0]))
    return tuple(found) if found[0] and len({len(each) for each in found}) == 1 else ((),) * 4


def _integers(scope: Scope, name: str) -> tuple[int, ...]:
    """Return stored numbers, or what a Concat puts together of such; passes that join slices write that."""
    joined = scope.producer(name)
    parts = joined.input if joined is not None and joined.op_type == "Concat" else [name]
    found = [scope.integers(each) for each in parts]
    return tuple(number for each in found if each for number in each) if all(found) else ()


def _drop(scope: Scope, node: NodeProto, gone: set[int]) -> None:
    """Let a Slice leave the axes `gone` as they are."""
    kept = [each for each in zip(*_numbers(scope, node), strict=True) if each[0] not in gone]
    source, makers = node.input[0], [scope.producer(name) for name in dict.fromkeys(node.input[1:])]
    if kept:
        axes, starts, ends, steps = (scope.store(np.array(each, np.int64), "cut") for each in zip(*kept, strict=True))
        scope.set_inputs(node, [source, starts, ends, axes, steps])
    elif (maker := scope.part(source)) is not None:
        scope.take_over(maker, node)
    elif None in scope.readers(node.output[0]):
        scope.become(node, "Identity", [source])
    else:
        scope.replace_reads(node.output[0], source)
        scope.remove([node])
    joins = [each for each in makers if each is not None and each.op_type == "Concat"]
    scope.remove(each for each in joins if not scope.readers(each.output[0]))


def _leaves_some(scope: Scope, node: NodeProto, cut: _Cut, dims: Mapping[str, Dims]) -> bool:
    """Tell whether something is left of the shortest that the convolution makes."""
    weight = scope.constant(node.input[1])
    if weight is None or cut.axis >= weight.ndim:
        return False
    rank, at = weight.ndim - 2, cut.axis - 2
    pads = _ints(node, "pads", [0] * 2 * rank)
    reach = (weight.shape[cut.axis] - 1) * _ints(node, "dilations", [1] * rank)[at] + 1
    spare = max(_least(scope, node.input[0], cut.axis, dims) + pads[at] + pads[at + rank] - reach, 0)
    return spare // _ints(node, "strides", [1] * rank)[at] + 1 > cut.begin + cut.end


def _least(scope: Scope, name: str, axis: int, dims: Mapping[str, Dims]) -> int:
    """Return how long a value is along an axis of positions at least."""
    known = dims.get(name, ())
    if axis < len(known) and isinstance(length := known[axis], int):
        return length
    node = scope.producer(name)
    if node is None or not is_standard(node):
        return 1
    if node.op_type == "Unsqueeze" and (added := _added(scope, node)) and axis not in added:
        return _least(scope, node.input[0], axis - sum(each < axis for each in added), dims)
    if node.op_type == "Pad" and len(node.input) in (2, 3) and (pads := scope.integers(node.input[1])):
        return max(_least(scope, node.input[0], axis, dims) + pads[axis] + pads[axis + len(pads) // 2], 1)
    return 1


def _added(scope: Scope, node: NodeProto) -> tuple[int, ...]:
    """Return the axes that an Unsqueeze adds; none where they are not known, or counted from the end."""
    given = attribute(node, "axes")
    added = tuple(given.ints) if given is not None else scope.integers(node.input[1]) or ()
    return added if min(added, default=-1) >= 0 else ()


def _apply(scope: Scope, node: NodeProto, cut: _Cut, shorter: set[str]) -> bool:
    """Let a convolution make no more than what `cut` leaves."""
    weight = scope.constant(node.input[1])
    if weight is None or cut.axis >= weight.ndim or _has_automatic_pads(node) or not (cut.begin or cut.end):
        return False
    rank = weight.ndim - 2
    at = cut.axis - 2
    pads, strides = _ints(node, "pads", [0] * 2 * rank), _ints(node, "strides", [1] * rank)
    more: list[int] = []
    for place, positions in ((at, cut.begin), (at + rank, cut.end)):
        taken = min(positions * strides[at], max(pads[place], 0))
        pads[place] -= taken
        more.append(positions * strides[at] - taken)
    if any(more) and not _unpad(scope, node.input[0], _Cut(cut.axis, more[0], more[1]), shorter):
        return False
    kept = [each for each in node.attribute if each.name != "pads"]
    node.ClearField("attribute")
    node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
    return True


def _unpad(scope: Scope, name: str, cut: _Cut, shorter: set[str]) -> bool:
    """Take the cut off a Pad that makes `name`, axes that were added since apart."""
    node, axis, names = scope.part(name), cut.axis, [name]
    while node is not None and node.op_type == "Unsqueeze":
        added = _added(scope, node)
        if not added or axis in added:
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
