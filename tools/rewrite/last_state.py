"""Take the last step of a recurrent layer from its last state, so that the others are not written out.

Before: `LSTM` (`GRU`, `RNN`) → all steps → `Squeeze`, `Transpose` → `Gather` of the last one, as exporters write
`out[:, -1]`. After: `LSTM` → last state → `Squeeze`. For one direction without lengths of sequences, where nothing else
reads the steps; a layer that runs backwards ends in the first one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import is_standard
from ..quantize.graphs import attribute, input_name, int_attribute
from .scope import Scope, rewrite_graphs

_LAYERS = frozenset({"GRU", "LSTM", "RNN"})
_LENGTHS = 4
_AXES_AS_INPUT = 13
_STEPS, _WAYS = "steps", "ways"
_OUTPUT = (_STEPS, _WAYS, "batch", "units")


def take_last_state(model: ModelProto) -> int:
    """Rewrite in place and return in how many layers."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    return sum(_take(scope, node) for node in scope.nodes if node.op_type in _LAYERS and is_standard(node))


def _take(scope: Scope, node: NodeProto) -> int:
    end = _end(node)
    if end is None or not node.output or not node.output[0]:
        return 0
    axes, between, name = list(_OUTPUT), list[NodeProto](), node.output[0]
    while (reader := scope.only_reader(name)) is not None and is_standard(reader) and reader.input[0] == name:
        if reader.op_type == "Gather":
            return _put(scope, node, between, reader, axes) if _is_step(scope, reader, axes, end) else 0
        moved = _moved(scope, reader, axes)
        if moved is None:
            return 0
        axes, name = moved, reader.output[0]
        between.append(reader)
    return 0


def _end(node: NodeProto) -> int | None:
    """The step that the last state is of; None where that is not one for all."""
    given = attribute(node, "direction")
    way = given.s if given is not None else b"forward"
    if input_name(node, _LENGTHS) or int_attribute(node, "layout", 0):
        return None
    return {b"forward": -1, b"reverse": 0}.get(way)


def _moved(scope: Scope, node: NodeProto, axes: Sequence[str]) -> list[str] | None:
    """What lies along each axis after `node`, which had `axes` before; None where it does more than move them."""
    if node.op_type == "Transpose":
        given = attribute(node, "perm")
        return [axes[at] for at in given.ints] if given is not None else list(reversed(axes))
    if node.op_type != "Squeeze":
        return None
    given = attribute(node, "axes")
    numbers = tuple(given.ints) if given is not None else scope.integers(input_name(node, 1))
    if numbers is None or len(numbers) != 1 or axes[numbers[0]] != _WAYS:
        return None
    return [each for each in axes if each != _WAYS]


def _is_step(scope: Scope, gather: NodeProto, axes: Sequence[str], end: int) -> bool:
    index = scope.constant(gather.input[1])
    if index is None or index.shape != () or int(index) != end or axes[int_attribute(gather, "axis", 0)] != _STEPS:
        return False
    rest = [each for each in axes if each != _STEPS]
    return rest == [each for each in _OUTPUT if each in rest]


def _put(scope: Scope, node: NodeProto, between: Sequence[NodeProto], gather: NodeProto, axes: Sequence[str]) -> int:
    if len(node.output) < 2:
        node.output.append("")
    node.output[1] = node.output[1] or scope.fresh("state")
    if _WAYS in axes:
        scope.become(gather, "Identity", [node.output[1]])
    elif scope.version < _AXES_AS_INPUT:
        scope.become(gather, "Squeeze", [node.output[1]])
        gather.attribute.append(helper.make_attribute("axes", [0]))
    else:
        scope.become(gather, "Squeeze", [node.output[1], scope.store(np.array([0]), "axes")])
    scope.remove(between)
    node.output[0] = ""
    return 1
