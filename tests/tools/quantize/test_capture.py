"""What a weight is multiplied with is seen as it is: the node's output is inputs times rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import helper

from shipfit.tools.quantize import capture as capture_module
from shipfit.tools.quantize.capture import Captures, capture
from shipfit.tools.quantize.graphs import uses
from shipfit.tools.quantize.storage import storage_units
from shipfit.tools.quantize.weight_inputs import reader_of
from shipfit.tools.sample_runs import counted


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def products(model: onnx.ModelProto, values: list[np.ndarray]) -> list[np.ndarray]:
    """For each part of the rows of `w`, what they give on all that they are multiplied with: (positions, rows)."""
    (unit,) = [each for each in storage_units(model) if each.name == "w"]
    (use,) = uses(model.graph)["w"]
    reader = reader_of(use, unit)
    assert reader is not None
    tensors = {each.name: each for each in model.graph.initializer}
    rows = unit.rows.matrix(onnx.numpy_helper.to_array(tensors["w"]))
    seen = reader.unroll(values, 10**9)
    return [part @ rows[where].T for part, where in zip(seen, reader.parts, strict=True)]


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_are_what_convolutions_read(lab: Any, data: st.DataObject) -> None:
    rank = data.draw(st.sampled_from([1, 2, 2, 3]))
    pair = st.lists(st.integers(1, 2), min_size=rank, max_size=rank)
    groups, kernel = (
        data.draw(st.sampled_from([1, 2, 4])),
        data.draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank)),
    )
    each = -(-1024 // (8 * int(np.prod(kernel))))
    options: dict[str, Any] = {"strides": data.draw(pair), "dilations": data.draw(pair), "group": groups}
    padding = data.draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if padding == "pads":
        options["pads"] = data.draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank))
    else:
        options["auto_pad"] = padding
        options["dilations"] = [1] * rank
    x, w = noise(2, each * groups, *(5 + at for at in range(rank))), noise(8, each, *kernel, seed=1)
    model = lab.build(
        [helper.make_node("Conv", ["x", "w"], ["y"], **options)], {"x": x.shape}, {"y": [None] * (2 + rank)}, {"w": w}
    )
    wanted = np.moveaxis(lab.run(model, {"x": x})[0], 1, -1).reshape(-1, 8)
    np.testing.assert_allclose(np.concatenate(products(model, [x]), axis=1), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("node", "x", "w"),
    [
        (helper.make_node("MatMul", ["x", "w"], ["y"]), noise(2, 3, 40), noise(40, 30)),
        (helper.make_node("MatMul", ["w", "x"], ["y"]), noise(2, 40, 3), noise(30, 40)),
        (helper.make_node("Gemm", ["x", "w"], ["y"], transB=1), noise(3, 40), noise(30, 40)),
        (helper.make_node("Gemm", ["x", "w"], ["y"], transA=1), noise(40, 3), noise(40, 30)),
    ],
)
def test_products_of_matrices_read_rows(lab: Any, node: onnx.NodeProto, x: np.ndarray, w: np.ndarray) -> None:
    model = lab.build([node], {"x": x.shape}, {"y": [None] * x.ndim}, {"w": w})
    wanted = lab.run(model, {"x": x})[0]
    wanted = wanted.swapaxes(-1, -2) if node.input[0] == "w" else wanted
    np.testing.assert_allclose(products(model, [x])[0], wanted.reshape(-1, 30), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent_weights_see_the_state_of_the_step_before(lab: Any, kind: str, gates: int, direction: str) -> None:
    ways, hidden = (2 if direction == "bidirectional" else 1), 32
    start = noise(ways, 1, hidden, seed=5)
    weights = {
        "v": noise(ways, gates * hidden, 8) / 4,
        "w": noise(ways, gates * hidden, hidden, seed=3) / 8,
        "h": start,
    }
    node = helper.make_node(kind, ["x", "v", "w", "", "", "h"], ["", "last"], direction=direction, hidden_size=hidden)
    model = lab.build([node], {"x": [6, 1, 8]}, {"last": [ways, 1, hidden]}, weights)
    units = [each for each in storage_units(model) if each.name == "w"]
    model.graph.input.append(helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, start.shape))
    feed = {"x": noise(6, 1, 8, seed=4), "h": start}
    (found,) = capture(model, units, [feed])
    node.output[0] = "all"
    shown = lab.build([node], {"x": [6, 1, 8]}, {"all": [6, ways, 1, hidden]}, weights)
    states = lab.run(shown, {"x": feed["x"]})[0]
    for at, moment in enumerate(found[1]):
        back = direction == "reverse" or at == 1
        seen = np.concatenate([start[at], (states[1:, at] if back else states[:-1, at])[:, 0]])
        assert moment.rows == slice(at * gates * hidden, (at + 1) * gates * hidden)
        np.testing.assert_allclose(moment.matrix, seen.T @ seen, rtol=1e-3, atol=1e-4)


@pytest.fixture(autouse=True)
def plain_sums(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let large positions count in full, but where that is what is tested."""
    if "outliers" not in request.node.name:
        monkeypatch.setattr(capture_module, "LARGEST", 1e9)


