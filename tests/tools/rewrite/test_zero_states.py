"""States of zeros go, however they are made; others stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from shipfit.tools.rewrite.zero_states import drop_zero_states

from ... import models


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def exported(op_type: str, fill: float = 0.0, given: bool = False) -> onnx.ModelProto:
    """A recurrent layer of four units whose states are made from the batch size, as torch writes it."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]
    node = helper.make_node
    value = numpy_helper.from_array(np.array([fill], np.float32))
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "at"], ["batch"]),
        node("Concat", ["layers", "batch", "units"], ["sizes"], axis=0),
        node("ConstantOfShape", ["sizes"], ["zeros"], value=value),
        node("Slice", ["zeros", "start", "end"], ["state"]),
        node(
            op_type, ["x", "w", "r", "", "", "state", *(["state"] if op_type == "LSTM" else [])], ["y"], hidden_size=4
        ),
    ]
    weights: dict[str, Any] = {"w": noise(1, gates * 4, 3), "r": noise(1, gates * 4, 4), "at": np.array([1])}
    weights |= {"layers": np.array([2]), "units": np.array([4]), "start": np.array([0]), "end": np.array([1])}
    outputs = [models.spec("y", [None] * 4)] + ([models.spec("state", [None] * 3)] if given else [])
    return models.build(nodes, [models.spec("x", ["t", "n", 3])], outputs, weights)


@pytest.mark.parametrize(("op_type", "states"), [("LSTM", 2), ("GRU", 1), ("RNN", 1)])
def test_zeros_go_with_what_makes_them(before, op_type: str, states: int):
    case = before(exported(op_type), {"x": noise(5, 3, 3)})
    assert case.rewritten(drop_zero_states) == states
    assert case.types == [op_type]
    assert len(case.model.graph.initializer) == 2


def test_stored_zeros_go(before):
    model = models.build(
        [helper.make_node("GRU", ["x", "w", "r", "", "", "h"], ["y"], hidden_size=4)],
        [models.spec("x", [5, 2, 3])],
        [models.spec("y", [None] * 4)],
        {"w": noise(1, 12, 3), "r": noise(1, 12, 4), "h": np.zeros((1, 2, 4), np.float32)},
    )
    assert before(model, {"x": noise(5, 2, 3)}).rewritten(drop_zero_states) == 1


def test_other_states_stay(before):
    case = before(exported("LSTM", fill=0.5), {"x": noise(5, 3, 3)})
    assert case.rewritten(drop_zero_states) == 0


def test_zeros_that_are_given_out_are_still_made(before):
    case = before(exported("LSTM", given=True), {"x": noise(5, 3, 3)})
    assert case.rewritten(drop_zero_states) == 2
    assert "ConstantOfShape" in case.types
