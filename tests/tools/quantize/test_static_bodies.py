"""Static compute inside `If` and `Loop`: calibrated where samples come to, close to the original, nothing left over."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.onnx_model import iter_graphs, iter_nodes
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.analysis import analyse
from shipfit.tools.quantize.bodies import bodies_of, body_feeds
from shipfit.tools.quantize.graphs import Names
from shipfit.tools.quantize.static_bodies import StaticWay, write_static_bodies
from shipfit.tools.quantize.static_plan import StaticChoice

WIDTH = 24
WAY = StaticWay(StaticChoice(("Conv", "MatMul", "Gemm")))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Maker:
    """Random bodies that turn `(1, WIDTH)` into the same shape, with weights of their own or from outside."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.names = Names()
        self.outer: list[TensorProto] = []

    def weight(self, own: list[TensorProto]) -> str:
        shared = [each.name for each in self.outer]
        if shared and self.rng.random() < 0.3:
            return str(self.rng.choice(shared))
        name = self.names.fresh("w")
        values = (self.rng.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5).astype(np.float32)
        (own if self.rng.random() < 0.5 else self.outer).append(numpy_helper.from_array(values, name))
        return name

    def chain(self, x: str, own: list[TensorProto], depth: int) -> tuple[list[NodeProto], str]:
        nodes: list[NodeProto] = []
        for _ in range(int(self.rng.integers(1, 3))):
            y = self.names.fresh("t")
            kind = str(self.rng.choice(["MatMul", "Gemm", "Relu", "Squeeze", "nested"]))
            if kind == "nested" and depth:
                inner, y = self.holder(x, depth - 1)
                nodes += inner
            elif kind == "Relu":
                nodes.append(helper.make_node("Relu", [x], [y], self.names.fresh("relu")))
            elif kind == "Squeeze":  # onnxruntime carries 8 bits on through it
                flat = self.names.fresh("t")
                nodes.append(helper.make_node("Squeeze", [x], [flat], self.names.fresh("flat")))
                nodes.append(helper.make_node("Unsqueeze", [flat, "axis"], [y], self.names.fresh("back")))
            else:
                op_type = "Gemm" if kind == "Gemm" else "MatMul"
                nodes.append(helper.make_node(op_type, [x, self.weight(own)], [y], self.names.fresh("unit")))
            x = y
        return nodes, x

    def body(self, x: str, depth: int, inputs: list[Any], outputs: list[Any]) -> GraphProto:
        own: list[TensorProto] = []
        nodes, last = self.chain(x, own, depth)
        both, given = self.names.fresh("both"), self.names.fresh("out")
        nodes.append(helper.make_node("Add", [last, x], [both], self.names.fresh("add")))  # or values vanish in loops
        nodes.append(helper.make_node("Tanh", [both], [given], self.names.fresh("tanh")))
        outputs = [*outputs, helper.make_tensor_value_info(given, TensorProto.FLOAT, [1, WIDTH])]
        return helper.make_graph(nodes, self.names.fresh("body"), inputs, outputs, own)

    def holder(self, x: str, depth: int) -> tuple[list[NodeProto], str]:
        y, name = self.names.fresh("t"), self.names.fresh("held")
        if self.rng.random() < 0.6:
            first, second = (self.body(x, depth, [], []) for _ in range(2))
            return [helper.make_node("If", ["flag"], [y], name, then_branch=first, else_branch=second)], y
        at, going, state, goes = (self.names.fresh(each) for each in ("at", "going", "state", "goes"))
        inputs = [
            helper.make_tensor_value_info(at, TensorProto.INT64, []),
            helper.make_tensor_value_info(going, TensorProto.BOOL, []),
            helper.make_tensor_value_info(state, TensorProto.FLOAT, [1, WIDTH]),
        ]
        body = self.body(state, depth, inputs, [helper.make_tensor_value_info(goes, TensorProto.BOOL, [])])
        body.node.append(helper.make_node("Identity", [going], [goes], self.names.fresh("same")))
        return [helper.make_node("Loop", ["count", "", x], [y], name, body=body)], y

    def model(self) -> ModelProto:
        first = helper.make_node("MatMul", ["x", self.weight(self.outer)], ["first"], "first")
        nodes, last = self.chain("first", self.outer, 0)
        held, y = self.holder(last, 2)
        nodes = [first, *nodes, *held, helper.make_node("Neg", [y], ["y"], "end")]
        constants = {"axis": np.array([0], np.int64), "count": np.array(2, np.int64)}
        graph = helper.make_graph(
            nodes,
            "g",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH]),
                helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, WIDTH])],
            [*self.outer, *(numpy_helper.from_array(value, name) for name, value in constants.items())],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def feeds(count: int = 12) -> list[dict[str, np.ndarray]]:
    return [{"x": noise(1, WIDTH, seed=at), "flag": np.array(at % 2 == 0)} for at in range(count)]


