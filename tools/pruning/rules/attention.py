"""Attention in one node: heads go whole, from queries, keys and values at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import attribute, input_name, int_attribute
from ..labels import Axis, Labels
from ..trace import Outputs, Trace, UnclearError, given


def joint(trace: Trace, node: NodeProto) -> Outputs:
    """`Attention` of com.microsoft: one weight `(read, queries + keys + values)` in the node."""
    _no_past(node, inputs=(4, 6), outputs=1)
    read, weight = trace.known(node.input[0]), trace.known(node.input[1])
    if len(read) != 3 or len(weight) != 2 or weight[1] is None:
        raise UnclearError("the extents of its weight are not known")
    heads = _heads(trace, int_attribute(node, "num_heads", 0))
    sizes = joint_sizes(node, len(weight[1]))
    labels = np.concatenate([_wide(heads, each) for each in sizes])
    trace.tie(read[2], weight[0])
    trace.mix(0, 2)
    trace.reading(node.input[1], weight[0])
    trace.giving(node.input[1], weight[1])
    trace.tie(weight[1], labels)
    bias = given(trace, node, 2)
    if bias is not None:
        trace.giving(node.input[2], bias[0])
        trace.tie(bias[0], labels)
    _scores(trace, node, 5, heads)
    return [(read[0], read[1], _wide(heads, sizes[2]))]


def joint_sizes(node: NodeProto, width: int) -> tuple[int, ...]:
    """Return how many columns of the joint weight are queries, keys and values."""
    found = attribute(node, "qkv_hidden_sizes")
    sizes = tuple(found.ints) if found is not None and len(found.ints) else (width // 3,) * 3
    if len(sizes) != 3 or sum(sizes) != width:
        raise UnclearError("its weight does not fit its heads")
    return sizes


def multi_head(trace: Trace, node: NodeProto) -> Outputs:
    """`MultiHeadAttention` of com.microsoft: queries, keys and values `(batch, length, channels)` are read apart."""
    _no_past(node, inputs=(6, 7, 8, 9), outputs=1)
    heads = _heads(trace, int_attribute(node, "num_heads", 0))
    parts = [_part(trace, node, index, heads) for index in range(3)]
    bias = given(trace, node, 3)
    if bias is not None:
        trace.giving(node.input[3], bias[0])
        trace.tie(bias[0], np.concatenate(parts))
    _scores(trace, node, 5, heads)
    read = trace.known(node.input[0])
    return [(read[0], read[1], parts[2])]


def standard(trace: Trace, node: NodeProto) -> Outputs:
    """`Attention` of the default domain: as above, or heads are the second of four axes."""
    _no_past(node, inputs=(4, 5), outputs=1)
    shapes = [trace.known(node.input[index]) for index in range(3)]
    if all(len(each) == 3 for each in shapes):
        count = int_attribute(node, "q_num_heads", 0)
        if int_attribute(node, "kv_num_heads", 0) != count:
            raise UnclearError("several of its queries share keys")
        heads = _heads(trace, count)
        made: list[Axis] = [*shapes[0][:2], [_part(trace, node, index, heads) for index in range(3)][2]]
    elif all(len(each) == 4 for each in shapes):
        heads = _apart(trace, [each[1] for each in shapes])
        trace.freeze_all([each[3] for each in shapes], "heads go whole")
        made = [shapes[0][0], heads, shapes[0][2], shapes[2][3]]
    else:
        raise UnclearError("its operands do not fit each other")
    _scores(trace, node, 3, heads)
    return [tuple(made)]


def _apart(trace: Trace, axes: Sequence[Axis]) -> Labels:
    first = axes[0]
    if first is None or any(each is None or len(each) != len(first) for each in axes):
        raise UnclearError("several of its queries share keys")
    for each in axes[1:]:
        trace.tie(first, each)
    return first


def _no_past(node: NodeProto, inputs: Sequence[int], outputs: int) -> None:
    if any(input_name(node, index) for index in inputs) or any(node.output[outputs:]):
        raise UnclearError("it takes or gives what past calls left")


def _heads(trace: Trace, count: int) -> Labels:
    if not 0 < count < 2**16:
        raise UnclearError("it does not say how many heads it has")
    return trace.unions.fresh(count)


def _wide(heads: Labels, width: int) -> Labels:
    if width % len(heads):
        raise UnclearError("its heads do not divide its channels")
    return np.repeat(heads, width // len(heads))


def _part(trace: Trace, node: NodeProto, index: int, heads: Labels) -> Labels:
    axes = given(trace, node, index)
    if axes is None or len(axes) != 3 or axes[2] is None:
        raise UnclearError("its queries, keys and values are not apart")
    labels = _wide(heads, len(axes[2]))
    trace.tie(axes[2], labels)
    return labels


def _scores(trace: Trace, node: NodeProto, index: int, heads: Labels) -> None:
    """What is added to the scores, `(batch, heads or 1, length, length)` or without the first axes."""
    added = given(trace, node, index)
    if added is None or len(added) < 3:
        return
    own = added[-3]
    if own is None or len(own) not in (1, len(heads)):
        trace.freeze(heads, "its scores are masked by what is computed")
    elif len(own) == len(heads):
        trace.tie(own, heads)
