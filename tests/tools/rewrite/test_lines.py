"""Convolutions in the plane: along one axis, with kernels that meet padding, with odd channels, and cut afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.tools.rewrite.crop_kernel import crop_kernels
from shipfit.tools.rewrite.pad_channels import pad_channels
from shipfit.tools.rewrite.planar_conv import planar_conv
from shipfit.tools.rewrite.slice_before_conv import slice_before_conv

from ... import models

OPSETS = st.sampled_from([11, 13, 18])


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def conv(data: str, weight: str, result: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", [data, weight], [result], **attributes)


lines = st.fixed_dictionaries(
    {
        "pads": st.lists(st.integers(0, 3), min_size=2, max_size=2),
        "strides": st.lists(st.integers(1, 3), min_size=1, max_size=1),
        "dilations": st.lists(st.integers(1, 2), min_size=1, max_size=1),
    }
)


@settings(max_examples=12, deadline=None)
@given(lines, st.sampled_from([1, 2]), OPSETS)
def test_lines_become_planes(before, attributes: dict[str, Any], groups: int, opset: int):
    nodes = [
        conv("x", "w", "a", group=groups, **attributes),
        helper.make_node("Sigmoid", ["a"], ["s"]),
        helper.make_node("Mul", ["a", "s"], ["m"]),
        helper.make_node("MaxPool", ["m"], ["p"], kernel_shape=[2], strides=[1], pads=[1, 0]),
        conv("p", "v", "b"),
        helper.make_node("Add", ["b", "p"], ["y"]),
    ]
    weights = {"w": noise(4, 6 // groups, 3), "v": noise(4, 4, 1, seed=1)}
    outputs = [models.spec("y", [None] * 3), models.spec("p", [None] * 3)]
    case = before(
        models.build(nodes, [models.spec("x", ["N", 6, "L"])], outputs, weights, opset), {"x": noise(2, 6, 9)}
    )
    assert case.rewritten(planar_conv) == 2
    assert case.types.count("Unsqueeze") == 1
    assert sorted(case.types)[-2:] == ["Squeeze", "Unsqueeze"] or case.types.count("Squeeze") == 2
    assert case.rewritten(planar_conv) == 0


def test_lines_beside_nodes_without_inputs(before):
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [2])
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Unsqueeze", ["r", "axes"], ["y"]),
    ]
    model = models.build(
        nodes, [models.spec("x", ["N", 3, "L"])], [models.spec("y", [None] * 4)], {"w": noise(5, 3, 2)}, 13
    )
    assert before(model, {"x": noise(2, 3, 7)}).rewritten(planar_conv) == 1


def test_lines_inside_bodies(before):
    line = helper.make_node("Conv", ["x", "w", "b"], ["t"])
    body = helper.make_graph([line, helper.make_node("Relu", ["t"], ["r"])], "body", [], [models.spec("r", [None] * 3)])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "other", [], [models.spec("n", [None] * 3)])
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=other)
    inputs = [models.spec("x", [2, 3, "L"]), helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])]
    model = models.build([node], inputs, [models.spec("y", [None] * 3)], {"w": noise(5, 3, 2), "b": noise(5)})
    case = before(model, {"x": noise(2, 3, 4), "c": np.array(True)})
    assert case.rewritten(planar_conv) == 1
    bodies = {each.name: each.g for each in case.model.graph.node[0].attribute}
    assert {each.name for each in bodies["then_branch"].initializer} == {"w_1", "b_1", "planar_axes"}


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=2),
    st.lists(st.integers(1, 5), min_size=2, max_size=2),
    st.lists(st.integers(0, 4), min_size=4, max_size=4),
    st.lists(st.integers(1, 3), min_size=2, max_size=2),
    st.lists(st.integers(1, 2), min_size=2, max_size=2),
)
def test_kernels_that_meet_padding(
    before, sizes: list[int], kernel: list[int], pads: list[int], strides: list[int], dilations: list[int]
):
    reach = [dilation * (taps - 1) for dilation, taps in zip(dilations, kernel, strict=True)]
    pads = [*pads[:2], *(max(pads[at + 2], reach[at] + 1 - sizes[at] - pads[at]) for at in (0, 1))]
    node = conv("x", "w", "y", pads=pads, strides=strides, dilations=dilations)
    model = models.build(
        [node], [models.spec("x", ["N", 2, *sizes])], [models.spec("y", [None] * 4)], {"w": noise(3, 2, *kernel)}
    )
    case = before(model, {"x": noise(2, 2, *sizes)})
    if case.rewritten(crop_kernels):
        assert np.prod(case.model.graph.initializer[0].dims) < 6 * kernel[0] * kernel[1]
        assert case.rewritten(crop_kernels) == 0


def test_a_padded_kernel_on_single_points_keeps_its_centre(before):
    node = conv("x", "w", "y", pads=[1, 1, 1, 1])
    model = models.build(
        [node], [models.spec("x", ["N", 4, 1, 1])], [models.spec("y", [None] * 4)], {"w": noise(6, 4, 3, 3)}
    )
    case = before(model, {"x": noise(3, 4, 1, 1)})
    assert case.rewritten(crop_kernels) == 1
    assert [each.dims for each in case.model.graph.initializer] == [[6, 4, 1, 1]]


def test_kernels_on_data_of_any_size_stay(before):
    node = conv("x", "w", "y", pads=[1, 1, 1, 1])
    model = models.build(
        [node], [models.spec("x", ["N", 4, "H", "W"])], [models.spec("y", [None] * 4)], {"w": noise(6, 4, 3, 3)}
    )
    assert before(model, {"x": noise(3, 4, 1, 1)}).rewritten(crop_kernels) == 0


@pytest.mark.parametrize(("channels", "count"), [(6, 0), (8, 0), (9, 1), (16, 0), (18, 1)])
def test_channels_of_zeros(before, channels: int, count: int):
    node = conv("x", "w", "y", pads=[1, 1, 1, 1])
    model = models.build(
        [node],
        [models.spec("x", ["N", channels, 5, 5])],
        [models.spec("y", [None] * 4)],
        {"w": noise(3, channels, 3, 3)},
    )
    case = before(model, {"x": noise(2, channels, 5, 5)})
    assert case.rewritten(pad_channels) == count
    assert case.rewritten(pad_channels) == 0


def cut(data: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Slice", [data, "starts", "ends", "axes"], [result])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=2),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(0, 2),
    st.booleans(),
)
def test_what_is_cut_off_is_not_computed(before, pads: list[int], stride: int, begin: int, end: int, split: bool):
    nodes = [conv("x", "w", "a", pads=pads, strides=[stride]), helper.make_node("Relu", ["a"], ["r"])]
    if split:
        nodes += [helper.make_node("Split", ["r"], ["p", "q"], axis=1), cut("p", "s"), cut("q", "t")]
        nodes += [helper.make_node("Mul", ["s", "t"], ["y"])]
    else:
        nodes += [cut("r", "y")]
    numbers = {"starts": begin, "ends": -end if end else 2**63 - 1, "axes": 2}
    weights = {"w": noise(4, 3, 3)} | {name: np.array([value]) for name, value in numbers.items()}
    model = models.build(nodes, [models.spec("x", ["N", 3, "L"])], [models.spec("y", [None] * 3)], weights)
    case = before(model, {"x": noise(2, 3, 17)})
    fits = begin * stride <= pads[0] and end * stride <= pads[1]
    shortest = max(1 + sum(pads) - 3, 0) // stride + 1
    moved = fits and 0 < begin + end < shortest
    assert case.rewritten(slice_before_conv) == (1 + split if moved else 0)
    assert ("Slice" in case.types) != moved


@pytest.mark.parametrize(("length", "count"), [("L", 0), (2, 0), (3, 1)])
def test_a_cut_that_may_leave_nothing_stays(before, length: str | int, count: int):
    """Of two positions, nothing is left: the file answers with an empty value, a convolution would refuse."""
    weights = {"w": noise(4, 3, 3)} | {"starts": np.array([1]), "ends": np.array([-1]), "axes": np.array([2])}
    nodes = [conv("x", "w", "a", pads=[1, 1]), cut("a", "y")]
    model = models.build(nodes, [models.spec("x", ["N", 3, length])], [models.spec("y", [None] * 3)], weights)
    case = before(model, {"x": noise(2, 3, length if isinstance(length, int) else 2)})
    assert case.rewritten(slice_before_conv) == count


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_a_cut_reaches_the_pad_before(before, mode: str):
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"], mode=mode),
        helper.make_node("Unsqueeze", ["p", "one"], ["u"]),
        conv("u", "w", "a", strides=[2]),
        cut("a", "y"),
    ]
    stored = {"pads": [0, 4, 0, 5], "one": [1], "starts": [1], "ends": [-2], "axes": [2]}
    weights = {"w": noise(4, 1, 4)} | {name: np.array(value) for name, value in stored.items()}
    model = models.build(nodes, [models.spec("x", ["N", "L"])], [models.spec("y", [None] * 3)], weights)
    model = onnx.shape_inference.infer_shapes(model)
    case = before(model, {"x": noise(2, 12)})
    assert case.rewritten(slice_before_conv) == 1
    assert not case.model.graph.value_info
    assert case.types == ["Pad", "Unsqueeze", "Conv"]


def test_slices_of_two_axes_with_numbers_put_together(before):
    """As onnxoptimizer writes two slices that follow each other."""
    numbers = {"zero": 0, "one": 1, "two": 2, "last": 2**63 - 1}
    pairs = {
        "p": (["zero", "one"], ["two", "last"]),
        "q": (["two", "one"], ["last", "last"]),
    }
    nodes = [conv("x", "w", "a", pads=[3, 0], strides=[2])]
    for name, (starts, ends) in pairs.items():
        for kind, parts in (("starts", starts), ("ends", ends), ("axes", ["one", "two"])):
            nodes.append(helper.make_node("Concat", parts, [f"{name}_{kind}"], axis=0))
        nodes.append(
            helper.make_node("Slice", ["a", *(f"{name}_{kind}" for kind in ("starts", "ends", "axes"))], [name])
        )
    nodes.append(helper.make_node("Mul", ["p", "q"], ["y"]))
    weights = {"w": noise(4, 3, 3)} | {name: np.array([value]) for name, value in numbers.items()}
    model = models.build(nodes, [models.spec("x", ["N", 3, 17])], [models.spec("y", [None] * 3)], weights)
    case = before(model, {"x": noise(2, 3, 17)})
    assert case.rewritten(slice_before_conv) == 2
    assert case.types == ["Conv", "Slice", "Slice", "Mul"]
    assert [list(each.ints) for each in case.model.graph.node[0].attribute if each.name == "pads"] == [[1, 0]]


def test_slices_that_cut_otherwise_stay(before):
    nodes = [conv("x", "w", "a", pads=[1, 1]), cut("a", "s"), helper.make_node("ReduceMean", ["a"], ["m"], axes=[2])]
    nodes.append(helper.make_node("Add", ["s", "m"], ["y"]))
    weights = {"w": noise(4, 3, 3)} | {"starts": np.array([1]), "ends": np.array([-1]), "axes": np.array([2])}
    model = models.build(nodes, [models.spec("x", ["N", 3, "L"])], [models.spec("y", [None] * 3)], weights)
    assert before(model, {"x": noise(2, 3, 7)}).rewritten(slice_before_conv) == 0


def test_a_spectrum_and_an_encoder_as_exporters_write_them(before):
    """The shape of a voice activity detector's front: framed cosines and sines, magnitudes, strided convolutions."""
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"], mode="reflect"),
        helper.make_node("Unsqueeze", ["p", "one"], ["u"]),
        conv("u", "basis", "a", strides=[8]),
        helper.make_node("Split", ["a"], ["re", "im"], axis=1),
        *(
            node
            for part in ("re", "im")
            for node in (cut(part, f"{part}1"), helper.make_node("Pow", [f"{part}1", "two"], [f"{part}2"]))
        ),
        helper.make_node("Add", ["re2", "im2"], ["power"]),
        helper.make_node("Sqrt", ["power"], ["size"]),
        conv("size", "w", "b", pads=[1, 1], strides=[2]),
        helper.make_node("Relu", ["b"], ["c"]),
        conv("c", "v", "d", pads=[1, 1], strides=[2]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    stored = {"pads": [0, 8, 0, 8], "one": [1], "starts": [1], "ends": [2**63 - 1], "axes": [2]}
    weights = {name: np.array(value) for name, value in stored.items()} | {"two": np.array(2, np.float32)}
    weights |= {"basis": noise(18, 1, 16), "w": noise(8, 9, 3, seed=1), "v": noise(4, 8, 3, seed=2)}
    model = models.build(nodes, [models.spec("x", ["N", 24])], [models.spec("y", [None] * 3)], weights)
    case = before(model, {"x": noise(3, 24)})
    counts = [case.rewritten(each) for each in (slice_before_conv, crop_kernels, planar_conv, pad_channels)]
    assert counts == [2, 1, 3, 1]
    assert case.types == [
        "Pad", "Unsqueeze", "Unsqueeze", "Conv", "Squeeze", "Split", "Pow", "Pow", "Add", "Sqrt", "Unsqueeze", "Pad",
        "Conv", "Relu", "Conv", "Relu", "Squeeze",
    ]  # fmt: skip
