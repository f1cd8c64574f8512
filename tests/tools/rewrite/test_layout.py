"""Poolings and enlargements take the form that keeps the layout of convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.nearest_resize import round_down_resize
from shipfit.tools.rewrite.pool_mean import pool_mean

from ... import models

X = models.spec("x", ["N", 3, "H", "W"])
FEEDS = {"x": np.asarray(np.random.default_rng(0).standard_normal((2, 3, 5, 7)), np.float32)}
WEIGHT = np.asarray(np.random.default_rng(1).standard_normal((4, 3, 1, 1)), np.float32)


def mean(axes: list[int], opset: int = 17, keep: int = 1, conv: bool = True) -> onnx.ModelProto:
    first = helper.make_node("Conv", ["x", "w"], ["a"]) if conv else helper.make_node("Abs", ["x"], ["a"])
    inputs = ["a", "axes"] if opset >= 18 else ["a"]
    attributes: dict[str, Any] = {} if opset >= 18 else {"axes": axes}
    last = helper.make_node("ReduceMean", inputs, ["y"], keepdims=keep, **attributes)
    weights = ({"w": WEIGHT} if conv else {}) | ({"axes": np.array(axes)} if opset >= 18 else {})
    return models.build([first, last], [X], [models.spec("y", [None] * (4 if keep else 2))], weights, opset)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([[2, 3], [3, 2], [-1, -2], [2, -1]]), st.sampled_from([13, 17, 18]))
def test_mean_becomes_a_pooling(before, axes: list[int], opset: int):
    case = before(mean(axes, opset), FEEDS)
    assert case.rewritten(pool_mean) == 1
    assert case.types == ["Conv", "GlobalAveragePool"]


@pytest.mark.parametrize("model", [mean([1, 2]), mean([2, 3], keep=0), mean([3]), mean([2, 3], conv=False)])
def test_other_means_stay(before, model: onnx.ModelProto):
    assert before(model, FEEDS).rewritten(pool_mean) == 0


def enlarged(scales: list[float], **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], **attributes)
    stored = {"s": np.array([1, 1, *scales], np.float32)}
    return models.build([node], [X], [models.spec("y", [None] * 4)], stored)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(1, 5).map(float), min_size=2, max_size=2),
    st.sampled_from(["half_pixel", "pytorch_half_pixel"]),
    st.sampled_from(["round_prefer_floor", "round_prefer_ceil"]),
)
def test_nearest_pixels_are_the_same(before, scales: list[float], centres: str, rounding: str):
    model = enlarged(scales, coordinate_transformation_mode=centres, nearest_mode=rounding)
    case = before(model, FEEDS)
    assert case.rewritten(round_down_resize, least_db=float("inf")) == 1
    assert round_down_resize(case.model) == 0


@pytest.mark.parametrize(
    "model",
    [
        enlarged([1.5, 2.0]),
        enlarged([0.5, 0.5]),
        enlarged([2.0, 2.0], mode="linear"),
        enlarged([2.0, 2.0], nearest_mode="ceil"),
        enlarged([2.0, 2.0], coordinate_transformation_mode="align_corners"),
    ],
)
def test_other_resizes_stay(before, model: onnx.ModelProto):
    assert before(model, FEEDS).rewritten(round_down_resize) == 0
