"""Normalizations over the last axis, and softmax, are recognised however they are written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from shipfit.tools.rewrite.layer_norm import fuse_layer_norm
from shipfit.tools.rewrite.rms_norm import spell_rms_norm
from shipfit.tools.rewrite.softmax import fuse_softmax

from .written import feeds, written

WIDE = np.asarray(np.random.default_rng(1).uniform(0.5, 2, 8), np.float32)
CONSTANTS = {
    "two": 2.0, "half": 0.5, "mhalf": -0.5, "eps": 1e-5, "zero": 0.0, "scale": WIDE, "bias": WIDE[::-1].copy(),
    "last": np.array([-1]), "middle": np.array([1]),
}  # fmt: skip

CENTRED = "m = ReduceMean(x, axes=[-1]); d = Sub(x, m); {square}; v = ReduceMean(q, axes=[-1]); e = Add(v, eps)"
EXPANDED = (
    "m = ReduceMean(x, axes=[-1]); d = Sub(x, m); q = Mul(x, x); u = ReduceMean(q, axes=[-1]); w = Mul(m, m);"
    "v0 = Sub(u, w); v = Max(v0, zero); e = Add(eps, v)"
)
VARIANCES = [CENTRED.format(square="q = Pow(d, two)"), CENTRED.format(square="q = Mul(d, d)"), EXPANDED]
TAILS = [
    "s = Sqrt(e); n = Div(d, s); o = Mul(n, scale); y = Add(o, bias)",
    "s = Pow(e, half); n = Div(d, s); o = Mul(scale, n); y = Add(bias, o)",
    "s = Sqrt(e); r = Reciprocal(s); n = Mul(r, d); o = Mul(n, scale); y = Add(o, bias)",
    "s = Sqrt(e); r = Reciprocal(s); f = Mul(r, scale); o = Mul(d, f); y = Add(o, bias)",
    "r = Pow(e, mhalf); n = Mul(d, r); o = Mul(n, scale); y = Add(o, bias)",
    "s = Sqrt(e); r = Reciprocal(s); f = Mul(r, scale); a = Mul(x, f); b = Mul(m, f); c = Sub(bias, b); y = Add(a, c)",
    "s = Sqrt(e); n = Div(d, s); y = Mul(n, scale)",
    "s = Sqrt(e); n = Div(d, s); y = Add(n, bias)",
]


@settings(max_examples=24, deadline=None)
@given(st.sampled_from(VARIANCES), st.sampled_from(TAILS), st.sampled_from([2, 3, 4]))
def test_layer_normalization(before, variance: str, tail: str, rank: int):
    case = before(written(f"{variance}; {tail}", CONSTANTS, rank=rank), feeds(rank))
    assert case.rewritten(fuse_layer_norm) == 1
    assert case.types == ["LayerNormalization"]


OTHERS = {
    "no scale": f"{VARIANCES[0]}; s = Sqrt(e); y = Div(d, s)",
    "another axis": f"{VARIANCES[1]}; {TAILS[0]}".replace(
        "v = ReduceMean(q, axes=[-1])", "v = ReduceMean(q, axes=[-2])"
    ),
    "another mean": f"k = Abs(x); {VARIANCES[1]}; {TAILS[0]}".replace("m = ReduceMean(x", "m = ReduceMean(k"),
    "another difference": f"k = Abs(x); {VARIANCES[1]}; {TAILS[0]}".replace("Div(d, s)", "Div(k, s)"),
    "multiplied by the root": f"{VARIANCES[1]}; s = Sqrt(e); n = Mul(d, s); o = Mul(n, scale); y = Add(o, bias)",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_expressions_stay(before, name: str):
    assert before(written(OTHERS[name], CONSTANTS), feeds()).rewritten(fuse_layer_norm) == 0


def test_layer_normalization_needs_its_opset_and_nothing_else_reading(before):
    text = f"{VARIANCES[1]}; {TAILS[0]}"
    assert before(written(text, CONSTANTS, opset=16), feeds()).rewritten(fuse_layer_norm) == 0
    assert before(written(text, CONSTANTS, outputs=("y", "d")), feeds()).rewritten(fuse_layer_norm) == 0


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(["Mul(x, x)", "Pow(x, two)"]), st.booleans())
def test_root_mean_square(before, square: str, turned: bool):
    product = "Mul(r, x)" if turned else "Mul(x, r)"
    text = f"q = {square}; v = ReduceMean(q, axes=[-1]); e = Add(v, eps); s = Sqrt(e); r = Reciprocal(s)"
    case = before(written(f"{text}; n = {product}; y = Mul(n, scale)", CONSTANTS), feeds())
    assert case.rewritten(spell_rms_norm) == 1
    assert case.types == ["Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]


@settings(max_examples=8, deadline=None)
@given(st.booleans(), st.sampled_from(["last", "middle"]))
def test_softmax(before, shifted: bool, axis: str):
    number = {"last": -1, "middle": 1}[axis]
    head = f"m = ReduceMax(x, axes=[{number}]); d = Sub(x, m); e = Exp(d)" if shifted else "e = Exp(x)"
    case = before(written(f"{head}; s = ReduceSum(e, {axis}); y = Div(e, s)", CONSTANTS), feeds())
    assert case.rewritten(fuse_softmax) == 1
    assert case.types == ["Softmax"]


@pytest.mark.parametrize(
    ("text", "outputs", "opset"),
    [
        ("e = Exp(x); s = ReduceSum(e, last); y = Div(e, s)", ("y", "e"), 17),
        ("e = Exp(x); k = Abs(x); s = ReduceSum(k, last); y = Div(e, s)", ("y",), 17),
        ("e = Exp(x); s = ReduceSum(e); y = Div(e, s)", ("y",), 17),
    ],
)
def test_other_quotients_stay(before, text: str, outputs: tuple[str, ...], opset: int):
    assert before(written(text, CONSTANTS, opset, outputs), feeds()).rewritten(fuse_softmax) == 0


def test_the_largest_along_another_axis_is_no_shift(before):
    text = "m = ReduceMax(x, axes=[1]); d = Sub(x, m); e = Exp(d); s = ReduceSum(e, last); y = Div(e, s)"
    case = before(written(text, CONSTANTS), feeds())
    assert case.rewritten(fuse_softmax) == 1
    assert case.types == ["ReduceMax", "Sub", "Softmax"]
