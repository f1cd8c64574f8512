"""Bytes without building, and widths that are multiples of a block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.pruning.advice import advise_channels
from shipfit.tools.pruning.blocks import able_groups, block_of, offered_widths, uniform, width_left
from shipfit.tools.pruning.costs import Costs
from shipfit.tools.pruning.coupling import couplings
from shipfit.tools.pruning.slicing import cut

from ... import models


def network(first: int = 64, second: int = 48) -> onnx.ModelProto:
    """Two convolutions in a row beside a skip, and a head: weights that shrink on one axis and on two."""
    rng = np.random.default_rng(0)
    shapes = {
        "w0": (first, 3, 3, 3),
        "b0": (first,),
        "w1": (second, first, 3, 3),
        "w2": (first, second, 1, 1),
        "h": (first, 5),
    }
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "w1"], ["c"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "w2"], ["e"]),
        helper.make_node("Add", ["e", "r"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["p"]),
        helper.make_node("Flatten", ["p"], ["q"]),
        helper.make_node("MatMul", ["q", "h"], ["y"]),
    ]
    return models.build(nodes, [models.spec("x", ["n", 3, 8, 8])], [models.spec("y", ["n", 5])], weights)


FEEDS = [{"x": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 64), st.integers(1, 48))
def test_bytes_are_those_of_the_model_that_is_cut(first: int, second: int):
    model = network()
    groups = couplings(model).groups
    assert {group.id: group.width for group in groups} == {"w0": 64, "w1": 48}
    widths = {"w0": first, "w1": second}
    made = cut(model, {name: np.arange(left) for name, left in widths.items()}).model
    costs = Costs(model, groups, len(model.SerializeToString()), {})
    assert costs.bytes(widths) == pytest.approx(
        len(made.SerializeToString()), abs=400
    )  # but for the dimensions' digits
    assert costs.microseconds(widths) == 0.0


def test_time_shrinks_with_the_weights_of_each_node():
    model = network()
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    costs = Costs(model, couplings(model).groups, 1, {"n2": 100.0, "n4": 10.0, "n6": 5.0})
    assert costs.us == 115
    assert costs.microseconds({"w1": 24}) == pytest.approx(50 + 5 + 5)
    assert costs.microseconds({"w0": 32, "w1": 24}) == pytest.approx(25 + 2.5 + 5)


@given(st.integers(1, 4096), st.floats(0.01, 0.99))
def test_widths_are_whole_blocks_and_never_none(width: int, share: float):
    left = width_left(width, share)
    block = block_of(width)
    assert left == width or (left % block == 0 and left >= max(block, width * (1 - share) - 1e-6))
    offered = offered_widths(width, block)
    assert offered[0] == width
    assert all(each % block == 0 for each in offered[1:])
    assert offered == sorted(set(offered), reverse=True)
    assert left in offered


def test_advice_says_what_can_go_what_it_saves_and_why_the_rest_stays():
    model = network()
    advice = advise_channels(model, len(model.SerializeToString()), FEEDS)
    assert [(each.group, each.width) for each in advice.groups] == [("w0", 64), ("w1", 48)]
    assert advice.worthwhile
    assert advice.both_axes == pytest.approx(1 - advice.one_axis)
    assert "the model gives it out" in advice.frozen
    assert [each.ratio for each in advice.options] == [0.3, 0.5, 0.7]
    sizes = [each.size_ratio for each in advice.options]
    assert sizes == sorted(sizes, reverse=True)
    assert all(each.speedup is not None and each.speedup > 1 for each in advice.options)
    assert uniform(able_groups(couplings(model).groups), 0.5) == {"w0": 32, "w1": 24}


def test_nothing_to_prune_is_said_at_once():
    narrow = advise_channels(network(8, 4), 1000)
    assert not narrow.worthwhile
    assert not narrow.options
    assert narrow.recommendation.startswith("nothing to prune")


def test_what_is_little_beside_the_rest_is_recommended_against(tmp_path: Path):
    model = network()
    table = np.zeros((5, 80_000), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(table, "table"))
    model.graph.node.append(helper.make_node("MatMul", ["y", "table"], ["z"]))
    model.graph.output.append(models.spec("z", ["n", 80_000]))
    advice = advise_channels(model, len(model.SerializeToString()))
    assert not advice.worthwhile
    assert advice.recommendation.startswith("not worth it")
