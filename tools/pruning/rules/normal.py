"""Normalizations: those of each channel or group by itself let it go, those across channels need all of them."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..trace import Outputs, Trace, UnclearError, given

ACROSS = "it is normalized together with the other channels"


def batch_norm(trace: Trace, node: NodeProto) -> Outputs:
    """Each channel by constants of its own."""
    if int_attribute(node, "training_mode", 0) or len([name for name in node.output if name]) > 1:
        raise UnclearError("it is in training mode")
    return _with_own(trace, node, 5)


def instance_norm(trace: Trace, node: NodeProto) -> Outputs:
    """Each channel by its mean and variance over places."""
    found = _with_own(trace, node, 3)
    trace.freeze_all(trace.known(node.input[0])[2:], "")
    return found


def _with_own(trace: Trace, node: NodeProto, inputs: int) -> Outputs:
    read = trace.known(node.input[0])
    if len(read) < 2:
        raise UnclearError("it has no channels")
    channels = read[1]
    for index in range(1, inputs):
        own = given(trace, node, index)
        if own is None or len(own) != 1:
            raise UnclearError("its constants do not fit its channels")
        channels = trace.tie(channels, own[0])
    return [(read[0], channels, *read[2:])]


def group_norm(trace: Trace, node: NodeProto) -> Outputs:
    """Groups of channels by mean and variance over the group: they go whole."""
    read = trace.known(node.input[0])
    groups = int_attribute(node, "num_groups", 0)
    if len(read) < 2 or read[1] is None or groups < 1 or len(read[1]) % groups:
        raise UnclearError("its groups do not divide its channels")
    whole = trace.unions.fresh(groups)
    channels = np.repeat(whole, len(read[1]) // groups)
    trace.tie(read[1], channels)
    for index in (1, 2):
        own = trace.known(node.input[index])
        if len(own) != 1 or own[0] is None:
            raise UnclearError("its constants do not fit its channels")
        trace.tie(own[0], channels if len(own[0]) == len(channels) else whole)
    trace.freeze_all(read[2:], "")
    return [read]


def layer_norm(trace: Trace, node: NodeProto) -> Outputs:
    """All axes from `axis` on together."""
    read = trace.known(node.input[0])
    axis = int_attribute(node, "axis", -1)
    if not read or not -len(read) <= axis < len(read):
        raise UnclearError("its axis is out of range")
    trace.freeze_all(read[axis % len(read) :], ACROSS)
    for name in node.input[1:]:
        if name:
            trace.freeze_all(trace.known(name), ACROSS)
    return [read, *(trace.whole(name) for name in node.output[1:])]


def softmax(trace: Trace, node: NodeProto) -> Outputs:
    """Along one axis; before opset 13 along all from it on."""
    read = trace.known(node.input[0])
    newer = trace.opset >= 13
    axis = int_attribute(node, "axis", -1 if newer else 1)
    if not read or not -len(read) <= axis < len(read):
        raise UnclearError("its axis is out of range")
    axis %= len(read)
    trace.freeze_all(read[axis : axis + 1] if newer else read[axis:], ACROSS)
    return [read]


def along_axis(trace: Trace, node: NodeProto) -> Outputs:
    """What mixes elements along `axis` alone, and keeps the shape: `LpNormalization`."""
    read = trace.known(node.input[0])
    axis = int_attribute(node, "axis", -1)
    if not read or not -len(read) <= axis < len(read):
        raise UnclearError("its axis is out of range")
    trace.freeze(read[axis], ACROSS)
    return [read]


def local_response(trace: Trace, node: NodeProto) -> Outputs:
    """Neighbouring channels together."""
    read = trace.known(node.input[0])
    trace.freeze_all(read[1:2], ACROSS)
    return [read]


def places(trace: Trace, node: NodeProto) -> Outputs:
    """Each channel by itself, sampled at places that the second operand tells."""
    read, grid = trace.known(node.input[0]), trace.known(node.input[1])
    trace.freeze_all((*read[2:], *grid), "")
    return [trace.like(node.output[0], (*read[:2], *(None for _ in read[2:])))]


def triangle(trace: Trace, node: NodeProto) -> Outputs:
    """The last two axes are counted."""
    read = trace.known(node.input[0])
    trace.freeze_all(read[-2:], "its positions are counted")
    return [read]


def along_computed(trace: Trace, node: NodeProto) -> Outputs:
    """What mixes elements along an axis that an input tells: `CumSum`."""
    read, axes = trace.known(node.input[0]), trace.numbers.integers(node.input[1])
    if axes is None or len(axes) != 1 or not -len(read) <= axes[0] < len(read):
        raise UnclearError("its axis is computed")
    trace.freeze(read[axes[0]], ACROSS)
    return [read]
