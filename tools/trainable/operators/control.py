"""If and Loop: which body runs, and how often, is read off the tensors, as the runtime reads it."""

from __future__ import annotations

import torch
from torch import Tensor

from ....contracts import ToolError
from ..call import Call, Inputs, Value
from ..registry import operator

# Beyond this a loop is no model's: at a few microseconds a turn it would hold the process for minutes.
MOST_TURNS = 100_000


@operator("If")
def either(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    branch = "then_branch" if bool(inputs[0].reshape(-1)[0]) else "else_branch"
    return tuple(call.bodies[branch](()))


@operator("Loop")
def loop(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    """Raises ToolError after MOST_TURNS turns."""
    most = None if inputs.get(0) is None else int(inputs[0].reshape(-1)[0])
    goes_on = inputs.get(1) is None or bool(inputs[1].reshape(-1)[0])
    carried: list[Value] = [inputs.get(index) for index in range(2, len(inputs))]
    kept: list[list[Tensor]] = [[] for _ in range(call.outputs - len(carried))]
    turn = 0
    while goes_on and (most is None or turn < most):
        if turn >= MOST_TURNS:
            raise ToolError(f"the loop has not ended after {MOST_TURNS} turns")
        told = call.bodies["body"]([torch.tensor(turn), torch.tensor(True), *carried])
        goes_on = bool(told[0].reshape(-1)[0])
        carried = list(told[1 : 1 + len(carried)])
        for each, value in zip(kept, told[1 + len(carried) :], strict=False):
            each.append(value)
        turn += 1
    if kept and not turn:
        raise ToolError("a loop without a turn is asked for what its turns gave")
    return (*(each for each in carried if each is not None), *(torch.stack(each) for each in kept))
