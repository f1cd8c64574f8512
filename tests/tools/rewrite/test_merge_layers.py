"""Two layers with nothing between them become one where that is no more work, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.merge_layers import merge_layers

from ... import models

X = models.spec("x", [2, 6, 7, 7])


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def feeds() -> dict[str, np.ndarray]:
    return {"x": weight(2, 6, 7, 7, seed=9)}


def convolutions(first: int, second: int, inner: int = 12, biased: bool = True, **attributes: Any) -> onnx.ModelProto:
    pads: dict[str, Any] = {"pads": [first // 2] * 4} if first > 1 else {}
    later: dict[str, Any] = ({"pads": [second // 2] * 4} if second > 1 and not biased else {}) | attributes
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"] if biased else ["x", "w"], ["a"], **pads),
        helper.make_node("Conv", ["a", "v", "c"], ["y"], **later),
    ]
    groups = int(attributes.get("group", 1))
    weights = {"w": weight(inner, 6, first, first), "v": weight(4, inner // groups, second, second, seed=1)}
    weights |= {"c": weight(4)} | ({"b": weight(inner)} if biased else {})
    return models.build(nodes, [X], [models.spec("y", [None] * 4)], weights)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([(1, 1), (3, 1), (1, 3), (5, 1)]), st.booleans(), st.sampled_from([6, 12]))
def test_convolutions(before, sizes: tuple[int, int], biased: bool, inner: int):
    case = before(convolutions(*sizes, inner, biased), feeds())
    assert case.rewritten(merge_layers) == 1
    assert case.types == ["Conv"]
    assert len(case.model.graph.initializer) == 2


@settings(max_examples=10, deadline=None)
@given(st.booleans(), st.booleans(), st.sampled_from(["Gemm", "MatMul"]))
def test_products(before, first: bool, second: bool, op: str):
    def attributes(transposed: bool) -> dict[str, Any]:
        return {"alpha": 0.5, "beta": 2.0, "transB": int(transposed)} if op == "Gemm" else {}

    first, second = (first, second) if op == "Gemm" else (False, False)
    nodes = [
        helper.make_node(op, ["x", "w", "b"][: 3 if op == "Gemm" else 2], ["a"], **attributes(first)),
        helper.make_node(op, ["a", "v"], ["y"], **attributes(second)),
    ]
    weights = {"w": weight(8, 5) if first else weight(5, 8), "v": weight(3, 8) if second else weight(8, 3)}
    weights |= {"b": weight(8)} if op == "Gemm" else {}
    model = models.build(nodes, [models.spec("x", [2, 5])], [models.spec("y", [2, 3])], weights)
    case = before(model, {"x": weight(2, 5, seed=4)})
    assert case.rewritten(merge_layers) == 1
    assert case.types == [op]


def with_output(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output.append(models.spec("a", [None] * 4))
    return model


DECOYS = {
    "a bottleneck": convolutions(1, 1, inner=2),
    "a bias before a border": convolutions(1, 3, pads=[1, 1, 1, 1]),
    "a stride over the second": convolutions(3, 1, strides=[2, 2]),
    "groups": convolutions(1, 1, group=4),
    "two kernels": convolutions(3, 3),
    "an output between": with_output(convolutions(1, 1)),
}


@pytest.mark.parametrize("name", DECOYS)
def test_anything_else_stays(before, name: str):
    model = onnx.ModelProto()
    model.CopyFrom(DECOYS[name])
    assert before(model, feeds()).rewritten(merge_layers) == 0
