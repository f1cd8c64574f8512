"""The module as a whole: what trains, what is written back, gradients, and files that mean no good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shipfit.contracts import ToolError
from shipfit.tools.session import open_bytes, plain_options
from shipfit.tools.trainable import TrainableGraph, unsupported

from .cases import Case, case, f, i, positive, recurrent


def _network() -> ModelProto:
    rng = np.random.default_rng(1)

    def weight(name: str, *shape: int, kind: Any = np.float32) -> TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(kind), name)

    held = [
        weight("conv.w", 4, 2, 3, 3),
        weight("scale", 4),
        weight("shift", 4),
        weight("mean", 4),
        numpy_helper.from_array(np.ones(4, np.float32), "variance"),
        weight("half.w", 4, 5, kind=np.float16),
        numpy_helper.from_array(np.asarray([0, 4], np.int64), "shape"),
        numpy_helper.from_array(np.asarray(0.5, np.float32), "factor"),
        numpy_helper.from_array(np.asarray(0.0, np.float32), "low"),
    ]
    constant = helper.make_node("Constant", [], ["bias"], value=weight("", 5))
    nodes = [
        constant,
        helper.make_node("Conv", ["x", "conv.w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"]),
        helper.make_node("Clip", ["b", "low"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Reshape", ["d", "shape"], ["e"]),
        helper.make_node("Mul", ["e", "factor"], ["g"]),
        helper.make_node("Cast", ["half.w"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Gemm", ["g", "wide", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        held,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


IMAGE = np.random.default_rng(2).normal(size=(3, 2, 6, 6)).astype(np.float32)


def _run(model: ModelProto) -> np.ndarray:
    session: Any = open_bytes(model.SerializeToString(), plain_options())
    return session.run(None, {"x": IMAGE})[0]


def test_weights_train_and_statistics_settings_and_factors_do_not():
    assert TrainableGraph(_network()).weights.keys() == {"conv.w", "scale", "shift", "half.w", "bias"}
    assert TrainableGraph(_network(), ["mean"]).weights.keys() == {"mean"}


def test_untouched_it_is_written_back_to_the_byte():
    model = _network()
    assert TrainableGraph(model).write_back().SerializeToString() == model.SerializeToString()


def test_what_is_trained_is_written_back_in_the_type_it_was_stored_in():
    model = _network()
    graph = TrainableGraph(model)
    feed = {"x": torch.from_numpy(IMAGE)}
    with torch.no_grad():
        for weight in graph.weights.values():
            weight.add_(0.25)
        expected = graph(feed)["y"].numpy()
    before, written = model.SerializeToString(), graph.write_back()
    np.testing.assert_allclose(_run(written), expected, rtol=1e-4, atol=1e-5)
    assert model.SerializeToString() == before
    kinds = {each.name: (each.data_type, tuple(each.dims)) for each in written.graph.initializer}
    assert kinds == {each.name: (each.data_type, tuple(each.dims)) for each in model.graph.initializer}
    unchanged = {"mean", "variance", "shape", "factor", "low"}
    pairs = zip(model.graph.initializer, written.graph.initializer, strict=True)
    assert {old.name for old, new in pairs if old.SerializeToString() == new.SerializeToString()} == unchanged


def test_a_weight_that_is_no_longer_finite_is_not_written():
    graph = TrainableGraph(_network())
    with torch.no_grad():
        graph.weights["conv.w"][0] = torch.nan
    with pytest.raises(ToolError, match=r"'conv\.w' is no longer finite"):
        graph.write_back()


def test_any_value_is_given_on_demand_and_no_more_is_computed():
    graph, feed = TrainableGraph(_network()), {"x": torch.from_numpy(IMAGE)}
    found = graph(feed, ["a", "e", "wide"])
    assert [tuple(value.shape) for value in found.values()] == [(3, 4, 6, 6), (3, 4), (4, 5)]
    assert graph({}, ["wide"])["wide"].requires_grad
    with pytest.raises(ToolError, match="nothing gives 'none'"):
        graph(feed, ["none"])
    with pytest.raises(ToolError, match="nothing gives 'x'"):
        graph({}, ["a"])


GRADIENTS = [
    case("Conv", f(1, 2, 6), f(4, 1, 3), f(4), group=2, auto_pad="SAME_LOWER", strides=[2]),
    case("ConvTranspose", f(1, 2, 4), f(2, 3, 3), f(3), strides=[2], pads=[0, 1]),
    case("MaxPool", f(1, 2, 7), kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=1),
    case("AveragePool", f(1, 2, 7), kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=1),
    case("BatchNormalization", f(2, 3, 4), f(3), f(3), f(3), positive(3)),
    case("LayerNormalization", f(2, 3, 4), f(4), f(4)),
    case("GroupNormalization", f(2, 4, 3), f(4), f(4), num_groups=2, opset=21),
    case("Softmax", f(2, 3, 2), opset=11),
    case("Resize", f(1, 2, 3, 3), None, np.asarray([1, 1, 2, 1.5], np.float32), mode="cubic", fixed=(2,)),
    case("Einsum", f(2, 3), f(3, 2), equation="ij,jk->ik"),
    case("Gemm", f(3, 2), f(4, 3), f(4), transA=1, transB=1, alpha=0.5),
    case("Gather", f(4, 3), i([0, -1, 0])),
    case("ScatterND", f(4, 3), i([[0], [-1]]), f(2, 3)),
    case("Slice", f(5, 4), i(-1), i(-4), i(0), i(-2)),
    case("Pad", f(2, 5), i(0, 2, 1, 1), mode="reflect"),
    case("ReduceL2", f(2, 3), i([1])),
    case("Gelu", f(6), opset=20),
    recurrent("LSTM", 2, state=True, direction="bidirectional"),
    recurrent("LSTM", 1, peephole=True, lengths=True, clip=5.0),
    recurrent("GRU", 1),
    recurrent("GRU", 1, linear_before_reset=1, direction="reverse"),
]


@pytest.mark.parametrize(
    "tried",
    [pytest.param(each, marks=[pytest.mark.slow] if each.op in ("LSTM", "GRU") else []) for each in GRADIENTS],
    ids=lambda tried: tried.op,
)
def test_gradients_are_what_numbers_say(tried: Case):
    graph = TrainableGraph(tried.model(), double=True)
    feed = {name: torch.from_numpy(np.array(value)) for name, value in tried.feed().items()}
    names = [name for name, value in feed.items() if value.is_floating_point()]
    points = tuple(feed[name].double().requires_grad_() for name in names)

    def answer(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = graph(feed | dict(zip(names, values, strict=True)))
        return tuple(each for each in given.values() if each.is_floating_point())

    assert torch.autograd.gradcheck(answer, points, fast_mode=True)


def _of_one(op: str, domain: str = "", **attributes: Any) -> ModelProto:
    return Case(op, [f(2, 3)], attributes, domain=domain).model()


def test_what_is_lacking_is_named():
    assert unsupported(_of_one("NonMaxSuppression")) == ("NonMaxSuppression",)
    assert unsupported(_of_one("Secret", domain="com.evil")) == ("Secret of 'com.evil'",)
    assert unsupported(case("MaxPool", f(1, 2, 7), kernel_shape=[3], outputs=2).model()) == (
        "MaxPool, of which the places of the maxima are asked for",
    )
    odd = recurrent("LSTM", 1, activations=["Sigmoid", "Affine", "Tanh"])
    assert unsupported(odd.model()) == ("LSTM, of which its activations are 'affine'",)
    with pytest.raises(ToolError, match="not computed with in torch: NonMaxSuppression"):
        TrainableGraph(_of_one("NonMaxSuppression"))


@pytest.mark.parametrize(
    "hostile",
    [
        case("ConstantOfShape", i(2**40, 2**40)),
        case("ConstantOfShape", i([-5])),
        case("Expand", f(1), i([2**40])),
        case("Tile", f(3), i([2**50])),
        case("Range", np.float32(0), np.float32(1e30), np.float32(1e-9)),
        case("Pad", f(3), i(2**40, 0)),
        case("OneHot", i([1]), i(2**40), f(2)),
        case("Resize", f(1, 1, 2, 2), None, np.asarray([1, 1, 9e5, 9e5], np.float32)),
        case("Conv", f(1, 1, 4), f(1, 1, 3), pads=[2**40, 0]),
        case("Conv", f(1, 1, 4), f(1, 1, 3), strides=[0]),
        case("ConvTranspose", f(1, 1, 4), f(1, 1, 3), strides=[2**40]),
        case("MaxPool", f(1, 1, 4), kernel_shape=[3], pads=[2**40, 2**40]),
        case("Reshape", f(3), i([7])),
        case("Gather", f(3), i([9])),
        case("ScatterND", f(3, 2), i([[3]]), f(1, 2)),
        case("Slice", f(3), i([0]), i([2]), i([0]), i([0])),
        case("Transpose", f(2, 3), perm=[0, 7]),
        case("Split", f(2, 3), axis=0, outputs=2, num_outputs=0),
        case("Concat", f(2, 3), f(4), axis=0),
        case("Einsum", f(2, 3), equation="ij->" + "k" * 300),
        case("MatMul", f(2**16, 1), f(1, 2**16)),
        case("Add", f(2**16, 1), f(2**16)),
        case("TopK", f(3), i([9]), outputs=2),
    ],
    ids=lambda hostile: hostile.op,
)
def test_numbers_that_mean_no_good_are_refused_in_a_line(hostile: Case):
    feed = {name: torch.from_numpy(np.array(value)) for name, value in hostile.feed().items()}
    with pytest.raises(ToolError, match=rf"^{hostile.op} '.*' cannot be computed in torch: ") as refused:
        TrainableGraph(hostile.model())(feed)
    assert "\n" not in refused.value.message
