"""The last step is the last state, however it is taken; where it is not, all steps stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.last_state import take_last_state

from ... import models

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
node = helper.make_node


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def recurrent(
    op_type: str = "LSTM", *, direction: str = "forward", index: Any = -1, axis: int = 1, turned: bool = True,
    squeezed: bool = True, lengths: bool = False, state: bool = False, shown: bool = False, opset: int = 17,
) -> onnx.ModelProto:  # fmt: skip
    """A layer of four units whose steps (t, n, 4) one is taken of."""
    ways = 2 if direction == "bidirectional" else 1
    inputs = ["x", "w", "r", *(["", "lengths"] if lengths else [])]
    outputs = ["y", *(["h"] if state else [])]
    nodes, last = [node(op_type, inputs, outputs, hidden_size=4, direction=direction)], "y"
    weights: dict[str, Any] = {"w": noise(ways, GATES[op_type] * 4, 3), "r": noise(ways, GATES[op_type] * 4, 4)}
    if squeezed:
        given: dict[str, Any] = {"axes": [1]} if opset < 13 else {}
        nodes.append(node("Squeeze", [last, *([] if given else ["way"])], ["steps"], **given))
        last, weights = "steps", weights | ({} if given else {"way": np.array([1])})
    if turned:
        nodes.append(node("Transpose", [last], ["turned"], perm=[1, 0, 2] if squeezed else [1, 0, 2, 3]))
        last = "turned"
    nodes.append(node("Gather", [last, "at"], ["out"], axis=axis))
    weights |= {"at": np.array(index), "lengths": np.array([2, 4, 3], np.int32)}
    given_out = ["out", *(["h"] if state else []), *([last] if shown else [])]
    return models.build(
        nodes,
        [models.spec("x", ["t", "n", 3])],
        [models.spec(name, [None] * (3 if name == "h" or last == "y" else 2 + (name != "out"))) for name in given_out],
        {name: value for name, value in weights.items() if lengths or name != "lengths"},
        opset=opset,
    )


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("opset", [11, 17])
def test_the_last_of_all_steps_is_the_state(before: Any, op_type: str, opset: int) -> None:
    case = before(recurrent(op_type, opset=opset), {"x": noise(5, 3, 3)})
    assert case.rewritten(take_last_state) == 1
    assert case.types == [op_type, "Squeeze"]


def test_a_state_that_is_read_already_is_read_twice(before: Any) -> None:
    case = before(recurrent(state=True), {"x": noise(5, 3, 3)})
    assert case.rewritten(take_last_state) == 1
    assert list(case.model.graph.node[0].output) == ["", "h"]


def test_ways_that_stay_an_axis_stay_one(before: Any) -> None:
    case = before(recurrent(turned=False, squeezed=False, axis=0), {"x": noise(5, 3, 3)})
    assert case.rewritten(take_last_state) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "bidirectional", "squeezed": False, "turned": False, "axis": 0},
        {"direction": "reverse"},
        {"index": 0},
        {"index": [-1]},
        {"axis": 0},
        {"lengths": True},
        {"shown": True},
    ],
)
def test_where_it_is_another_step_all_stay(before: Any, changes: dict[str, Any]) -> None:
    if changes.get("index") == [-1]:
        model = recurrent(**changes)
        model.graph.output[0].CopyFrom(models.spec("out", [None] * 3))
    else:
        model = recurrent(**changes)
    assert before(model, {"x": noise(5, 3, 3)}).rewritten(take_last_state) == 0


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(GATES)), st.sampled_from(["forward", "reverse"]), st.integers(-1, 1), st.integers(0, 2),
    st.booleans(), st.integers(2, 4),
)  # fmt: skip
def test_answers_stay(
    before: Any, op_type: str, direction: str, index: int, axis: int, turned: bool, steps: int
) -> None:
    model = recurrent(op_type, direction=direction, index=index, axis=axis, turned=turned)
    before(model, {"x": noise(steps, 3, 3)}).rewritten(take_last_state)
