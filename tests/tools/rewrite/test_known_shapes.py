"""Shapes that are known, or can be taken over, are not computed; at sizes that nobody declared too."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from shipfit.tools.rewrite.known_shapes import fold_known_shapes
from shipfit.tools.rewrite.sum_before_norm import sum_before_norm

from ... import models


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def attention(width: int, heads: int, masked: bool = False) -> onnx.ModelProto:
    """Heads as exporters write them: sizes from the input's shape, the head's width as a quotient."""
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["q"]),
        node("Shape", ["x"], ["shape"], start=0),  # as onnxruntime writes it
        node("Gather", ["shape", "0"], ["b"]),
        node("Gather", ["shape", "1"], ["t"]),
        node("Gather", ["shape", "2"], ["c"]),
        node("Div", ["c", "heads"], ["d"]),
        *(node("Unsqueeze", [each, "axis"], [f"{each}1"]) for each in ("b", "t", "d", "c")),
        node("Concat", ["b1", "t1", "heads1", "d1"], ["split"], axis=0),
        node("Reshape", ["q", "split"], ["apart"]),
        node("Transpose", ["apart"], ["turned"], perm=[0, 2, 1, 3]),
        *([node("Mul", ["turned", "mask"], ["mixed"])] if masked else [node("Relu", ["turned"], ["mixed"])]),
        node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        node("Concat", ["b1", "t1", "c1"], ["join"], axis=0),
        node("Reshape", ["back", "join"], ["joined"]),
        node("Add", ["x", "joined"], ["sum"]),
        node("LayerNormalization", ["sum", "gain", "shift"], ["y"], axis=-1),
    ]
    weights: dict[str, Any] = {str(each): np.array(each) for each in range(3)}
    weights |= {"heads": np.array(heads), "heads1": np.array([heads]), "axis": np.array([0]), "w": noise(width, width)}
    weights |= {"gain": noise(width, seed=1), "shift": noise(width, seed=2)}
    inputs = [models.spec("x", ["batch", "time", width])]
    inputs += [models.spec("mask", ["batch", 1, 1, 1])] if masked else []
    return models.build(nodes, inputs, [models.spec("y", [None, None, None])], weights)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.sampled_from([1, 2, 4]), st.booleans())
def test_heads(before, batch: int, time: int, heads: int, masked: bool):
    feeds = {"x": noise(batch, time, 8)} | ({"mask": noise(batch, 1, 1, 1, seed=3)} if masked else {})
    case = before(attention(8, heads, masked), feeds)
    assert case.rewritten(fold_known_shapes) > 0
    assert not {"Shape", "Gather", "Concat", "Unsqueeze", "Div"} & {*case.types}


def test_inputs_that_are_named_alike_may_differ(before):
    node = helper.make_node
    nodes = [node("Shape", ["x"], ["shape"]), node("Reshape", ["z", "shape"], ["y"])]
    inputs = [models.spec("x", ["n", "m"]), models.spec("z", ["n", "m"])]
    model = models.build(nodes, inputs, [models.spec("y", [None, None])], {})
    case = before(model, {"x": noise(2, 6), "z": noise(3, 4)})
    assert case.rewritten(fold_known_shapes) == 0


def test_what_is_given_out_is_still_computed(before):
    node = helper.make_node
    nodes = [node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "one"], ["y"])]
    outputs = [models.spec("y", [], TensorProto.INT64), models.spec("shape", [2], TensorProto.INT64)]
    case = before(models.build(nodes, [models.spec("x", ["n", 5])], outputs, {"one": np.array(1)}), {"x": noise(2, 5)})
    assert case.rewritten(fold_known_shapes) == 0


def test_a_residual_is_added_as_a_sum(before):
    case = before(attention(8, 2), {"x": noise(2, 3, 8)})
    assert case.rewritten(sum_before_norm) == 1
    assert case.types[-2:] == ["Sum", "LayerNormalization"]
    assert case.rewritten(sum_before_norm) == 0


def test_a_bias_stays_an_addition(before):
    node = helper.make_node
    nodes = [node("Add", ["x", "shift"], ["s"]), node("LayerNormalization", ["s", "gain"], ["y"])]
    model = models.build(
        nodes, [models.spec("x", [2, 8])], [models.spec("y", [2, 8])], {"gain": noise(8), "shift": noise(8)}
    )
    assert before(model, {"x": noise(2, 8)}).rewritten(sum_before_norm) == 0


def test_a_dimension_that_the_target_leaves_open_stays_open(before):
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "0", "2"], ["first"]),
        node("Concat", ["first", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    weights = {"0": np.array([0]), "2": np.array([2]), "rest": np.array([-1])}
    inputs = [models.spec("x", ["batch", 6, 4, 4])]
    case = before(models.build(nodes, inputs, [models.spec("y", [None] * 3)], weights), {"x": noise(3, 6, 4, 4)})
    assert case.rewritten(fold_known_shapes) == 1
    assert case.types == ["Reshape"]


def test_operators_of_the_runtime_do_not_hide_shapes(before):
    """onnx's inference knows no operator of `com.microsoft`; what comes after one is a transformer's next layer."""
    model = attention(8, 2)
    gelu = helper.make_node("BiasGelu", ["x", "bias"], ["gelu"], domain="com.microsoft")
    for each in model.graph.node:
        each.input[:] = ["gelu" if name == "x" else name for name in each.input]
    model.graph.node.insert(0, gelu)
    model.graph.initializer.append(numpy_helper.from_array(noise(8), "bias"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    case = before(model, {"x": noise(2, 3, 8)})
    assert case.rewritten(fold_known_shapes) > 0
    assert not {"Shape", "Gather", "Concat", "Unsqueeze", "Div"} & {*case.types}


def test_numbers_that_were_needed_on_the_way_do_not_stay() -> None:
    model = attention(32, 4)
    assert fold_known_shapes(model)
    read = {name for node in model.graph.node for name in node.input}
    assert {each.name for each in model.graph.initializer} <= read


@settings(max_examples=10, deadline=None)
@given(st.permutations([0, 1, 2, 3]), st.integers(-4, 3))
def test_a_size_is_picked_through_what_turns_the_shape(before, perm: list[int], at: int):
    """Torch's scale of attention: the last dimension of a value, whose `Transpose` the runtime has moved past it."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "perm"], ["turned"]),
        node("Slice", ["turned", "from", "to"], ["size"]),
        node("Cast", ["size"], ["number"], to=TensorProto.FLOAT),
        node("Mul", ["x", "number"], ["y"]),
    ]
    weights = {"perm": np.array(perm), "from": np.array([at]), "to": np.array([at + 1 or 99])}
    inputs = [models.spec("x", ["batch", 4, 5, 6])]
    case = before(models.build(nodes, inputs, [models.spec("y", [None] * 4)], weights), {"x": noise(3, 4, 5, 6)})
    assert (case.rewritten(fold_known_shapes) > 0) == (perm[at] != 0)
    assert (case.types == ["Mul"]) == (perm[at] != 0)
