"""Rows are looked up, and what is computed on them is computed once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.tools.rewrite.one_hot import gather_one_hot
from shipfit.tools.rewrite.row_tables import fold_row_tables

from ... import models

ROWS, WIDTH = 7, 5


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def one_hot(
    kind: type = np.int32, shift: int = 0, widen: str = "Reshape", turned: bool = False, opset: int = 17
) -> onnx.ModelProto:
    last = np.array([-1, 3, 1] if widen != "Unsqueeze" else [-1], np.int64)
    pair = ["counter", "wide"] if turned else ["wide", "counter"]
    nodes = [
        helper.make_node("Unsqueeze" if widen == "Unsqueeze" else "Reshape", ["i", "last"], ["narrow"]),
        helper.make_node("Expand", ["narrow", "size"], ["wide"]),
        helper.make_node("Equal", pair, ["e"]),
        helper.make_node("Cast", ["e"], ["h"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    ]
    size = np.array([2, 3, ROWS if widen == "Expand" else 1], np.int64)
    weights = {"last": last, "size": size, "w": weight(ROWS, WIDTH)}
    weights["counter"] = (np.arange(ROWS) + shift).astype(kind).reshape(1, 1, ROWS)
    inputs = [models.spec("i", [2, 3], helper.np_dtype_to_tensor_dtype(np.dtype(kind)))]
    return models.build(nodes, inputs, [models.spec("y", [2, 3, WIDTH])], weights, opset)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([np.int32, np.int64]), st.sampled_from(["Reshape", "Unsqueeze"]), st.booleans())
def test_one_hot_becomes_a_look_up(before, kind: type, widen: str, turned: bool):
    # Indices outside of the table, on both sides and far away, answer zeros as before.
    case = before(one_hot(kind, widen=widen, turned=turned), {"i": np.array([[0, 6, 3], [-1, 7, 10**6]], kind)})
    assert case.rewritten(gather_one_hot) == 1
    assert case.types[-1] == "Gather"
    assert "MatMul" not in case.types


@pytest.mark.parametrize(
    "model",
    [one_hot(shift=1), one_hot(kind=np.float32), one_hot(widen="Expand"), one_hot(np.int64, opset=11, widen="Reshape")],
    ids=["counts from one", "floats", "widened by copies", "opset"],
)
def test_other_comparisons_stay(before, model: onnx.ModelProto):
    kind = helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)
    case = before(model, {"i": np.array([[0, 6, 3], [1, 1, 2]], kind)})
    assert case.rewritten(gather_one_hot) == 0


STEPS = {
    "bias": helper.make_node("Add", ["v", "b"], ["o"]),
    "scale": helper.make_node("Mul", ["s", "v"], ["o"]),
    "square": helper.make_node("Mul", ["v", "v"], ["o"]),
    "tanh": helper.make_node("Tanh", ["v"], ["o"]),
    "clip": helper.make_node("Clip", ["v", "", "s"], ["o"]),
    "norm": helper.make_node("LayerNormalization", ["v", "b", "b"], ["o"]),
    "gate": helper.make_node("Mul", ["g", "v"], ["o"]),
    "dense": helper.make_node("MatMul", ["v", "d"], ["o"]),
}
STORED = {
    "t": weight(ROWS, WIDTH),
    "b": weight(WIDTH),
    "s": np.full((), 0.7, np.float32),
    "d": weight(WIDTH, WIDTH, seed=3),
    "r": weight(2, 1, 1),
}


def looked_up(steps: list[str], *more: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    nodes, name = [helper.make_node("Gather", ["t", "i"], ["g"])], "g"
    for index, step in enumerate(steps):
        node = onnx.NodeProto()
        node.CopyFrom(STEPS[step])
        result = "y" if index == len(steps) - 1 else f"o{index}"
        del node.input[:], node.output[:]
        node.input.extend(name if each == "v" else each for each in STEPS[step].input)
        node.output.append(result)
        nodes.append(node)
        name = result
    read = {each for node in (*nodes, *more) for each in node.input}
    stored = {each: value for each, value in STORED.items() if each in read}
    specs = [models.spec(each, [2, 3, WIDTH]) for each in outputs]
    return models.build([*nodes, *more], [models.spec("i", [2, 3], TensorProto.INT64)], specs, stored)


INDICES = {"i": np.array([[0, 6, 3], [-1, 2, 2]])}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4))
def test_rows_are_computed_once(before, steps: list[str]):
    case = before(looked_up(steps), INDICES)
    assert case.rewritten(fold_row_tables) == len(steps)
    assert case.types == ["Gather"]


DECOYS = {
    "the rows are an output": looked_up(["tanh"], outputs=("y", "g")),
    "another reader": looked_up(["tanh"], helper.make_node("Mul", ["g", "r"], ["z"]), outputs=("y", "z")),
    "the table is read twice": looked_up(["tanh"], helper.make_node("Gather", ["t", "i"], ["z"]), outputs=("y", "z")),
}


@pytest.mark.parametrize("name", DECOYS)
def test_what_is_read_otherwise_stays(before, name: str):
    model = onnx.ModelProto()
    model.CopyFrom(DECOYS[name])
    assert before(model, INDICES).rewritten(fold_row_tables) == 0
