"""If, Loop, and tensors of bodies: names from around them, names that recur, what never ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shipfit.contracts import ToolError
from shipfit.tools.session import open_bytes, plain_options
from shipfit.tools.trainable import TrainableGraph, unsupported

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def _value(name: str, kind: int = FLOAT, shape: list[Any] | None = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], held: dict[str, np.ndarray]) -> ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def choosing() -> ModelProto:
    """Both branches have a weight of one name of their own, and read `x` from around them."""

    def branch(name: str, factor: float, op: str) -> Any:
        weight = numpy_helper.from_array(np.full(3, factor, np.float32), "w")
        node = helper.make_node(op, ["x", "w"], [f"{name}.out"])
        return helper.make_graph([node], name, [], [_value(f"{name}.out", FLOAT, [3])], [weight])

    node = helper.make_node(
        "If", ["which"], ["y"], then_branch=branch("yes", 2.0, "Mul"), else_branch=branch("no", 5.0, "Add")
    )
    return _model([node], [_value("which", BOOL, []), _value("x", FLOAT, [3])], [_value("y", FLOAT, [3])], {})


def looping(step: int = 1) -> ModelProto:
    """x ← x · w as long as the count is below 4, each x kept; `step` is what the count grows by."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["x.in", "w"], ["x.out"]),
            helper.make_node("Add", ["n.in", "one"], ["n.out"]),
            helper.make_node("Less", ["n.out", "four"], ["more"]),
            helper.make_node("Identity", ["x.out"], ["seen"]),
        ],
        "body",
        [_value("i", INT64, []), _value("go", BOOL, []), _value("x.in", FLOAT, [3]), _value("n.in", INT64, [])],
        [_value("more", BOOL, []), _value("x.out", FLOAT, [3]), _value("n.out", INT64, []), _value("seen", FLOAT, [3])],
    )
    node = helper.make_node("Loop", ["most", "", "x", "zero"], ["y", "n", "all"], body=body)
    held = {
        "w": np.asarray([0.5, 1.5, 2.0], np.float32),
        "one": np.asarray(step, np.int64),
        "four": np.asarray(4, np.int64),
        "zero": np.asarray(0, np.int64),
    }
    outs = [_value("y", FLOAT, [3]), _value("n", INT64, []), _value("all", FLOAT, None)]
    return _model([node], [_value("most", INT64, []), _value("x", FLOAT, [3])], outs, held)


def _both(model: ModelProto, feed: dict[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    session: Any = open_bytes(model.SerializeToString(), plain_options())
    found = TrainableGraph(model)({name: torch.from_numpy(value) for name, value in feed.items()})
    return [each.detach().numpy() for each in found.values()], session.run(None, feed)


X = np.asarray([1.0, -2.0, 3.0], np.float32)


@pytest.mark.parametrize("which", [True, False])
def test_a_branch_is_chosen_by_its_condition(which: bool):
    ours, theirs = _both(choosing(), {"which": np.asarray(which), "x": X})
    np.testing.assert_allclose(ours[0], theirs[0])


@pytest.mark.parametrize("most", [0, 1, 3, 99])
def test_a_loop_ends_by_its_count_or_its_condition(most: int):
    feed = {"most": np.asarray(most, np.int64), "x": X}
    if most == 0:
        with pytest.raises(ToolError, match="without a turn"):
            _both(looping(), feed)
        return
    ours, theirs = _both(looping(), feed)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_weights_of_one_name_in_two_branches_are_two_weights():
    graph = TrainableGraph(choosing())
    assert graph.weights.keys() == {"w", "w#2"}
    graph({"which": torch.tensor(True), "x": torch.from_numpy(X)})["y"].sum().backward()
    reached = {name: weight.grad is not None for name, weight in graph.weights.items()}
    assert sorted(reached.values()) == [False, True]
    with torch.no_grad():
        graph.weights["w" if reached["w"] else "w#2"].fill_(7.0)
    written = TrainableGraph(graph.write_back())
    answer = written({"which": torch.tensor(True), "x": torch.from_numpy(X)})["y"]
    np.testing.assert_allclose(answer.detach().numpy(), 7 * X)


def test_a_gradient_goes_through_every_turn():
    graph = TrainableGraph(looping())
    graph({"most": torch.tensor(3), "x": torch.from_numpy(X)})["y"].sum().backward()
    weight = graph.weights["w"]
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.numpy(), 3 * X * weight.detach().numpy() ** 2, rtol=1e-6)


def test_a_loop_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shipfit.tools.trainable.operators.control.MOST_TURNS", 50)
    with pytest.raises(ToolError, match="has not ended after 50 turns"):
        TrainableGraph(looping(step=0))({"most": torch.tensor(2**62), "x": torch.from_numpy(X)})


def test_a_missing_body_is_named():
    node = helper.make_node("If", ["which"], ["y"])
    model = _model([node], [_value("which", BOOL, [])], [_value("y", FLOAT, [3])], {})
    assert unsupported(model) == ("If without its body",)
