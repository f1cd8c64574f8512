"""Hard-swish is recognised however it is written, and nothing else is taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from shipfit.tools.rewrite.hard_swish import fuse_hard_swish

from ... import models

CONSTANTS = {"three": 3.0, "zero": 0.0, "six": 6.0, "sixth": 1 / 6, "half": 0.5, "two": 2.0, "one": 1.0}


def written(text: str, opset: int = 17, **changed: float) -> onnx.ModelProto:
    """A model from lines like `g = Clip(s, zero, six)`; `y` comes last."""
    nodes = []
    for line in text.strip().splitlines():
        output, call = line.split("=", 1)
        op, inputs = call.strip().rstrip(")").split("(")
        attributes: dict[str, Any] = {"alpha": 1 / 6, "beta": 0.5} if op == "HardSigmoid" else {}
        nodes.append(helper.make_node(op, [each.strip() for each in inputs.split(",")], [output.strip()], **attributes))
    constants = {name: np.array(value, np.float32) for name, value in {**CONSTANTS, **changed}.items() if name in text}
    return models.build(nodes, [models.spec("x", [2, 8])], [models.spec("y", [2, 8])], constants, opset)


def answer(model: onnx.ModelProto) -> np.ndarray:
    return models.run(model, {"x": np.linspace(-5, 5, 16, dtype=np.float32).reshape(2, 8)})[0]


FORMS = {
    "product, then scale": "s = Add(x, three)\ng = Clip(s, zero, six)\np = Mul(x, g)\ny = Div(p, six)",
    "factors turned": "s = Add(three, x)\ng = Clip(s, zero, six)\np = Mul(g, x)\ny = Mul(sixth, p)",
    "scaled gate": "s = Add(x, three)\ng = Clip(s, zero, six)\nd = Div(g, six)\ny = Mul(x, d)",
    "scaled twice": "s = Add(x, three)\ng = Clip(s, zero, six)\nd = Mul(g, sixth)\np = Mul(d, x)\ny = Mul(p, one)",
    "hard sigmoid": "g = HardSigmoid(x)\ny = Mul(x, g)",
}


@pytest.mark.parametrize("form", FORMS)
def test_form_becomes_one_operator(form: str):
    model = written(FORMS[form])
    before = answer(model)
    assert fuse_hard_swish(model) == 1
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["HardSwish"]
    assert not model.graph.initializer
    assert models.decibels(before, answer(model)) > 120


OTHERS = {
    "another shift": "s = Add(x, two)\ng = Clip(s, zero, six)\np = Mul(x, g)\ny = Div(p, six)",
    "another clip": "s = Add(x, three)\ng = Clip(s, zero, two)\np = Mul(x, g)\ny = Div(p, six)",
    "another scale": "s = Add(x, three)\ng = Clip(s, zero, six)\np = Mul(x, g)\ny = Div(p, two)",
    "another factor": "a = Abs(x)\ns = Add(x, three)\ng = Clip(s, zero, six)\np = Mul(a, g)\ny = Div(p, six)",
    "gate read twice": "s = Add(x, three)\ng = Clip(s, zero, six)\np = Mul(x, g)\nd = Div(p, six)\ny = Add(d, g)",
    "divided the wrong way": "s = Add(x, three)\ng = Clip(s, zero, six)\np = Mul(x, g)\ny = Div(six, p)",
    "scaled hard sigmoid": "g = HardSigmoid(x)\nd = Mul(g, half)\ny = Mul(x, d)",
}


@pytest.mark.parametrize("form", OTHERS)
def test_anything_else_is_left_alone(form: str):
    model = written(OTHERS[form])
    before = model.SerializeToString()
    assert fuse_hard_swish(model) == 0
    assert model.SerializeToString() == before


def test_no_operator_before_opset_14():
    assert fuse_hard_swish(written(FORMS["product, then scale"], opset=13)) == 0


def test_gate_that_a_subgraph_reads_is_left_alone():
    inner = models.graph([helper.make_node("Identity", ["g"], ["i"])], [], [models.spec("i", [2, 8])], {})
    model = written(FORMS["product, then scale"])
    model.graph.input.append(models.spec("flag", [], TensorProto.BOOL))
    model.graph.output.append(models.spec("z", [2, 8]))
    model.graph.node.append(helper.make_node("If", ["flag"], ["z"], then_branch=inner, else_branch=inner))
    onnx.checker.check_model(model)
    assert fuse_hard_swish(model) == 0


def test_inside_a_subgraph():
    body = written(FORMS["scaled gate"]).graph
    body.ClearField("input")
    nodes = [helper.make_node("If", ["flag"], ["y"], then_branch=body, else_branch=body)]
    inputs = [models.spec("x", [2, 8]), models.spec("flag", [], TensorProto.BOOL)]
    model = models.build(nodes, inputs, [models.spec("y", [2, 8])], {})
    assert fuse_hard_swish(model) == 2
    onnx.checker.check_model(model)
