"""What is cut equals the original with the same channels zero, whatever stands between."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.contracts import ToolError
from shipfit.tools.pruning.coupling import Couplings, couplings
from shipfit.tools.pruning.slicing import Cut, check, cut, masked

from ... import models
from . import networks


def network() -> onnx.ModelProto:
    """Stem, residual with squeeze-and-excite, depthwise, concatenation, flatten, head."""
    rng = np.random.default_rng(0)
    shapes = {
        "w0": (8, 3, 3, 3), "b0": (8,), "w1": (8, 8, 3, 3), "s1": (4, 8, 1, 1), "s2": (8, 4, 1, 1), "sb": (8,),
        "d": (8, 1, 3, 3), "w2": (6, 8, 1, 1), "w3": (10, 14 * 16), "b3": (10,),
    }  # fmt: skip
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {name: rng.uniform(0.5, 1.5, 8).astype(np.float32) for name in ("g", "h", "m", "v")}
    weights["target"] = np.array([0, -1])
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], "stem", pads=[1] * 4),
        helper.make_node("BatchNormalization", ["a", "g", "h", "m", "v"], ["n"], "norm"),
        helper.make_node("HardSigmoid", ["n"], ["r"]),
        helper.make_node("Conv", ["r", "w1"], ["c"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Conv", ["p", "s1"], ["q"]),
        helper.make_node("Relu", ["q"], ["q1"]),
        helper.make_node("Conv", ["q1", "s2", "sb"], ["q2"]),
        helper.make_node("Sigmoid", ["q2"], ["gate"]),
        helper.make_node("Mul", ["c", "gate"], ["e"]),
        helper.make_node("Add", ["e", "r"], ["f"]),
        helper.make_node("Conv", ["f", "d"], ["i"], pads=[1] * 4, group=8),
        helper.make_node("Conv", ["i", "w2"], ["j"]),
        helper.make_node("Concat", ["j", "i"], ["k"], axis=1),
        helper.make_node("MaxPool", ["k"], ["l"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["l", "target"], ["t"]),
        helper.make_node("Gemm", ["t", "w3", "b3"], ["y"], transB=1),
    ]
    return models.build(nodes, [models.spec("x", ["n", 3, 8, 8])], [models.spec("y", ["n", 10])], weights)


def images() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"x": rng.normal(size=(2, 3, 8, 8)).astype(np.float32)} for _ in range(2)]


def test_groups_are_what_must_go_together() -> None:
    found = couplings(network())
    assert {group.id: group.width for group in found.groups} == {"w0": 8, "s1": 4, "w2": 6}
    stream = next(group for group in found.groups if group.id == "w0")
    roles = {(each.initializer, each.axis): (each.role, each.positions.shape) for each in stream.members}
    assert roles == {
        ("w0", 0): ("gives", (8, 1)), ("b0", 0): ("gives", (8, 1)), ("w1", 0): ("gives", (8, 1)),
        ("w1", 1): ("reads", (8, 1)), ("s1", 1): ("reads", (8, 1)), ("s2", 0): ("gives", (8, 1)),
        ("sb", 0): ("gives", (8, 1)), ("d", 0): ("gives", (8, 1)), ("w2", 1): ("reads", (8, 1)),
        ("w3", 1): ("reads", (8, 16)), **{(name, 0): ("carries", (8, 1)) for name in "ghmv"},
    }  # fmt: skip
    assert {each.reason for each in found.frozen} >= {"the model gives it out"}


def test_a_cut_model_equals_the_masked_one() -> None:
    model = network()
    before = model.SerializeToString()
    keep = {"w0": np.array([0, 3, 4]), "s1": np.array([1]), "w2": np.array([0, 2, 5])}
    made = cut(model, keep)
    check(model, made, images())
    onnx.checker.check_model(made.model, full_check=True)
    assert model.SerializeToString() == before
    assert made.initializers["w1"].keys() == {0, 1}
    assert made.tensors["k"][1].tolist() == [0, 2, 5, 6, 9, 10]
    assert models.decibels(models.run(model, images()[0])[0], models.run(made.model, images()[0])[0]) < 60


def test_a_wrong_cut_is_found_out() -> None:
    model = network()
    keep = {"w0": np.array([0, 3, 4])}
    made = cut(model, keep)
    wrong = Cut(masked(model, {"w0": np.array([0, 3, 5])}), keep, made.initializers, made.tensors)
    with pytest.raises(ToolError, match="nothing was cut"):
        check(model, wrong, images())


@pytest.mark.parametrize("keep", [{"nothing": [0]}, {"w0": []}, {"w0": [8]}, {"w0": [-1]}])
def test_what_cannot_be_cut_is_refused(keep: dict[str, list[int]]) -> None:
    with pytest.raises(ToolError):
        cut(network(), {name: np.array(each, np.int64) for name, each in keep.items()})


def _told(found: Couplings) -> list[object]:
    return [
        (group.id, group.width, [(each.initializer, each.axis, each.positions.tolist()) for each in group.members])
        for group in found.groups
    ]


def _holds(model: onnx.ModelProto, seed: int) -> int:
    """Cut what can be cut to random widths, hold it against the masked original; return how many groups there were."""
    found = couplings(model)
    assert _told(found) == _told(couplings(model))
    rng = np.random.default_rng(seed)
    keep = {
        group.id: np.sort(rng.permutation(group.width)[: rng.integers(1, group.width + 1)]) for group in found.groups
    }
    made = cut(model, keep)
    onnx.checker.check_model(made.model, full_check=True)
    assert [(each.name, each.type) for each in made.model.graph.output] == [
        (each.name, each.type) for each in model.graph.output
    ]
    check(model, made, networks.feeds(model))
    return len(found.groups)


@pytest.mark.parametrize("block", networks.IMAGE, ids=lambda each: str(each.__name__))
def test_blocks_of_image_networks_are_cut(block: networks.Block) -> None:
    assert _holds(networks.image_network(1, [block], 1), 1) >= 1


@pytest.mark.parametrize("block", networks.SEQUENCE, ids=lambda each: str(each.__name__))
def test_blocks_of_sequence_networks_are_cut(block: networks.Block) -> None:
    assert _holds(networks.sequence_network(1, [block]), 1) >= 1


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999), blocks=st.lists(st.sampled_from(networks.IMAGE), max_size=6), head=st.integers(0, 2),
    free=st.booleans(),
)  # fmt: skip
def test_image_networks_of_any_blocks_are_cut(seed: int, blocks: list[networks.Block], head: int, free: bool) -> None:
    _holds(networks.image_network(seed, blocks, head, free), seed)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), blocks=st.lists(st.sampled_from(networks.SEQUENCE), max_size=4), free=st.booleans())
def test_sequence_networks_of_any_blocks_are_cut(seed: int, blocks: list[networks.Block], free: bool) -> None:
    _holds(networks.sequence_network(seed, blocks, free), seed)


def test_shapes_that_are_calculated_in_the_graph_are_known() -> None:
    """Heads as torch writes them: which of the extents are kept is told by a remainder."""
    net = networks.Network(0, 8)
    made = net.linear("x", 8, 24)
    at = net.add("Mod", net.numbers(5), net.numbers(3))
    kept = net.add("Slice", net.add("Shape", made), net.numbers(0), at)
    target = net.shape(kept, net.numbers(3), net.add("Div", net.extent("x", 2), net.numbers(2)), net.numbers(2))
    moved = net.add("Transpose", net.add("Reshape", made, target), perm=[2, 0, 3, 1, 4])
    first = net.add("Split", moved, outputs=3, axis=0)
    joined = net.add("Squeeze", net.add("Add", first, f"{first}_2"), net.numbers(0))
    back = net.shape(net.extent("x", 0), net.extent("x", 1), net.numbers(8))
    flat = net.add("Reshape", net.add("Transpose", joined, perm=[0, 2, 1, 3]), back)
    net.at = net.linear(net.add("ReduceMean", flat, axes=[1], keepdims=0), 8, 4)
    model = net.build(["n", 5, 8])
    assert [group.width for group in couplings(model).groups] == [4]
    _holds(model, 0)


def test_extents_beyond_all_bounds_take_no_time() -> None:
    net = networks.Network(0, 8)
    wide = net.add("MaxPool", net.add("ConstantOfShape", net.numbers(1, 1, 2**40)), kernel_shape=[1])
    net.at = net.add("Add", net.linear("x", 8, 4), net.add("ReduceMax", wide))
    model = net.build(["n", 8])
    assert couplings(model).groups == ()


def test_layers_that_share_a_state_of_zeros_are_cut_apart() -> None:
    net = networks.Network(0, 3)
    state = net.add("ConstantOfShape", net.numbers(2, 2, 4))
    at, width = net.add("Transpose", "x", perm=[1, 0, 2]), 3
    for layer in range(2):
        own = net.add("Slice", state, net.numbers(layer), net.numbers(layer + 1), net.numbers(0))
        weights = [net.weight(1, 16, width), net.weight(1, 16, 4)]
        made = net.add("LSTM", at, *weights, "", "", own, own, hidden_size=4)
        at, width = net.add("Squeeze", made, net.numbers(1)), 4
    net.at = net.linear(net.add("ReduceMean", at, axes=[0], keepdims=0), 4, 4)
    model = net.build([2, 5, 3])
    groups = couplings(model).groups
    assert [group.width for group in groups] == [4, 4]
    made_of = cut(model, {groups[0].id: np.array([1, 3])})
    assert [len(list(filter(None, each.input))) for each in made_of.model.graph.node if each.op_type == "LSTM"] == [
        3,
        5,
    ]
    check(model, made_of, networks.feeds(model))
