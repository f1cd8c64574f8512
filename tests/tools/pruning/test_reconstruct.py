"""What a cut took away comes back where what is left can say it, for every kind of layer that is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import ToolError
from shipfit.tools.pruning.coupling import couplings
from shipfit.tools.pruning.importance import chosen, importance
from shipfit.tools.pruning.padding import mask_input, real_positions
from shipfit.tools.pruning.reconstruct import Reconstruction, reconstruct
from shipfit.tools.pruning.slicing import cut

from ... import models

WIDTH, LEFT = 16, 8


def recover(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]], kept: np.ndarray) -> Reconstruction:
    """Cut every group of `WIDTH` channels down to `kept`."""
    keep = {each.id: kept for each in couplings(model).groups if each.width == WIDTH}
    assert keep
    return reconstruct(model, cut(model, keep), feeds[:-8], feeds[-8:])


def held_out(model: onnx.ModelProto, found: Reconstruction, feeds: list[dict[str, np.ndarray]]) -> float:
    """Fidelity of the worst output in dB."""
    onnx.checker.check_model(found.model, full_check=True)
    pairs = [(models.run(model, feed), models.run(found.model, feed)) for feed in feeds]
    return min(
        models.decibels(np.stack([one[at] for one, _ in pairs]), np.stack([other[at] for _, other in pairs]))
        for at in range(len(model.graph.output))
    )


def images(count: int, batch: int = 1) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"x": rng.normal(size=(batch, 3, 6, 6)).astype(np.float32)} for _ in range(count)]


def twins(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which channel each is a copy of, up to its size, and one of each kind."""
    source = rng.permutation(np.repeat(np.arange(LEFT), WIDTH // LEFT))
    return source, np.array([int(np.flatnonzero(source == each)[0]) for each in range(LEFT)])


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 99), reader=st.sampled_from(["Conv", "ConvTranspose", "Gemm", "MatMul"]), biased=st.booleans(),
    depthwise=st.booleans(), stride=st.integers(1, 2),
)  # fmt: skip
def test_channels_that_are_sums_of_others_go_without_a_trace(
    seed: int, reader: str, biased: bool, depthwise: bool, stride: int
) -> None:
    rng = np.random.default_rng(seed)
    source, kept = twins(rng)
    scale = rng.uniform(0.5, 2, WIDTH)
    weights = {
        "w": (rng.normal(size=(LEFT, 3, 3, 3))[source].T * scale).T, "b": rng.normal(size=LEFT)[source] * scale,
        "d": rng.normal(size=(LEFT, 1, 3, 3))[source],
    }  # fmt: skip
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1] * 4), helper.make_node("Relu", ["a"], ["r"])]
    read = "r"
    if depthwise:
        nodes.append(helper.make_node("Conv", ["r", "d"], ["e"], group=WIDTH, pads=[1] * 4))
        read = "e"
    else:
        del weights["d"]
    bias = ["c"] if biased else []
    if reader in ("Conv", "ConvTranspose"):
        shape = (5, WIDTH, 3, 3) if reader == "Conv" else (WIDTH, 5, 3, 3)
        nodes.append(helper.make_node(reader, [read, "v", *bias], ["y"], strides=[stride] * 2, pads=[1, 0, 0, 1]))
        out: list[int | str] = ["n", 5, "h", "k"]
    else:
        shape, out = (WIDTH, 5), ["n", 5]
        nodes.append(helper.make_node("GlobalAveragePool", [read], ["p"]))
        nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
        if reader == "Gemm":
            nodes.append(helper.make_node("Gemm", ["f", "v", *bias], ["y"]))
        else:
            nodes.append(helper.make_node("MatMul", ["f", "v"], ["m" if biased else "y"]))
            nodes += [helper.make_node("Add", ["c", "m"], ["y"])] if biased else []
    weights |= {"v": rng.normal(size=shape), **({"c": rng.normal(size=5)} if biased else {})}
    model = models.build(
        nodes, [models.spec("x", ["n", 3, 6, 6])], [models.spec("y", out)],
        {name: value.astype(np.float32) for name, value in weights.items()},
    )  # fmt: skip
    feeds = images(72)
    found = recover(model, feeds, kept)
    assert found.rung == "least squares"
    assert held_out(model, found, images(4)) > 40
    for each in found.fits:
        assert each.after_db >= each.before_db


