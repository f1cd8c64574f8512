"""LSTM, GRU and RNN as layers to fit: what a removed unit told the others is expressed through those that are left.

What a gate reads before its activation is linear in the input and in the state before. The rows of the gates left are
fitted to the teacher's sums from the student's input and from the teacher's state of the units left. With an unchanged
input that is to express each removed unit through those left, and to fold that into the recurrent weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto

from ..onnx_model import is_standard
from ..quantize.graphs import attribute, input_name, int_attribute
from ..quantize.rounding import FloatArray
from ..quantize.weight_inputs import some
from .layers import Pair, Values
from .least_squares import Rows, Weight
from .padding import Real

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@dataclass(frozen=True)
class _Parameters:
    """Weights of `(directions, gates × units, inputs | units)`, and their biases apart."""

    inputs: FloatArray
    states: FloatArray
    input_bias: FloatArray
    state_bias: FloatArray


@dataclass(frozen=True)
class _Steps:
    """One sample's values at some steps: `(directions, positions, …)`; states are those before.

    Attributes:
        own_input: the student's.
        own_state: the teacher's, of the units left.
    """

    own_input: FloatArray
    own_state: FloatArray
    input: FloatArray
    state: FloatArray


class RecurrentLayer:
    """See `layers.Layer`."""

    def __init__(self, pair: Pair, node: NodeProto, teacher: NodeProto) -> None:
        self.node, self._pair = node, pair
        self._theirs = teacher
        self._start = input_name(teacher, 5)
        self.given: tuple[str, ...] = (node.input[0],)
        self.known: tuple[str, ...] = ()
        self.wanted: tuple[str, ...] = tuple(
            name for name in (teacher.input[0], teacher.output[0], self._start) if name
        )
        self._parameters = _parameters(teacher, pair.teacher_values)
        units = pair.weights.get(node.input[2], {})
        gates = GATES[node.op_type] * int_attribute(teacher, "hidden_size", 0)
        self._rows = units.get(1, np.arange(gates))
        self._units = units.get(2, np.arange(self._parameters.states.shape[2]))

    def rows(self, student: Values, teacher: Values, limit: int, real: Real | None) -> list[Rows]:
        """Return at most `limit` positions of one sample."""
        del real  # steps come before samples here; a sequence that is padded goes through with its padding
        steps = self._steps(student, teacher, limit)
        whole = self._parameters
        from_input = _product(steps.input, whole.inputs, whole.input_bias)
        from_state = _product(steps.state, whole.states, whole.state_bias)
        if self.node.op_type != "GRU":
            given = np.concatenate([steps.own_input, steps.own_state], axis=2)
            return [Rows(given, (from_input + from_state)[..., self._rows])]
        return self._gated(steps, from_input, from_state)

    def _gated(self, steps: _Steps, from_input: FloatArray, from_state: FloatArray) -> list[Rows]:
        """Return rows of a GRU's two gates, and of its candidate's input and state."""
        gates = 2 * (len(self._rows) // 3)
        two, last = self._rows[:gates], self._rows[gates:]
        given = np.concatenate([steps.own_input, steps.own_state], axis=2)
        found = [Rows(given, (from_input + from_state)[..., two])]
        state, told = steps.own_state, from_state[..., last]
        if not int_attribute(self.node, "linear_before_reset", 0):
            size = steps.state.shape[2]
            reset = 1 / (1 + np.exp(-(from_input + from_state)[..., size : 2 * size]))
            after = (reset * steps.state).astype(np.float32)
            whole = self._parameters
            state = (reset[..., self._units] * steps.own_state).astype(np.float32)
            told = _product(after, whole.states, whole.state_bias)[..., last]
        return [*found, Rows(steps.own_input, from_input[..., last]), Rows(state, told)]

    def _steps(self, student: Values, teacher: Values, limit: int) -> _Steps:
        own, given = (self._turned(each) for each in (student[self.given[0]], teacher[self.wanted[0]]))
        start = teacher[self._start] if self._start else None
        before = self._before(teacher[self.wanted[1]], start)
        picked = some(before.shape[1], limit)
        state = before[:, picked]
        inputs = [each.reshape(-1, each.shape[-1])[picked] for each in (own, given)]
        wide = [np.broadcast_to(each, (len(before), *each.shape)) for each in inputs]
        return _Steps(wide[0], state[..., self._units], wide[1], state)

    def _turned(self, value: FloatArray) -> FloatArray:
        """Return an input with its steps first."""
        return value.swapaxes(0, 1) if int_attribute(self.node, "layout", 0) else value

    def _before(self, states: FloatArray, start: FloatArray | None) -> FloatArray:
        """Return the state before each step, `(directions, steps × batch, units)`."""
        batched = int_attribute(self.node, "layout", 0)
        along = states.transpose(2, 1, 0, 3) if batched else states.swapaxes(0, 1)  # (directions, steps, batch, units)
        first = np.zeros_like(along[:, :1])
        if start is not None:
            first[:, 0] = start.swapaxes(0, 1) if batched else start
        found = attribute(self.node, "direction")
        backward = [at == 1 or (found is not None and found.s == b"reverse") for at in range(len(along))]
        parts = [
            np.concatenate([each[1:], one] if back else [one, each[:-1]])
            for each, one, back in zip(along, first, backward, strict=True)
        ]
        return np.stack(parts).reshape(len(along), -1, along.shape[-1])

    def weights(self) -> list[Weight]:
        """Return the weights as they are: of a GRU those of the two gates, and of the candidate apart."""
        now = _parameters(self.node, self._pair.editor.values)
        both, bias = np.concatenate([now.inputs, now.states], axis=2), now.input_bias + now.state_bias
        if self.node.op_type != "GRU":
            return [Weight(both, bias)]
        gates = 2 * (both.shape[1] // 3)
        return [
            Weight(both[:, :gates], bias[:, :gates]),
            Weight(now.inputs[:, gates:], now.input_bias[:, gates:]),
            Weight(now.states[:, gates:], now.state_bias[:, gates:]),
        ]

    def write(self, weights: Sequence[Weight]) -> None:
        """Write others in their place."""
        width = self._pair.editor.values(self.node.input[1]).shape[2]
        first = weights[0]
        inputs, states = [first.rows[..., :width]], [first.rows[..., width:]]
        biases = [_bias(first), np.zeros_like(_bias(first))]
        if self.node.op_type == "GRU":
            inputs.append(weights[1].rows)
            states.append(weights[2].rows)
            biases = [
                np.concatenate([part, _bias(each)], axis=1) for part, each in zip(biases, weights[1:], strict=True)
            ]
        self._set(1, np.concatenate(inputs, axis=1))
        self._set(2, np.concatenate(states, axis=1))
        bias = np.concatenate(biases, axis=1)
        if input_name(self.node, 3):
            self._set(3, bias)
        else:
            rest = list(self.node.input[4:])
            self.node.input[3:] = [self._pair.editor.add(f"{self.node.input[1]}_bias", bias), *rest]

    def _set(self, index: int, values: FloatArray) -> None:
        self._pair.editor.change(self.node, index, lambda _: np.ascontiguousarray(values))


def recurrent_layer(pair: Pair, node: NodeProto, teacher: NodeProto) -> RecurrentLayer | None:
    """Return the node as a layer; None where its weights are no constants of its own, or its gates are unusual."""
    for each, tensors in ((node, pair.editor.tensors), (teacher, pair.teacher_tensors)):
        names = [input_name(each, 1), input_name(each, 2), *filter(None, [input_name(each, 3)])]
        if any(name not in tensors or tensors[name].data_type != TensorProto.FLOAT for name in names):
            return None
    if any(pair.editor.readers(node.input[index]) != 1 for index in (1, 2)) or not teacher.output[:1]:
        return None
    unusual = node.op_type == "GRU" and attribute(node, "activations") is not None
    return None if unusual or not is_standard(node) else RecurrentLayer(pair, node, teacher)


def _parameters(node: NodeProto, values: Callable[[str], FloatArray]) -> _Parameters:
    inputs, states = values(node.input[1]), values(node.input[2])
    size = inputs.shape[1]
    name = input_name(node, 3)
    both = values(name) if name else np.zeros((len(inputs), 2 * size), np.float32)
    return _Parameters(inputs, states, both[:, :size], both[:, size:])


def _product(given: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    return np.asarray(given @ weight.swapaxes(1, 2) + bias[:, None], np.float32)


def _bias(weight: Weight) -> FloatArray:
    return np.zeros(weight.rows.shape[:2], np.float32) if weight.bias is None else weight.bias
