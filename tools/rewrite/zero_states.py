"""Leave out initial states of zeros, which recurrent operators start from by themselves.

Before: `LSTM(…, initial_h, initial_c)`, or `GRU` and `RNN` with one, whose states are zeros, as exporters write them:
`Shape → Gather → Concat → ConstantOfShape → Slice`. After: no such inputs. On a small LSTM in int8 making the zeros
takes a tenth of the time.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto

from ..onnx_model import to_array
from ..quantize.graphs import attribute
from .scope import Scope, rewrite_graphs

_STATES = {"GRU": (5,), "LSTM": (5, 6), "RNN": (5,)}
_MOVERS = {"Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
_SHAPES = {"Concat", "Constant", "Gather", "Shape"}


def drop_zero_states(model: ModelProto) -> int:
    """Rewrite in place and return how many states went."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    count = 0
    for node in scope.nodes:
        inputs = list(node.input)
        # A state that is left out must not follow one that stays: an LSTM takes both or none.
        states = [at for at in _STATES.get(node.op_type, ()) if at < len(inputs) and inputs[at]]
        if states and node.domain in ("", "ai.onnx") and all(_is_zero(scope, inputs[at]) for at in states):
            left = ["" if at in states else name for at, name in enumerate(inputs)]
            while not left[-1]:
                left.pop()
            sources = [inputs[at] for at in states]
            scope.set_inputs(node, left)
            for source in sources:
                _sweep(scope, source)
            count += len(states)
    return count


def _is_zero(scope: Scope, name: str) -> bool:
    """Tell whether `name` is zeros of whatever shape."""
    value = scope.floats(name)
    if value is not None:
        return not value.any()
    node = scope.producer(name)
    if node is None:
        return False
    if node.op_type == "ConstantOfShape":
        given = attribute(node, "value")
        return given is None or ((value := to_array(given.t)).dtype == np.float32 and not value.any())
    return node.op_type in _MOVERS and _is_zero(scope, node.input[0])


def _sweep(scope: Scope, name: str) -> None:
    """Remove what made `name`, as far back as nothing else reads it."""
    pending: list[NodeProto | None] = [scope.producer(name)]
    while pending:
        node = pending.pop()
        if node is None or not scope.has(node) or node.op_type not in _MOVERS | _SHAPES | {"ConstantOfShape"}:
            continue
        if not any(len(scope.readers(output)) for output in node.output):
            scope.remove([node])
            pending += [scope.producer(each) for each in node.input if each]
