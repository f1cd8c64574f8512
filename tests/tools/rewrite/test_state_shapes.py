"""The file says that the operands of a sum have the same sizes where that is so, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.state_shapes import state_shapes

from ... import models

X = models.spec("x", ["N", 16, "H", "W"])
FEEDS = {"x": np.asarray(np.random.default_rng(0).standard_normal((2, 16, 12, 9)), np.float32)}


def branched(left: dict[str, Any], right: dict[str, Any], op_type: str = "Add", gate: bool = False) -> onnx.ModelProto:
    """Two convolutions of one value, summed; with a gate in the left branch the layout breaks."""
    sides = {"l": left, "r": right}
    random = np.random.default_rng(1)
    shapes = {f"w{side}": (16, 16, *how.get("kernel_shape", [3, 3])) for side, how in sides.items()}
    weights = {
        name: (random.standard_normal(shape) / 12).astype(np.float32)
        for name, shape in (shapes | {"w": (16, 16, 1, 1)}).items()
    }
    nodes = [helper.make_node("Conv", ["x", f"w{side}"], [side], **how) for side, how in sides.items()]
    last = "l"
    if gate:
        nodes += [
            helper.make_node("GlobalAveragePool", ["l"], ["pool"]),
            helper.make_node("Mul", ["l", "pool"], ["gated"]),
            helper.make_node("Conv", ["gated", "w"], ["last"]),
        ]
        last = "last"
    nodes.append(helper.make_node(op_type, [last, "r"], ["s"]))
    nodes.append(helper.make_node("Conv", ["s", "w"], ["y"]))
    return models.build(nodes, [X], [models.spec("y", [None] * 4)], weights)


def said(model: onnx.ModelProto) -> dict[str, list[str]]:
    return {
        each.name: [each.type.tensor_type.shape.dim[at].dim_param for at in (0, 2, 3)]
        for each in model.graph.value_info
        if each.name in ("l", "last", "r")
    }


windows = st.fixed_dictionaries(
    {
        "kernel_shape": st.lists(st.integers(1, 3), min_size=2, max_size=2),
        "strides": st.lists(st.integers(1, 2), min_size=2, max_size=2),
        "pads": st.lists(st.integers(0, 1), min_size=4, max_size=4),
    }
)


@settings(max_examples=25, deadline=None)
@given(windows, windows, st.sampled_from(["Add", "Sum"]))
def test_sizes_that_are_said_to_be_the_same_are(before, left: dict[str, Any], right: dict[str, Any], op_type: str):
    model = branched(left, right, op_type)
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.node[2:], shown.graph.output[:]
    shown.graph.output.extend([helper.make_tensor_value_info(side, 1, None) for side in "lr"])
    first, second = (each.shape for each in models.run(shown, FEEDS))
    if first != second:
        assert state_shapes(model) == 0
    elif before(model, FEEDS).rewritten(state_shapes):
        assert said(model)["l"] == said(model)["r"]
        assert state_shapes(model) == 0


@pytest.mark.parametrize(
    "how",
    [
        {"pads": [1, 1, 1, 1]},
        {"auto_pad": "SAME_UPPER"},
        {"kernel_shape": [1, 1]},
        {"pads": [1, 1, 1, 1], "strides": [2, 1]},
    ],
)
def test_the_runtime_adds_inside_the_convolution(before, tmp_path: Path, how: dict[str, Any]):
    case = before(branched(how, how, gate=True), FEEDS)
    types = [nodes_of(case.model, tmp_path / "before.onnx")]
    assert case.rewritten(state_shapes) == 1
    types.append(nodes_of(case.model, tmp_path / "after.onnx"))
    if "ReorderOutput" in types[0]:  # a processor without the blocked layout has nothing to gain
        assert "Reshape" in types[0]
        assert not {"Reshape", "Add"} & set(types[1])


def nodes_of(model: onnx.ModelProto, path: Path) -> list[str]:
    options = ort.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(path).graph.node]


def test_known_sizes_and_statements_of_others_stay(before):
    how = {"pads": [1, 1, 1, 1]}
    model = branched(how, how, gate=True)
    for at, size in zip((0, 2, 3), FEEDS["x"].shape[:1] + FEEDS["x"].shape[2:], strict=True):
        model.graph.input[0].type.tensor_type.shape.dim[at].dim_value = size
    model = onnx.shape_inference.infer_shapes(model)
    assert before(model, FEEDS).rewritten(state_shapes) == 0
