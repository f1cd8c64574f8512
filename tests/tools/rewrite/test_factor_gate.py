"""A residual gate takes its one where it is small."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.factor_gate import factor_gate

from ... import models

X = models.spec("x", ["N", 4, "H", "W"])
FEEDS = {"x": np.asarray(np.random.default_rng(1).standard_normal((2, 4, 5, 3)), np.float32)}


def gated(
    gate: str = "HardSigmoid",
    turned: tuple[bool, bool] = (False, False),
    pool: str = "GlobalAveragePool",
    outputs: tuple[str, ...] = ("y",),
    residual: str = "x",
) -> onnx.ModelProto:
    product, total = ["x", "g"], [residual, "p"]
    attributes: dict[str, Any] = {"kernel_shape": [1, 1]} if pool == "MaxPool" else {}
    nodes = [
        helper.make_node("Abs", ["x"], ["z"]),
        helper.make_node(pool, ["x"], ["s"], **attributes),
        helper.make_node("Conv", ["s", "w"], ["e"]),
        helper.make_node(gate, ["e"], ["g"]),
        helper.make_node("Mul", product[::-1] if turned[0] else product, ["p"]),
        helper.make_node("Add", total[::-1] if turned[1] else total, ["y"]),
    ]
    weights = {"w": np.asarray(np.random.default_rng(0).standard_normal((4, 4, 1, 1)), np.float32)}
    return models.build(nodes, [X], [models.spec(name, [None] * 4) for name in outputs], weights)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["HardSigmoid", "Sigmoid", "Tanh"]), st.tuples(st.booleans(), st.booleans()))
def test_sum_becomes_small(before, gate: str, turned: tuple[bool, bool]):
    case = before(gated(gate, turned), FEEDS)
    assert case.rewritten(factor_gate) == 1
    assert case.types[-2:] == ["Add", "Mul"]
    assert "g" in case.model.graph.node[-2].input


DECOYS = {
    "a gate per position": gated(pool="MaxPool"),
    "the product is an output": gated(outputs=("y", "p")),
    "another residual": gated(residual="z"),
}


@pytest.mark.parametrize("name", DECOYS)
def test_anything_else_stays(before, name: str):
    model = onnx.ModelProto()
    model.CopyFrom(DECOYS[name])
    assert before(model, FEEDS).rewritten(factor_gate) == 0