def test_moments_come_in_groups_that_fit_and_in_pieces(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {name: noise(48, 48, seed=at) / 7 for at, name in enumerate("abc")}
    nodes = [helper.make_node("MatMul", [f"h{at}", name], [f"h{at + 1}"]) for at, name in enumerate("abc")]
    model = lab.build(nodes, {"h0": [2, 48]}, {"h3": [2, 48]}, weights)
    feeds = [{"h0": noise(2, 48, seed=at)} for at in range(3)]
    whole = {unit.name: moments for unit, moments in capture(model, storage_units(model), feeds)}
    monkeypatch.setattr(capture_module, "GROUP_BYTES", 1)
    monkeypatch.setattr(capture_module, "WIDEST", 20)
    cut = {unit.name: moments for unit, moments in capture(model, storage_units(model), feeds)}
    x = np.concatenate([feed["h0"] for feed in feeds])
    np.testing.assert_allclose(whole["a"][0].matrix, x.T @ x, rtol=1e-4, atol=1e-4)
    for name in "abc":
        assert [each.columns for each in cut[name]] == [slice(0, 16), slice(16, 32), slice(32, 48)]
        for each in cut[name]:
            np.testing.assert_allclose(each.matrix, whole[name][0].matrix[each.columns, each.columns], rtol=1e-5)


def test_weights_that_others_read_too_are_not_guessed_at(lab: Any) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Transpose", ["w"], ["b"])]
    nodes.append(helper.make_node("MatMul", ["a", "b"], ["y"]))
    model = lab.build(nodes, {"x": [1, 40]}, {"y": [1, 40]}, {"w": noise(40, 40)})
    assert list(capture(model, storage_units(model), [{"x": noise(1, 40)}])) == []


def test_outliers_count_as_twice_the_median(lab: Any) -> None:
    model = lab.build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["n", 40]}, {"y": ["n", 40]}, {"w": noise(40, 40)}
    )
    x = np.eye(40, dtype=np.float32)
    x[7] *= 1e6
    x[9, 9] = np.inf
    ((_, (moment,)),) = capture(model, storage_units(model), [{"x": x}])
    expected = np.eye(40)
    expected[7, 7], expected[9, 9] = 4, 0
    np.testing.assert_allclose(moment.matrix, expected, rtol=1e-5)


@pytest.mark.parametrize("room", [0, 10**9])
def test_further_forms_see_what_the_first_saw(lab: Any, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(capture_module, "KEPT_BYTES", room)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["y"])]
    model = lab.build(nodes, {"x": [4, 64]}, {"y": [4, 64]}, {"w": noise(64, 64, seed=1), "v": noise(64, 64, seed=2)})
    units, feeds = storage_units(model), [{"x": noise(4, 64, seed=at)} for at in range(3)]
    wanted = {unit.name: moments for unit, moments in capture(model, units, feeds)}
    assert set(wanted) == {"w", "v"}
    captures = Captures()
    runs = [counted()]
    for asked in (units[:1], units, units[::-1]):
        seen = {unit.name: moments for unit, moments in captures.of(model, asked, feeds)}
        assert set(seen) == {unit.name for unit in asked}
        for name, moments in seen.items():
            for ours, theirs in zip(moments, wanted[name], strict=True):
                np.testing.assert_allclose(ours.matrix, theirs.matrix, rtol=1e-6)
                for found, right in zip(ours.factored(), theirs.factored(), strict=True):
                    np.testing.assert_array_equal(found, right)
        runs.append(counted())
    spent = [after - before for before, after in pairwise(runs)]
    assert spent == ([3, 3, 0] if room else [3, 3, 3])
    assert not list(captures.of(model, [], feeds))
    fewer = dict(captures.of(model, units, feeds[:1]))
    assert counted() == runs[-1] + 1, "other samples are others"
    assert len(fewer) == 2
