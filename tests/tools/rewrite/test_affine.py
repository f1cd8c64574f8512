"""Scales and shifts move into the weights beside them, wherever that changes nothing, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.affine_after import fold_affine_after
from shipfit.tools.rewrite.affine_as_conv import affine_as_conv
from shipfit.tools.rewrite.affine_before import fold_affine_before

from ... import models
from .written import feeds as row_feeds, written

CHANNELS = 4
X = models.spec("x", [2, CHANNELS, 6, 6])
OPS = ("Mul", "Div", "Add", "Sub")


def free(name: str, rank: int = 4) -> onnx.ValueInfoProto:
    """An output of any shape."""
    return models.spec(name, [None] * rank)


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).uniform(0.2, 1.5, shape), np.float32)


def feeds() -> dict[str, np.ndarray]:
    return {"x": np.asarray(np.random.default_rng(5).standard_normal((2, CHANNELS, 6, 6)), np.float32)}


@st.composite
def affine_steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Operators with constants of every harmless shape, the constant on either side."""
    shapes = st.sampled_from([(), (1,), (CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1, 1, 1, 1)])
    step = st.fixed_dictionaries({"op": st.sampled_from([*OPS, "Neg"]), "shape": shapes, "turned": st.booleans()})
    return draw(st.lists(step, min_size=1, max_size=3))


def chain(steps: list[dict[str, Any]], source: str, result: str) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    nodes, weights, name = [], {}, source
    for index, step in enumerate(steps):
        output = result if index == len(steps) - 1 else f"{result}{index}"
        names = [name]
        if step["op"] != "Neg":
            weights[f"{result}c{index}"] = weight(*step["shape"], seed=index)
            turned = step["turned"] and step["op"] != "Div"
            names = [f"{result}c{index}", name] if turned else [name, f"{result}c{index}"]
        nodes.append(helper.make_node(step["op"], names, [output]))
        name = output
    return nodes, weights