@given(st.integers(0, 10_000))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bodies_stay_close_and_leave_nothing_over(lab: Any, seed: int) -> None:
    model = Maker(seed).model()
    onnx.checker.check_model(model)
    step = QuantizeStep(compute={"MatMul": "static", "Gemm": "static"}, min_terms=0)
    units = [node.name for node in iter_nodes(model) if node.op_type in ("MatMul", "Gemm")]
    target = lab.folder / f"{seed}.onnx"
    report = quantize(step, lab.save(model), target, lab.view(feeds()), Limits())
    became = {layer.name: layer for layer in report.layers if layer.op_type in ("MatMul", "Gemm")}
    assert became.keys() == set(units)
    assert all(each.form == "int8 static" or "no calibration sample" in each.why for each in became.values())
    assert lab.sqnr(model, target, feeds(20)[12:]) > 8  # loops within loops amplify
    made = onnx.load(target)
    left = {
        each.name
        for graph in iter_graphs(made)
        for each in graph.initializer
        if each.data_type == TensorProto.FLOAT and len(each.dims) == 2
    }
    read = {name for node in iter_nodes(made) for name in node.input}
    assert left <= read
    names = [node.name for node in iter_nodes(made) if node.name]
    assert len(names) == len(set(names))


def test_a_branch_never_taken_stays(lab: Any, if_model: Any) -> None:
    model = onnx.load(if_model)
    fed = [{"x": noise(1, 48, seed=at), "flag": np.array(True)} for at in range(6)]
    layers = write_static_bodies(model, WAY, fed)
    onnx.checker.check_model(model)
    assert sorted({layer.form for layer in layers}) == ["fp32", "int8 static"]
    assert all("no calibration sample" in layer.why for layer in layers if layer.form == "fp32")
    assert lab.sqnr(if_model, model, fed) > 25
    other = [{"x": noise(1, 48), "flag": np.array(False)}]
    assert lab.sqnr(if_model, model, other) > 120
    assert sum(each.static for each in analyse(if_model).operators) == len(layers)


def test_a_loop_is_calibrated_over_its_iterations() -> None:
    maker = Maker(0)
    inputs = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, WIDTH]),
    ]
    nodes = [
        helper.make_node("Add", ["s", "x"], ["n"]),
        helper.make_node("ReduceMax", ["n"], ["m"], keepdims=0),
        helper.make_node("Less", ["m", "limit"], ["go"]),
    ]
    outputs = [
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("n", TensorProto.FLOAT, [1, WIDTH]),
    ]
    model = maker.model()
    loop = helper.make_node("Loop", ["count", "", "x"], ["y"], "l", body=helper.make_graph(nodes, "b", inputs, outputs))
    del model.graph.node[:]
    model.graph.node.append(loop)
    model.graph.initializer.append(numpy_helper.from_array(np.array(2.5, np.float32), "limit"))
    fed = [{"x": np.ones((1, WIDTH), np.float32), "flag": np.array(True)}]
    (body,) = bodies_of(loop)
    found = body_feeds(model, model.graph.node[0], body, fed)
    assert [float(each["s"][0, 0]) for each in found] == [1.0, 2.0]
    assert [int(each["i"]) for each in found] == [0, 1]
    assert all(each["x"].shape == (1, WIDTH) for each in found)


@pytest.mark.parametrize(("mover", "shape"), [("Squeeze", [64]), ("Transpose", [64, 1])])
def test_eight_bits_are_not_carried_into_bodies(lab: Any, mover: str, shape: list[int]) -> None:
    """onnxruntime carries them on through movers, and ends the process where a body reads what comes out."""
    body = [
        helper.make_graph(
            [helper.make_node(kind, ["moved"], [f"{kind}_out"], kind)], kind, [],
            [helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, None)],
        )
        for kind in ("Relu", "Neg")
    ]  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"], "unit"),
        helper.make_node(mover, ["t"], ["moved"], "mover"),
        helper.make_node("If", ["flag"], ["y"], "if", then_branch=body[0], else_branch=body[1]),
    ]
    model = lab.build(nodes, {"x": [1, 64]}, {"y": shape}, {"w": noise(64, 64), "flag": np.array(True)})
    step = QuantizeStep(compute={"MatMul": "static"})
    fed = [{"x": noise(1, 64, seed=at)} for at in range(8)]
    quantize(step, lab.save(model), lab.folder / "out.onnx", lab.view(fed), Limits())
    assert lab.sqnr(model, lab.folder / "out.onnx", fed) > 25
