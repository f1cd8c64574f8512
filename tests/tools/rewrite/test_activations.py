"""Sigmoids and rectifiers become one operator however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.tools.rewrite.hard_sigmoid import fuse_hard_sigmoid
from shipfit.tools.rewrite.rectifier import fuse_rectifiers
from shipfit.tools.rewrite.sigmoid import fuse_sigmoid

from .written import feeds, written

CONSTANTS = {
    "zero": 0.0, "one": 1.0, "half": 0.5, "two": 2.0, "three": 3.0, "six": 6.0, "sixth": 1 / 6, "tenth": 0.1,
    "minus": -1.0,
}  # fmt: skip

EXPONENTIALS = ["n = Neg(x); e = Exp(n); s = Add(e, one)", "n = Mul(x, minus); e = Exp(n); s = Add(one, e)"]
SIGMOIDS = {
    "quotient": ("y = Div(one, s)", ["Sigmoid"]),
    "reciprocal": ("y = Reciprocal(s)", ["Sigmoid"]),
    "gate": ("y = Div(x, s)", ["Sigmoid", "Mul"]),
}


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(EXPONENTIALS), st.sampled_from(sorted(SIGMOIDS)))
def test_sigmoid(before, exponential: str, form: str):
    tail, types = SIGMOIDS[form]
    case = before(written(f"{exponential}; {tail}", CONSTANTS), feeds())
    assert case.rewritten(fuse_sigmoid) == 1
    assert case.types == types


def test_sigmoid_from_tanh(before):
    case = before(written("h = Mul(x, half); t = Tanh(h); u = Mul(half, t); y = Add(u, half)", CONSTANTS), feeds())
    assert case.rewritten(fuse_sigmoid) == 1
    assert case.types == ["Sigmoid"]


@pytest.mark.parametrize(
    "text",
    [
        "e = Exp(x); s = Add(e, one); y = Div(one, s)",
        "n = Neg(x); e = Exp(n); s = Add(e, two); y = Div(one, s)",
        "n = Neg(x); e = Exp(n); s = Add(e, one); y = Div(two, s)",
        "n = Neg(x); e = Exp(n); s = Add(e, one); y = Div(s, one)",
        "n = Neg(x); e = Exp(n); s = Add(e, one); a = Abs(x); y = Div(a, s)",
        "t = Tanh(x); u = Mul(half, t); y = Add(u, half)",
    ],
)
def test_other_exponentials_stay(before, text: str):
    assert before(written(text, CONSTANTS), feeds()).rewritten(fuse_sigmoid) == 0


HARD = [
    "s = Add(x, three); c = Clip(s, zero, six); y = Div(c, six)",
    "s = Add(three, x); c = Clip(s, zero, six); y = Mul(sixth, c)",
    "a = Mul(x, tenth); s = Add(a, half); y = Clip(s, zero, one)",
    "a = Mul(x, two); s = Sub(a, one); c = Clip(s, zero, six); y = Mul(c, sixth)",
]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(HARD))
def test_hard_sigmoid(before, text: str):
    case = before(written(text, CONSTANTS), feeds())
    assert case.rewritten(fuse_hard_sigmoid) == 1
    assert case.types == ["HardSigmoid"]
    assert not case.model.graph.initializer


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        (HARD[0], ("y", "c")),
        ("s = Add(x, three); c = Clip(s, zero, six); y = Div(six, c)", ("y",)),
        ("s = Add(x, three); c = Clip(s, one, six); y = Div(c, six)", ("y",)),
        ("s = Add(x, three); c = Clip(s, zero, six); y = Div(c, two)", ("y",)),
        ("y = Clip(x, zero, one)", ("y",)),
    ],
)
def test_other_clips_stay(before, text: str, outputs: tuple[str, ...]):
    assert before(written(text, CONSTANTS, outputs=outputs), feeds()).rewritten(fuse_hard_sigmoid) == 0


RECTIFIERS = {
    "y = Max(x, zero)": "Relu",
    "y = Max(zero, x)": "Relu",
    "a = Mul(x, tenth); y = Max(a, x)": "LeakyRelu",
    "a = Div(x, two); y = Max(x, a)": "LeakyRelu",
    "y = PRelu(x, tenth)": "LeakyRelu",
}


@pytest.mark.parametrize("text", RECTIFIERS)
def test_rectifier(before, text: str):
    case = before(written(text, CONSTANTS), feeds())
    assert case.rewritten(fuse_rectifiers) == 1
    assert case.types == [RECTIFIERS[text]]


@pytest.mark.parametrize(
    "text", ["y = Max(x, one)", "a = Mul(x, two); y = Max(x, a)", "a = Mul(x, minus); y = Max(x, a)", "y = Max(x, x)"]
)
def test_other_maxima_stay(before, text: str):
    assert before(written(text, CONSTANTS), feeds()).rewritten(fuse_rectifiers) == 0
