"""Convolutions: the second axis of what they read meets the weight.

Of those that work in groups, either whole groups go, or as many channels of each: the first where groups are many and
narrow (depthwise), the second where they are few and wide.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..labels import MOST, Axes, Axis
from ..trace import Outputs, Trace, UnclearError, given


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
    trace.freeze_all((*read[2:], *weight[2:]), "")
    plain = int_attribute(node, "group", 1) == 1
    made = (_plain if plain else _grouped)(trace, node, read, weight, turned)
    trace.giving(node.input[1], weight[1 if turned else 0])
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


def _grouped(trace: Trace, node: NodeProto, read: Axes, weight: Axes, turned: bool) -> Axis:
    groups = int_attribute(node, "group", 1)
    if weight[0] is None or weight[1] is None:
        raise UnclearError("the extents of its weight are not known")
    if groups < 1 or len(weight[0]) % groups or groups * len(weight[1]) > MOST:
        raise UnclearError("its groups do not divide its channels")
    each = (len(weight[0]) // groups, len(weight[1]))
    width = min(each)
    if trace.fork((groups, width), 0 if groups >= width else 1) == 0:
        return _whole_groups(trace, groups, read, weight, turned)
    return _parts_of_groups(trace, node, groups, read, weight, turned)


def _whole_groups(trace: Trace, groups: int, read: Axes, weight: Axes, turned: bool) -> Axis:
    """A group of what is read goes with that of what is given; the others never saw it."""
    outer, inner = weight[:2]
    if outer is None or inner is None:
        return None
    whole = trace.unions.fresh(groups)
    trace.tie(outer, np.repeat(whole, len(outer) // groups))
    trace.freeze(inner, "")
    trace.forked((groups, min(len(outer) // groups, len(inner))), whole)
    if turned:
        trace.tie(read[1], outer)
        return np.repeat(whole, len(inner))
    trace.tie(read[1], np.repeat(whole, len(inner)))
    return outer


def _parts_of_groups(trace: Trace, node: NodeProto, groups: int, read: Axes, weight: Axes, turned: bool) -> Axis:
    """The same channels of each group go, of what is read and of what is given."""
    outer, inner = weight[:2]
    if outer is None or inner is None:
        return None
    part = trace.unions.fresh(len(outer) // groups)
    trace.tie(outer, np.tile(part, groups))
    trace.forked((groups, min(len(part), len(inner))), np.concatenate([part, inner]))
    trace.mix(0, 1)
    trace.reading(node.input[1], outer if turned else inner)
    trace.tie(read[1], outer if turned else np.tile(inner, groups))
    return np.tile(inner, groups) if turned else outer
