"""Make integer operators of calibrated calls, so that a stock torch computes in 8 bits.

Weights become torch's own prepacked objects. What is saved of them is plain (int8 weights, scales, bias); opening the
file packs them for the processor that is there. An exported program cannot name the type of a quantized tensor: its
number stands in for it, and such tensors are described as the uint8 that they hold.

    x → conv2d → relu → y    becomes    x → quantize → conv2d_relu → dequantize → y

and a dequantize that meets the next quantize goes away with it, also across what only moves values (pooling,
reshaping) and across the sum of two quantized branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Node

from .editor import Call, ProgramEditor
from .layout import relax_views
from .observe import Observed, Scale, Weight
from .units import RELUS, Unit

aten = torch.ops.aten
ops = torch.ops.quantized

# torch.quint8, as the operators' schemas number types: the file format has no name for it.
_QUINT8 = 13
_QUANTIZE, _DEQUANTIZE = aten.quantize_per_tensor.default, aten.dequantize.self
_ADDS = (aten.add.Tensor, aten.add_.Tensor)
# Calls that move values and compute none, on quantized tensors too.
MOVES = frozenset(
    {
        aten.max_pool2d.default,
        aten.flatten.using_ints,
        aten.reshape.default,
        aten.permute.default,
        aten.transpose.int,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.unsqueeze.default,
    }
)


def lower(editor: ProgramEditor, units: list[Unit], forms: Mapping[str, str], observed: Mapping[str, Observed]) -> None:
    """Replace each unit by its integer operator, and each observed sum by a quantized one."""
    relax_views(editor)
    for unit in units:
        if unit.name in forms:
            (_lower_static if forms[unit.name] == "static" else _lower_dynamic)(editor, unit, observed[unit.name])
    for node in editor.calls(*_ADDS):
        known = observed.get(node.name)
        if known is not None and known.answer is not None:
            _lower_add(editor, node, known.answer)
    for node in editor.calls(_QUANTIZE):
        _join(editor, node)


def _lower_static(editor: ProgramEditor, unit: Unit, found: Observed) -> None:
    assert found.source is not None
    assert found.answer is not None
    assert found.weight is not None
    value, last = unit.node.args[0], unit.last
    packed = editor.add_object(f"{unit.name}.packed", _pack(editor, unit, found.weight))
    operator = getattr(ops, f"{unit.op_type}_relu" if unit.has_relu else unit.op_type)
    overload = operator.new if unit.op_type == "conv2d" else operator.default
    source = _quantized(editor, last, value, found.source)
    scale = found.answer
    like = last.meta["val"]
    answer = editor.call(last, overload, (source, packed, scale.scale, scale.zero_point), _held_as(like))
    editor.replace(last, editor.call(last, _DEQUANTIZE, (answer,), like))


def _lower_dynamic(editor: ProgramEditor, unit: Unit, found: Observed) -> None:
    assert found.weight is not None
    packed = editor.add_object(f"{unit.name}.packed", _pack(editor, unit, found.weight))
    overload = ops.linear_relu_dynamic.default if unit.has_relu else ops.linear_dynamic.default
    editor.replace(unit.last, editor.call(unit.last, overload, (unit.node.args[0], packed), unit.last.meta["val"]))


def _pack(editor: ProgramEditor, unit: Unit, weight: Weight) -> Any:
    if weight.scales.numel() > 1:
        scales, zeros = weight.scales.double(), torch.zeros(weight.scales.numel(), dtype=torch.int64)
        value = aten._make_per_channel_quantized_tensor(weight.values, scales, zeros, 0)
    else:
        value = aten._make_per_tensor_quantized_tensor(weight.values, float(weight.scales), 0)
    bias = editor.optional(unit.node.args[2]) if len(unit.node.args) > 2 else None
    if unit.op_type == "linear":
        return ops.linear_prepack(value, bias)
    stride, padding, dilation, groups = unit.geometry()
    prepack = ops.conv1d_prepack if unit.op_type == "conv1d" else ops.conv2d_prepack
    return prepack(value, bias, stride, padding, dilation, groups)


def _quantized(editor: ProgramEditor, before: Call, value: Any, scale: Scale) -> Call:
    arguments = (value, scale.scale, scale.zero_point, _QUINT8)
    return editor.call(before, _QUANTIZE, arguments, _held_as(value.meta["val"]))


def _held_as(like: Any) -> Any:
    return like.to(torch.uint8)


def _lower_add(editor: ProgramEditor, node: Call, scale: Scale) -> None:
    """Add two quantized branches; a branch that is not quantized leaves the sum as it is."""
    sides = [_unmoved(each) for each in node.args[:2]]
    if node.kwargs or len(sides) != 2 or any(side is None for side in sides) or not _same_shape(node):
        return
    readers = list(node.users)
    relu = readers[0] if len(readers) == 1 and readers[0].target in RELUS else None
    last = relu or node
    operator = ops.add_relu.default if relu is not None else ops.add.default
    inputs = tuple(_before_dequantize(editor, each) for each in node.args[:2])
    answer = editor.call(last, operator, (*inputs, scale.scale, scale.zero_point), _held_as(last.meta["val"]))
    editor.replace(last, editor.call(last, _DEQUANTIZE, (answer,), last.meta["val"]))


def _same_shape(node: Call) -> bool:
    shapes = {str(tuple(each.meta["val"].shape)) for each in node.args[:2]}
    return len(shapes) == 1


def _unmoved(node: Any) -> Call | None:
    """Return the dequantize call that `node` comes from through moves alone."""
    while isinstance(node, Node) and node.target in MOVES:
        node = node.args[0]
    return node if isinstance(node, Node) and node.target is _DEQUANTIZE else None


def _before_dequantize(editor: ProgramEditor, node: Any) -> Call:
    """Return the quantized tensor behind `node`, with the moves between repeated on it."""
    if node.target is _DEQUANTIZE:
        return node.args[0]
    source = _before_dequantize(editor, node.args[0])
    return editor.call(node, node.target, (source, *node.args[1:]), _held_as(node.meta["val"]))


def _join(editor: ProgramEditor, node: Call) -> None:
    """Let a quantize call that undoes a dequantize read what was quantized before; its own scale is as good."""
    if _unmoved(node.args[0]) is not None:
        editor.replace(node, _before_dequantize(editor, node.args[0]))
