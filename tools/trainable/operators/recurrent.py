"""LSTM, GRU and RNN in one or both directions.

The common case goes to torch's own kernels; clips, peepholes, lengths, other activations and a GRU whose reset comes
first are walked step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call, Inputs
from ..registry import operator
from .indexing import turned

Activation = Callable[[Tensor], Tensor]
State = tuple[Tensor, ...]
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_USUAL = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}
_PLAIN: dict[str, Activation] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "tanh": torch.tanh,
}
# Which part of torch's gates stands where in ONNX's: i o f c → i f c o, z r h → r z h.
_ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}


def _odd(call: Call) -> str | None:
    """Say what is not served: a layout the CPU runtime refuses too, activations with parameters of their own."""
    if call.integer("layout"):
        return "its batch comes first"
    strange = {name.lower() for name in call.texts("activations") or []} - set(_PLAIN)
    return f"its activations are {', '.join(sorted(strange))[:60]!r}" if strange else None


@dataclass(frozen=True)
class _Cell:
    """One direction. Shapes: w (gates·hidden, input), r (gates·hidden, hidden), bw and br (gates·hidden,)."""

    call: Call
    w: Tensor
    r: Tensor
    bw: Tensor
    br: Tensor
    peephole: Tensor | None
    activations: list[Activation]

    def clipped(self, x: Tensor) -> Tensor:
        limit = self.call.number("clip")
        return x.clamp(-limit, limit) if limit > 0 else x

    def step(self, x: Tensor, state: State) -> State:
        return {"LSTM": self._lstm, "GRU": self._gru, "RNN": self._rnn}[self.call.op](x, state)

    def _lstm(self, x: Tensor, state: State) -> State:
        h, c = state
        i, o, f, g = torch.chunk(functional.linear(x, self.w, self.bw) + functional.linear(h, self.r, self.br), 4, -1)
        pi, po, pf = (0.0, 0.0, 0.0) if self.peephole is None else torch.chunk(self.peephole, 3)
        gate, cell, out = self.activations
        i = gate(self.clipped(i + pi * c))
        f = 1 - i if self.call.integer("input_forget") else gate(self.clipped(f + pf * c))
        new = f * c + i * cell(self.clipped(g))
        return gate(self.clipped(o + po * new)) * out(new), new

    def _gru(self, x: Tensor, state: State) -> State:
        (h,) = state
        hidden = h.shape[-1]
        wz, wr, wh = torch.chunk(functional.linear(x, self.w, self.bw), 3, -1)
        gate, out = self.activations
        rz, rr = torch.chunk(functional.linear(h, self.r[: 2 * hidden], self.br[: 2 * hidden]), 2, -1)
        z, reset = gate(self.clipped(wz + rz)), gate(self.clipped(wr + rr))
        last, bias = self.r[2 * hidden :], self.br[2 * hidden :]
        if self.call.integer("linear_before_reset"):
            new = out(self.clipped(wh + reset * functional.linear(h, last, bias)))
        else:
            new = out(self.clipped(wh + functional.linear(reset * h, last, bias)))
        return ((1 - z) * new + z * h,)

    def _rnn(self, x: Tensor, state: State) -> State:
        total = functional.linear(x, self.w, self.bw) + functional.linear(state[0], self.r, self.br)
        return (self.activations[0](self.clipped(total)),)


def _walked(cell: _Cell, x: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """Beyond a row's length its state stays and its answer is 0."""
    answers: list[Tensor] = []
    for time in range(len(x)):
        new = cell.step(x[time], state)
        if lengths is not None:
            goes_on = (time < lengths)[:, None]
            new = tuple(torch.where(goes_on, fresh, held) for fresh, held in zip(new, state, strict=True))
            answers.append(torch.where(goes_on, new[0], torch.zeros_like(new[0])))
        else:
            answers.append(new[0])
        state = new
    return torch.stack(answers) if answers else x.new_zeros((0, *state[0].shape)), state


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    return x.flip(0) if lengths is None else turned(x.transpose(0, 1), lengths).transpose(0, 1)


@operator("LSTM", "GRU", "RNN", limit=_odd)
def recurrent(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    """Return Y (time, directions, batch, hidden), the last h and, of an LSTM, the last c."""
    x, lengths = inputs[0], inputs.get(4)
    if lengths is not None and bool((lengths == len(x)).all()):
        lengths = None
    states = _states(call, inputs)
    usual = _is_usual(call, inputs, lengths) and len(x) > 0
    answers: list[Tensor] = []
    lasts: list[State] = []
    for index, backward in enumerate(_DIRECTIONS[call.text("direction", "forward")]):
        seen = _reversed(x, lengths) if backward else x
        cell = _cell(call, inputs, index)
        state = tuple(each[index] for each in states)
        answer, last = _by_kernel(cell, seen, state) if usual else _walked(cell, seen, state, lengths)
        answers.append(_reversed(answer, lengths) if backward else answer)
        lasts.append(last)
    return torch.stack(answers, 1), *(torch.stack(each) for each in zip(*lasts, strict=True))


def _states(call: Call, inputs: Inputs) -> list[Tensor]:
    x, r = inputs[0], inputs[2]
    zero = x.new_zeros((len(r), x.shape[1], r.shape[2]))
    places = (5, 6) if call.op == "LSTM" else (5,)
    held = [inputs.get(place) for place in places]
    return [zero if each is None else each for each in held]


def _names(call: Call) -> list[str]:
    count = len(_USUAL[call.op]) * len(_DIRECTIONS[call.text("direction", "forward")])
    return [name.lower() for name in call.texts("activations") or []] or (_USUAL[call.op] * 2)[:count]


def _is_usual(call: Call, inputs: Inputs, lengths: Tensor | None) -> bool:
    usual = _USUAL[call.op]
    if lengths is not None or call.number("clip") > 0 or _names(call) not in (usual, usual * 2):
        return False
    if call.op == "GRU":
        return bool(call.integer("linear_before_reset"))
    return call.op == "RNN" or (inputs.get(7) is None and not call.integer("input_forget"))


def _cell(call: Call, inputs: Inputs, index: int) -> _Cell:
    w, r, bias, peephole = inputs[1][index], inputs[2][index], inputs.get(3), inputs.get(7)
    bw, br = (w.new_zeros(len(w)),) * 2 if bias is None else torch.chunk(bias[index], 2)
    count = len(_USUAL[call.op])
    activations = [_PLAIN[name] for name in _names(call)[index * count : (index + 1) * count]]
    return _Cell(call, w, r, bw, br, None if peephole is None else peephole[index], activations)


def _by_kernel(cell: _Cell, x: Tensor, state: State) -> tuple[Tensor, State]:
    parts = [_ordered(cell.call.op, each) for each in (cell.w, cell.r, cell.bw, cell.br)]
    held = [each.unsqueeze(0).contiguous() for each in state]
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if cell.call.op == "LSTM":
        answer, h, c = torch.lstm(x, held, parts, *options)
        return answer, (h[0], c[0])
    kernel = torch.gru if cell.call.op == "GRU" else torch.rnn_tanh
    answer, h = kernel(x, held[0], parts, *options)
    return answer, (h[0],)


def _ordered(op: str, weight: Tensor) -> Tensor:
    parts: Sequence[Tensor] = torch.chunk(weight, len(_ORDER[op]))
    return torch.cat([parts[index] for index in _ORDER[op]])
