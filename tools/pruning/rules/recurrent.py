"""LSTM, GRU and RNN: a unit has a row of each gate's weights, is read by all of them, and has a state of its own.

Both directions hold as many units, and what reads them cannot tell whose extent it is: units go from both at once.
Initial states lose the same units, but for those that are zero: these are left out, so that layers which share one are
not tied by it.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from ...quantize.graphs import int_attribute
from ..labels import Axes, staying
from ..trace import Outputs, Trace, UnclearError, given

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STATES = (5, 6)  # inputs that hold initial states


def recurrent(trace: Trace, node: NodeProto) -> Outputs:
    """`X (steps, batch, read)`, `W (directions, gates · units, read)`, `R (directions, gates · units, units)`."""
    if int_attribute(node, "layout", 0):
        raise UnclearError("its layout is batch first")
    gates = GATES[node.op_type]
    read, inner, outer = (trace.known(node.input[index]) for index in range(3))
    if not len(read) == len(inner) == len(outer) == 3 or outer[2] is None or inner[0] is None:
        raise UnclearError("the extents of its weights are not known")
    units = trace.unions.fresh(len(outer[2]))
    trace.tie(read[2], inner[2])
    trace.mix(0, 2)
    trace.reading(node.input[1], inner[2])
    trace.tie(outer[2], units)
    trace.mix(2, 2)
    trace.reading(node.input[2], outer[2])
    for index, times in ((1, gates), (2, gates), (3, 2 * gates), (7, 3)):
        own = given(trace, node, index)
        if own is not None:
            trace.giving(node.input[index], own[1])
            trace.tie(own[1], np.tile(units, times))
            trace.freeze(own[0], "")
    for index in STATES:
        state = given(trace, node, index)
        if state is not None and node.input[index] not in trace.nothing:
            trace.tie(state[2], units)
            trace.freeze_all(state[:2], "")
    trace.freeze_all(read[:2], "")
    return _outputs(trace, node, read, len(inner[0]), units)


def _outputs(trace: Trace, node: NodeProto, read: Axes, directions: int, units: np.ndarray) -> Outputs:
    def passing(index: int) -> list[np.ndarray | None]:
        return [staying(len(each)) if each is not None else None for each in read[index : index + 1]]

    last: Axes = (staying(directions), *passing(1), units)
    every: Axes = (*passing(0), staying(directions), *passing(1), units)
    return [every, last, last][: len(node.output)]