@settings(max_examples=20, deadline=None)
@given(affine_steps(), st.booleans(), st.sampled_from(["Conv", "ConvTranspose"]), st.sampled_from([1, 2, 4]))
def test_after_a_convolution(before, steps, biased: bool, op: str, groups: int):
    nodes, weights = chain(steps, "a", "y")
    inputs = ["x", "w", "b"] if biased else ["x", "w"]
    conv = helper.make_node(op, inputs, ["a"], pads=[1, 1, 1, 1], group=groups)
    weights |= {"w": weight(CHANNELS, CHANNELS // groups, 3, 3)} | ({"b": weight(CHANNELS)} if biased else {})
    case = before(models.build([conv, *nodes], [X], [free("y")], weights), feeds())
    assert case.rewritten(fold_affine_after) == len(steps)
    assert case.types == [op]
    assert len(case.model.graph.initializer) <= 3


@settings(max_examples=20, deadline=None)
@given(affine_steps(), st.booleans(), st.booleans(), st.sampled_from([1, 2, 4]), st.booleans())
def test_before_a_convolution(before, steps, biased: bool, padded: bool, groups: int, twice: bool):
    nodes, weights = chain(steps, "x", "a")
    inputs = ["a", "w", "b"] if biased else ["a", "w"]
    conv = helper.make_node("Conv", inputs, ["y"], pads=[int(padded)] * 4, group=groups)
    other = [helper.make_node("Conv", ["a", "v"], ["z"])] if twice else []
    weights |= {"w": weight(CHANNELS, CHANNELS // groups, 3, 3)} | ({"b": weight(CHANNELS)} if biased else {})
    weights |= {"v": weight(3, CHANNELS, 1, 1)} if twice else {}
    outputs = [free(name) for name in ("y", "z")[: 1 + twice]]
    case = before(models.build([*nodes, conv, *other], [X], outputs, weights), feeds())
    shifted = any(step["op"] in {"Add", "Sub"} for step in steps)
    count = case.rewritten(fold_affine_before)
    assert count == (0 if padded and shifted else len(steps))


@settings(max_examples=12, deadline=None)
@given(affine_steps(), st.sampled_from(["Gemm", "MatMul"]), st.booleans(), st.booleans())
def test_around_a_product(before, steps, op: str, transposed: bool, first: bool):
    flat = [step | {"shape": (CHANNELS,) if len(step["shape"]) > 1 else step["shape"]} for step in steps]
    attributes: dict[str, Any] = {"alpha": 0.5, "beta": 2.0, "transB": int(transposed)} if op == "Gemm" else {}
    nodes, weights = chain(flat, "x" if first else "a", "c")
    names = ["c" if first else "x", "w", "b"][: 3 if op == "Gemm" else 2]
    layer = helper.make_node(op, names, ["a"], **attributes)
    weights |= {"w": weight(CHANNELS, CHANNELS)} | ({"b": weight(CHANNELS)} if op == "Gemm" else {})
    order = [*nodes, layer] if first else [layer, *nodes]
    model = models.build(order, [models.spec("x", [3, CHANNELS])], [free("a" if first else "c", 2)], weights)
    case = before(model, {"x": feeds()["x"][0, :3, 0, :CHANNELS]})
    rewrite = fold_affine_before if first else fold_affine_after
    shifted = any(step["op"] in {"Add", "Sub"} for step in flat)
    if op == "Gemm" or not shifted:
        assert case.rewritten(rewrite) == len(steps)
        assert case.types == [op]
    else:
        case.rewritten(rewrite)


@settings(max_examples=12, deadline=None)
@given(affine_steps(), st.sampled_from(["Relu", "HardSwish", "MaxPool", ""]))
def test_between_convolutions(before, steps, between: str):
    nodes, weights = chain(steps, "h" if between else "a", "b")
    first = helper.make_node("Conv", ["x", "w"], ["a"])
    pool: dict[str, Any] = {"kernel_shape": [2, 2]} if between == "MaxPool" else {}
    middle = [helper.make_node(between, ["a"], ["h"], **pool)]
    last = helper.make_node("Conv", ["b", "v"], ["y"], pads=[1, 1, 1, 1])
    weights |= {"w": weight(CHANNELS, CHANNELS, 1, 1), "v": weight(CHANNELS, CHANNELS, 3, 3)}
    order = [first, *(middle if between else []), *nodes, last]
    case = before(models.build(order, [X], [free("y")], weights), feeds())
    assert case.rewritten(affine_as_conv) == 1
    assert case.types == ["Conv", *([between] if between else []), "Conv", "Conv"]


def normalized(training: int = 0) -> list[onnx.NodeProto]:
    names = ["x", "scale", "shift", "mean", "var"]
    return [
        helper.make_node("BatchNormalization", names, ["a"], epsilon=1e-3, training_mode=training),
        helper.make_node("Conv", ["a", "w"], ["y"]),
    ]


def test_batch_normalization_before_a_convolution(before):
    weights = {name: weight(CHANNELS, seed=index) for index, name in enumerate(["scale", "shift", "mean", "var"])}
    weights["w"] = weight(3, CHANNELS, 3, 3)
    case = before(models.build(normalized(), [X], [free("y")], weights), feeds())
    assert case.rewritten(fold_affine_before) == 1
    assert case.types == ["Conv"]
    assert len(case.model.graph.initializer) == 2


def conv_and(
    *nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("y",), rank: int = 4, **weights: np.ndarray
) -> onnx.ModelProto:
    all_nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), *nodes]
    stored = {"w": weight(CHANNELS, CHANNELS, 1, 1)} | weights
    return models.build(all_nodes, [X], [free(name, rank) for name in outputs], stored)


MUL = helper.make_node("Mul", ["a", "c"], ["y"])
DECOYS = {
    "another reader": conv_and(MUL, helper.make_node("Neg", ["a"], ["z"]), outputs=("y", "z"), c=weight(1)),
    "an output": conv_and(MUL, outputs=("y", "a"), c=weight(1)),
    "along the width": conv_and(MUL, c=weight(6)),
    "along the batch": conv_and(MUL, c=weight(2, 1, 1, 1)),
    "more dimensions": conv_and(MUL, c=weight(1, 1, 1, 1, 1), rank=5),
    "not finite": conv_and(MUL, c=np.array(np.inf, np.float32)),
    "by itself": conv_and(helper.make_node("Mul", ["a", "a"], ["y"])),
    "divided the wrong way": conv_and(helper.make_node("Div", ["c", "a"], ["y"]), c=weight(1)),
    "weights of two": conv_and(
        MUL, helper.make_node("Conv", ["x", "w"], ["z"]), outputs=("y", "z"), c=np.float32(2) * weight(1)
    ),
    "more channels": models.build(
        [helper.make_node("Conv", ["x", "w"], ["a"]), MUL],
        [X],
        [free("y")],
        {"w": weight(1, CHANNELS, 1, 1), "c": weight(3, 1, 1)},
    ),
}


@pytest.mark.parametrize("name", DECOYS)
def test_what_only_looks_so_stays(before, name: str):
    model = onnx.ModelProto()
    model.CopyFrom(DECOYS[name])
    assert before(model, feeds()).rewritten(fold_affine_after) == 0


def test_in_a_body_with_weights_outside(before):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["a", "c"], ["m"]),
        helper.make_node("Add", ["m", "d"], ["t"]),
    ]
    then = models.graph(nodes, [], [free("t")], {"d": weight(CHANNELS, 1, 1)}, "then")
    other = models.graph([helper.make_node("Mul", ["x", "c"], ["e"])], [], [free("e")], {}, "else")
    branch = helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=other)
    inputs = [X, models.spec("flag", [], onnx.TensorProto.BOOL)]
    weights = {"w": weight(CHANNELS, CHANNELS, 3, 3), "c": weight(1)}
    model = models.build([branch], inputs, [models.spec("y", [2, CHANNELS, 6, 6])], weights)
    case = before(model, {**feeds(), "flag": np.array(True)})
    assert case.rewritten(fold_affine_after) == 2
    bodies = {each.name: [node.op_type for node in each.g.node] for each in model.graph.node[0].attribute}
    assert bodies == {"then_branch": ["Conv"], "else_branch": ["Mul"]}
    assert [each.name for each in model.graph.initializer] == ["c"]


FUSED = {
    "gelu": "a = Div(x, root); e = Erf(a); g = Add(e, one); p = Mul(x, g); h = Mul(p, half); y = MatMul(h, w)",
    "root mean square": "q = Pow(x, two); m = ReduceMean(q, axes=[-1]); e = Add(m, eps); s = Sqrt(e); n = Div(x, s);"
    "h = Mul(n, scale); y = MatMul(h, w)",
}


@pytest.mark.parametrize("name", FUSED)
def test_what_the_runtime_fuses_stays_whole(before, name: str):
    scalars = {"root": 2**0.5, "one": 1.0, "half": 0.5, "two": 2.0, "eps": 1e-5}
    model = written(FUSED[name], {**scalars, "scale": weight(8), "w": weight(8, 8)})
    assert before(model, row_feeds()).rewritten(fold_affine_before) == 0