def recurrent(kind: str, direction: str, seed: int, reset: int, rest: bool) -> tuple[onnx.ModelProto, np.ndarray]:
    """A recurrent layer whose units are copies, read by a Gemm, and its copies' places."""
    rng = np.random.default_rng(seed)
    gates, sides = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], 2 if direction == "bidirectional" else 1
    source, kept = twins(rng)
    rows = np.concatenate([gate * LEFT + source for gate in range(gates)])
    weights = {
        "w": rng.normal(size=(sides, gates * LEFT, 4))[:, rows],
        "r": 0.3 * rng.normal(size=(sides, gates * LEFT, WIDTH))[:, rows],
        "b": np.concatenate([rng.normal(size=(sides, gates * LEFT))[:, rows] for _ in range(2)], axis=1),
        "v": rng.normal(size=(sides * WIDTH, 5)),
    }
    attributes: dict[str, Any] = {"linear_before_reset": reset} if kind == "GRU" else {}
    bias = ["b"] if rest else []
    nodes = [
        helper.make_node(kind, ["x", "w", "r", *bias], ["s"], hidden_size=WIDTH, direction=direction, **attributes),
        helper.make_node("Transpose", ["s"], ["t"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["t", "shape"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"]),
    ]
    if not rest:
        del weights["b"]
    tensors: dict[str, np.ndarray] = {name: value.astype(np.float32) for name, value in weights.items()}
    tensors["shape"] = np.array([0, 0, sides * WIDTH], np.int64)
    model = models.build(nodes, [models.spec("x", [7, "n", 4])], [models.spec("y", [7, "n", 5])], tensors)
    return model, kept


@settings(max_examples=6, deadline=None)
@given(
    kind=st.sampled_from(["LSTM", "GRU", "RNN"]), direction=st.sampled_from(["forward", "reverse", "bidirectional"]),
    seed=st.integers(0, 99), reset=st.integers(0, 1), rest=st.booleans(),
)  # fmt: skip
def test_units_that_are_copies_go_without_a_trace(kind: str, direction: str, seed: int, reset: int, rest: bool) -> None:
    model, kept = recurrent(kind, direction, seed, reset, rest)
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(7, 1, 4)).astype(np.float32)} for _ in range(80)]
    found = recover(model, feeds, kept)
    assert held_out(model, found, feeds[:4]) > 35


def test_a_state_that_only_ends_matter_of_is_fitted_too() -> None:
    """The node gives out its last state alone; those of all steps are looked at, and hidden again."""
    model, kept = recurrent("LSTM", "forward", 3, 0, True)
    del model.graph.node[1:]
    model.graph.node[0].output[:] = ["", "h"]
    model.graph.node.append(helper.make_node("MatMul", ["h", "v"], ["y"]))
    model.graph.output[0].CopyFrom(models.spec("y", [1, "n", 5]))
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(7, 1, 4)).astype(np.float32)} for _ in range(80)]
    found = recover(model, feeds, kept)
    assert held_out(model, found, feeds[:4]) > 35
    assert list(found.model.graph.node[0].output) == ["", "h"]
    assert [each.op_type for each in found.fits] == ["LSTM", "MatMul"]


def test_of_channels_alike_one_is_chosen() -> None:
    model, _ = recurrent("LSTM", "forward", 5, 0, True)
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(7, 1, 4)).astype(np.float32)} for _ in range(20)]
    groups = [each for each in couplings(model).groups if each.width == WIDTH]
    worth = importance(model, groups, feeds, "reconstruction")[groups[0].id]
    states = np.concatenate([models.run(shown(model, "s"), feed)[0].reshape(-1, WIDTH) for feed in feeds])
    kept = chosen(worth, LEFT)
    assert len(np.unique(states[:, kept].round(4), axis=1).T) == LEFT
    for criterion in ("magnitude", "activation"):
        assert importance(model, groups, feeds, criterion)[groups[0].id].shape == (WIDTH,)


def shown(model: onnx.ModelProto, tensor: str) -> onnx.ModelProto:
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    del copied.graph.output[:]
    copied.graph.output.append(models.spec(tensor, None))
    return copied


@given(worth=st.lists(st.floats(allow_nan=True), min_size=1, max_size=20), width=st.integers(1, 20))
def test_the_chosen_are_as_many_as_asked_for(worth: list[float], width: int) -> None:
    found = chosen(np.array(worth), min(width, len(worth)))
    assert len(found) == min(width, len(worth))
    assert list(found) == sorted(set(found.tolist()))


def masked_model() -> onnx.ModelProto:
    """Attention scores that a mask is added to, beside an integer input that looks rows up."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("Cast", ["mask"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["c", "axis"], ["u"]),
        helper.make_node("Mul", ["u", "low"], ["l"]),
        helper.make_node("Transpose", ["e"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["e", "t"], ["s"]),
        helper.make_node("Add", ["s", "l"], ["q"]),
        helper.make_node("Softmax", ["q"], ["y"]),
    ]
    weights = {"table": np.ones((9, 4), np.float32), "axis": np.array([1]), "low": np.array(-9, np.float32)}
    given_values = [models.spec(name, ["n", "t"], TensorProto.INT64) for name in ("ids", "mask")]
    return models.build(nodes, given_values, [models.spec("y", ["n", "t", "t"])], weights)


def test_padding_is_known_by_where_it_goes_not_by_its_name() -> None:
    mask = mask_input(masked_model())
    assert mask == "mask"
    feed = {"ids": np.zeros((1, 4), np.int64), "mask": np.array([[1, 1, 0, 0]])}
    real = real_positions(feed, mask)
    assert real is not None
    assert real.positions.tolist() == [0, 1]
    assert real_positions({"mask": np.array([[1, 7]])}, mask) is None
    assert real_positions(feed, None) is None


def test_samples_that_are_not_finite_are_left_out_and_those_that_do_not_fit_are_refused() -> None:
    model, kept = recurrent("GRU", "forward", 1, 1, True)
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(7, 1, 4)).astype(np.float32)} for _ in range(60)]
    feeds[3]["x"][:] = np.nan
    assert held_out(model, recover(model, feeds, kept), feeds[10:14]) > 30
    with pytest.raises(ToolError, match="does not run on the data"):
        recover(model, [{"x": np.zeros((7, 1, 3), np.float32)}] * 20, kept)
