"""Scales and shifts pass what they commute with on their way into weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.affine_past import fold_affine_past

from ... import models

X = models.spec("x", [2, 4, 6, 6])
FEEDS = {"x": np.asarray(np.random.default_rng(3).standard_normal((2, 4, 6, 6)), np.float32)}
PASSED: dict[str, dict[str, Any]] = {
    "Relu": {},
    "LeakyRelu": {"alpha": 0.3},
    "MaxPool": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    "AveragePool": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    "GlobalMaxPool": {},
    "GlobalAveragePool": {},
}
SCALES = {"positive": 0.7, "negative": -0.7, "channels": np.array([0.5, 2, 1, 3]).reshape(4, 1, 1)}


def built(
    passed: list[str],
    first: bool,
    scale: str | None,
    shift: float | None,
    outputs: tuple[str, ...] = ("y",),
    **more: Any,
) -> onnx.ModelProto:
    """Affine operators and a convolution, `passed` between them, the convolution `first` or last."""
    steps: list[tuple[str, list[str], dict[str, Any]]] = [(op, [], PASSED[op] | more) for op in passed]
    affine = ([("Mul", ["a"], {})] if scale else []) + ([("Add", ["b"], {})] if shift is not None else [])
    conv = ("Conv", ["w"], {})
    nodes, name = [], "x"
    order = [conv, *steps, *affine] if first else [*affine, *steps, conv]
    for index, (op, extra, attributes) in enumerate(order):
        output = "y" if index == len(order) - 1 else f"v{index}"
        nodes.append(helper.make_node(op, [name, *extra], [output], **attributes))
        name = output
    weights = {
        "w": np.random.default_rng(0).standard_normal((4, 4, 1, 1)),
        "a": SCALES[scale or "positive"],
        "b": shift,
    }
    read = {each for node in nodes for each in node.input}
    stored = {key: np.asarray(value, np.float32) for key, value in weights.items() if key in read}
    return models.build(nodes, [X], [models.spec(each, [None] * 4) for each in outputs], stored)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(PASSED)), min_size=1, max_size=2),
    st.booleans(),
    st.sampled_from([None, *SCALES]),
    st.sampled_from([None, 0.4]),
)
def test_what_commutes_moves(before, passed: list[str], first: bool, scale: str | None, shift: float | None):
    if scale is None and shift is None:
        scale = "positive"
    case = before(built(passed, first, scale, shift), FEEDS)
    steps = (scale is not None) + (shift is not None)
    free = all(op in {"AveragePool", "GlobalAveragePool"} for op in passed)
    rises = scale != "negative" and all(op != "Relu" and op != "LeakyRelu" for op in passed)
    count = case.rewritten(fold_affine_past)
    if free or rises or (shift is None and scale != "negative"):
        assert count == steps
        assert case.types == (["Conv", *passed] if first else [*passed, "Conv"])
    elif not first:
        assert count == 0


DECOYS = {
    "an output between": built(["Relu"], True, "positive", None, ("y", "v1")),
    "zeros of the border count": built(["AveragePool"], False, None, 0.4, count_include_pad=1),
}


@pytest.mark.parametrize("name", DECOYS)
def test_anything_else_stays(before, name: str):
    model = onnx.ModelProto()
    model.CopyFrom(DECOYS[name])
    assert before(model, FEEDS).rewritten(fold_affine_past) == 0
