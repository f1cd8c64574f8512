"""Gelu is recognised in any order of its factors, and written as the runtime takes it."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper

from shipfit.tools.rewrite.gelu import fuse_fast_gelu, fuse_gelu

from ... import models
from .written import feeds, written

CONSTANTS = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "root": 2**0.5, "inverse": 0.5**0.5,
    "slope": (2 / 3.14159265) ** 0.5, "cubic": 0.044715,
}  # fmt: skip
CANONICAL = ["Div", "Erf", "Add", "Mul", "Mul"]

SCALED = ["a = Div(x, root)", "a = Mul(x, inverse)", "a = Mul(inverse, x)"]
GATES = {
    "half outside": ["e = Erf(a); g = Add(e, one); p = Mul(x, g); y = Mul(half, p)"],
    "half on x": ["e = Erf(a); g = Add(one, e); h = Mul(x, half); y = Mul(g, h)"],
    "half on the gate": ["e = Erf(a); t = Add(e, one); g = Mul(half, t); y = Mul(x, g)"],
    "half inside": ["e = Erf(a); h = Mul(e, half); g = Add(h, half); y = Mul(g, x)"],
    "divided by two": ["e = Erf(a); g = Add(e, one); p = Mul(x, g); y = Div(p, two)"],
}


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(SCALED), st.sampled_from(sorted(GATES)), st.sampled_from([13, 17, 20]))
def test_exact_form(before, scaled: str, gate: str, opset: int):
    case = before(written(f"{scaled}; {GATES[gate][0]}", CONSTANTS, opset), feeds())
    assert case.rewritten(fuse_gelu) == 1
    assert case.types == (["Gelu"] if opset >= 20 else CANONICAL)
    assert len(case.model.graph.initializer) == (0 if opset >= 20 else 3)
    assert fuse_gelu(case.model) == 0


CUBES = [
    "q = Pow(x, three); c = Mul(q, cubic); s = Add(x, c)",
    "q = Mul(x, x); r = Mul(x, q); c = Mul(cubic, r); s = Add(c, x)",
    "c = Mul(cubic, x); d = Mul(x, c); q = Mul(x, d); s = Add(x, q)",
    "q = Mul(x, x); c = Mul(q, cubic); d = Add(c, one); s = Mul(x, d)",
]


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(CUBES), st.sampled_from(["half outside", "half on the gate", "half on x"]), st.booleans())
def test_approximation(before, cube: str, gate: str, standard: bool):
    tail = GATES[gate][0].replace("Erf(a)", "Tanh(a)")
    case = before(written(f"{cube}; a = Mul(s, slope); {tail}", CONSTANTS, 20 if standard else 17), feeds())
    assert case.rewritten(fuse_fast_gelu) == 1
    assert case.types == ["Gelu" if standard else "FastGelu"]
    assert not case.model.graph.initializer


OTHERS = {
    "another scale": "a = Mul(x, half); e = Erf(a); g = Add(e, one); p = Mul(x, g); y = Mul(p, half)",
    "another factor": "n = Abs(x); a = Div(x, root); e = Erf(a); g = Add(e, one); p = Mul(n, g); y = Mul(p, half)",
    "a third factor": "a = Div(x, root); e = Erf(a); g = Add(e, one); p = Mul(x, g); q = Mul(p, x); y = Mul(q, half)",
    "not halved": "a = Div(x, root); e = Erf(a); g = Add(e, one); y = Mul(x, g)",
    "the wrong cube": "q = Mul(x, x); c = Mul(q, cubic); s = Add(x, c); a = Mul(s, slope); e = Tanh(a);"
    "g = Add(e, one); p = Mul(x, g); y = Mul(p, half)",
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_stays(before, name: str):
    case = before(written(OTHERS[name], CONSTANTS), feeds())
    assert case.rewritten(fuse_gelu) == 0
    assert case.rewritten(fuse_fast_gelu) == 0


def test_what_is_read_elsewhere_stays(before):
    text = f"{SCALED[1]}; {GATES['half on the gate'][0]}"
    assert before(written(text, CONSTANTS, outputs=("y", "g")), feeds()).rewritten(fuse_gelu) == 0


def test_inside_a_body():
    body = written(f"{SCALED[1]}; {GATES['half on x'][0]}", CONSTANTS).graph
    stored = {each.name: numpy_helper.to_array(each) for each in body.initializer}
    body.ClearField("input")
    body.ClearField("initializer")
    node = helper.make_node("If", ["flag"], ["z"], then_branch=body, else_branch=body)
    inputs = [models.spec("x", [2, 3, 8]), models.spec("flag", [], onnx.TensorProto.BOOL)]
    model = models.build([node], inputs, [models.spec("z", [2, 3, 8])], stored)
    assert fuse_gelu(model) == 2
    onnx.checker.check_model(model)
