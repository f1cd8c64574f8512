from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import ModelProto, helper

from shipfit.contracts import LayerForm
from shipfit.tools.quantize.dynamic import quantize_dynamic
from shipfit.tools.quantize.switches import Switchboard
from shipfit.tools.quantize.trial import copy_model, opened, run

TYPES = ("Conv", "Gemm", "MatMul")


def dynamic(alone: ModelProto, unit: str) -> Sequence[LayerForm]:
    return quantize_dynamic(alone, (), named={unit})


def switched(model: ModelProto, units: Sequence[str]) -> tuple[ModelProto, dict[str, str]]:
    board = Switchboard(model)
    made = {unit: board.add(unit, units, dynamic) for unit in units}
    return board.finished(), {unit: each[0] for unit, each in made.items() if each}


@settings(max_examples=15)
@given(data=st.data())
def test_each_switch_turns_one_unit(data: st.DataObject, random_cnns: st.SearchStrategy[ModelProto]) -> None:
    model = data.draw(random_cnns)
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    units = [node.name for node in model.graph.node if node.op_type in TYPES]
    board, switches = switched(model, units)
    onnx.checker.check_model(board)
    feed = {"x": np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)}
    with opened(model) as plain, opened(board) as session:
        assert np.allclose(run(plain, feed)[0], run(session, feed)[0], rtol=1e-4, atol=1e-5)
        for unit, switch in switches.items():
            alone = copy_model(model)
            quantize_dynamic(alone, (), named={unit})
            with opened(alone) as other:
                wanted, got = run(other, feed)[0], run(session, {**feed, switch: np.array(True)})[0]
            assert np.allclose(wanted, got, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max(initial=1e-3)))


def test_what_follows_a_unit_alone_goes_with_it(lab: Any) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "one"),
        helper.make_node("Relu", ["a"], ["b"], ""),
        helper.make_node("MatMul", ["b", "w"], ["c"], "two"),
        helper.make_node("Add", ["b", "c"], ["y"], "sum"),
    ]
    weights = {"w": np.eye(64, dtype=np.float32)}
    model = lab.build(nodes, {"x": [1, 64]}, {"y": [1, 64]}, weights)
    board, switches = switched(model, ["one", "two"])
    assert switches.keys() == {"one", "two"}
    assert [node.op_type for node in board.graph.node] == ["If", "If"]
    x = np.arange(64, dtype=np.float32)[None]
    for switch in switches.values():
        assert np.allclose(lab.run(board, {"x": x, switch: np.array(True)})[0], 2 * x, atol=0.5)


def test_two_units_before_one_sum(lab: Any) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "one"),
        helper.make_node("MatMul", ["x", "w"], ["b"], "two"),
        helper.make_node("Add", ["a", "b"], ["y"], "sum"),
    ]
    model = lab.build(nodes, {"x": [1, 64]}, {"y": [1, 64]}, {"w": np.eye(64, dtype=np.float32)})
    board, switches = switched(model, ["one", "two"])
    assert switches.keys() == {"one", "two"}
    x = np.arange(64, dtype=np.float32)[None]
    assert np.allclose(lab.run(board, {"x": x, switches["two"]: np.array(True)})[0], 2 * x, atol=0.5)


@pytest.mark.parametrize("unit", ["missing", "y"])
def test_what_cannot_be_switched(lab: Any, unit: str) -> None:
    nodes = [helper.make_node("MatMul", ["x", "x"], ["z"], "y")]
    board = Switchboard(lab.build(nodes, {"x": [4, 4]}, {"z": [4, 4]}, {}))
    assert board.add(unit, [unit], dynamic) is None
    assert not any(node.op_type == "If" for node in board.finished().graph.node)
