"""Equal work is done once, turns cancel across what is computed element by element, nothing is spread in vain."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.tools.rewrite.cancel_transposes import cancel_transposes
from shipfit.tools.rewrite.drop_expand import drop_expand
from shipfit.tools.rewrite.share_work import share_work

from ... import models

RNG = np.random.default_rng(0)
SHAPE = [2, 3, 4]
X = models.spec("x", SHAPE)
FEEDS = {"x": np.asarray(RNG.standard_normal(SHAPE), np.float32)}
UNARY = ("Relu", "Neg", "Tanh", "Abs", "Sigmoid")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*UNARY, "Add", "Mul", "Sub"]), st.integers(0, 5), st.integers(0, 5))))
def test_equal_work_is_done_once(before: Any, steps: list[tuple[str, int, int]]) -> None:
    names, nodes = ["x"], list[onnx.NodeProto]()
    for at, (kind, first, second) in enumerate(steps):
        operands = [names[first % len(names)], *([] if kind in UNARY else [names[second % len(names)]])]
        nodes.append(helper.make_node(kind, operands, [f"v{at}"]))
        names.append(f"v{at}")
    nodes.append(helper.make_node("Sum", names, ["y"]))
    case = before(models.build(nodes, [X], [models.spec("y", SHAPE)], {}), FEEDS)
    count = case.rewritten(share_work)
    left = case.model.graph.node
    keys = {(node.op_type, tuple(sorted(node.input) if node.op_type != "Sub" else node.input)) for node in left}
    assert len(left) == len(nodes) - count == len(keys)


def test_in_bodies_too_but_never_what_is_read_from_outside(before: Any) -> None:
    def body(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Neg", ["twice"], [f"{name}_a"]),
            helper.make_node("Neg", ["twice"], [f"{name}_b"]),
            helper.make_node("Add", [f"{name}_a", f"{name}_b"], [f"{name}_y"]),
        ]
        return models.graph(nodes, [], [models.spec(f"{name}_y", SHAPE)], {}, name)

    nodes = [
        helper.make_node("Relu", ["x"], ["once"]),
        helper.make_node("Relu", ["x"], ["twice"]),  # bodies read it
        helper.make_node("Add", ["once", "once"], ["z"]),
        helper.make_node("If", ["flag"], ["y"], then_branch=body("t"), else_branch=body("e")),
    ]
    inputs = [X, models.spec("flag", [], TensorProto.BOOL)]
    outputs = [models.spec("y", SHAPE), models.spec("z", SHAPE)]
    case = before(models.build(nodes, inputs, outputs, {}), {**FEEDS, "flag": np.array(True)})
    assert case.rewritten(share_work) == 2
    assert case.types.count("Relu") == 2


@pytest.mark.parametrize(
    ("kind", "name", "values"), [("RandomNormalLike", "seed", (1.0, 1.0)), ("Elu", "alpha", (0.5, 0.7))]
)
def test_what_may_differ_stays(kind: str, name: str, values: tuple[float, float]) -> None:
    nodes = [helper.make_node(kind, ["x"], [output]) for output in ("a", "b")]
    for node, value in zip(nodes, values, strict=True):
        node.attribute.append(helper.make_attribute(name, value))
    nodes.append(helper.make_node("Sub", ["a", "b"], ["y"]))
    model = models.build(nodes, [X], [models.spec("y", SHAPE)], {})
    assert share_work(model) == 0


ORDERS = list(itertools.permutations(range(3)))[1:]
BINARY = ("Add", "Mul", "Sub", "Max")


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ORDERS),
    st.lists(st.tuples(st.sampled_from([*UNARY, *BINARY, "other"]), st.integers(0, 5)), min_size=1, max_size=5),
    st.booleans(),
)
def test_turns_cancel_across_elements(
    before: Any, order: tuple[int, ...], steps: list[tuple[str, int]], read_outside: bool
) -> None:
    turned = [SHAPE[each] for each in order]
    constants = [np.float32(0.5), RNG.standard_normal(turned[2]), RNG.standard_normal(turned[1:]).reshape(turned[1:]),
                 RNG.standard_normal([1, *turned[1:]]), RNG.standard_normal(turned), np.ones((1, 1, 1))]  # fmt: skip
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=list(order))]
    nodes.append(helper.make_node("Transpose", ["x"], ["u"], perm=list(order)))
    weights, name = dict[str, np.ndarray](), "t"
    for at, (kind, which) in enumerate(steps):
        operands = [name]
        if kind in BINARY:
            weights[f"c{at}"] = np.asarray(constants[which], np.float32)
            operands.append(f"c{at}")
        elif kind == "other":
            operands.append("u")
        nodes.append(helper.make_node("Add" if kind == "other" else kind, operands, [f"v{at}"]))
        name = f"v{at}"
    back = [int(each) for each in np.argsort(order)]
    nodes.append(helper.make_node("Transpose", [name], ["y"], perm=back))
    outputs = [models.spec("y", SHAPE), *([models.spec(name, turned)] if read_outside else [])]
    model = models.build(nodes, [X], outputs, weights)
    model.graph.value_info.extend(models.spec(f"v{at}", turned) for at in range(len(steps) - 1))
    case = before(model, FEEDS)
    assert case.rewritten(cancel_transposes, 1e9) == int(not read_outside)
    used = any(kind == "other" for kind, _ in steps)
    assert read_outside or case.types.count("Transpose") == int(not used)  # one was never read


@pytest.mark.parametrize("kind", ["Div", "Add", "Max"])
@pytest.mark.parametrize("first", [True, False])
def test_nothing_is_spread_in_vain(before: Any, kind: str, first: bool) -> None:
    operands = ["x", "wide"] if first else ["wide", "x"]
    nodes = [
        helper.make_node("ReduceL2", ["x"], ["n"], axes=[-1], keepdims=1),
        helper.make_node("Clip", ["n", "least"], ["c"]),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Expand", ["c", "s"], ["wide"]),
        helper.make_node(kind, operands, ["y"]),
    ]
    model = models.build(nodes, [X], [models.spec("y", SHAPE)], {"least": np.array(1e-12, np.float32)})
    case = before(model, FEEDS)
    assert case.rewritten(drop_expand) == 1
    assert case.types == ["ReduceL2", "Clip", kind]


def test_spread_to_another_shape_stays(before: Any) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Expand", ["v", "s"], ["wide"]),
        helper.make_node("Mul", ["wide", "v"], ["y"]),
    ]
    model = models.build(nodes, [X, models.spec("v", [4])], [models.spec("y", SHAPE)], {})
    case = before(model, {**FEEDS, "v": np.ones(4, np.float32)})
    assert case.rewritten(drop_expand) == 0
