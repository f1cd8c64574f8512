"""Convolutions: the second axis of what they read meets the weight; groups of channels go whole."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..labels import Axes, Axis
from ..trace import Outputs, Trace, UnclearError, given

_SPACE = "it is a place, not a channel"


def conv(trace: Trace, node: NodeProto) -> Outputs:
    """The weight is `(given, read / groups, kernel…)`."""
    return _convolution(trace, node, turned=False)


def conv_transpose(trace: Trace, node: NodeProto) -> Outputs:
    """The weight is `(read, given / groups, kernel…)`."""
    return _convolution(trace, node, turned=True)


def _convolution(trace: Trace, node: NodeProto, turned: bool) -> Outputs:
    read, weight = trace.known(node.input[0]), trace.known(node.input[1])
    if len(read) < 3 or len(weight) != len(read):
        raise UnclearError("its weight does not fit what it reads")
    trace.freeze_all((*read[2:], *weight[2:]), _SPACE)
    groups = int_attribute(node, "group", 1)
    plain = groups == 1
    made = _plain(trace, node, read, weight, turned) if plain else _grouped(trace, read, weight, groups, turned)
    trace.giving(node.input[1], weight[1 if turned and plain else 0])
    bias = given(trace, node, 2)
    if bias is not None:
        trace.giving(node.input[2], bias[0])
        trace.tie(made, bias[0])
    return [trace.like(node.output[0], (read[0], made, *(None for _ in read[2:])))]


def _plain(trace: Trace, node: NodeProto, read: Axes, weight: Axes, turned: bool) -> Axis:
    inner, made = (weight[0], weight[1]) if turned else (weight[1], weight[0])
    trace.tie(read[1], inner)
    trace.reading(node.input[1], inner)
    trace.mix(0, 1)
    return made


def _grouped(trace: Trace, read: Axes, weight: Axes, groups: int, turned: bool) -> Axis:
    """Tie each group of what is read to the group of what is given: they go together, and others see nothing."""
    if weight[0] is None or weight[1] is None:
        raise UnclearError("the extents of its weight are not known")
    outer = weight[0]
    if groups < 1 or len(outer) % groups:
        raise UnclearError("its groups do not divide its channels")
    whole = trace.unions.fresh(groups)
    trace.tie(outer, np.repeat(whole, len(outer) // groups))
    trace.freeze(weight[1], "groups of channels go whole")
    if turned:
        trace.tie(read[1], outer)
        return np.repeat(whole, len(weight[1]))
    trace.tie(read[1], np.repeat(whole, len(weight[1])))
    return outer
