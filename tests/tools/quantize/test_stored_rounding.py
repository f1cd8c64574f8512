"""Rounding by what the inputs say: never worse at the output than the nearest, and the same bytes each time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.contracts import DataError, Limits, QuantizeStep
from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import opset
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.capture import Moment
from shipfit.tools.quantize.error_feedback import error_energy
from shipfit.tools.quantize.storage import stored_values
from shipfit.tools.quantize.storage_units import StorageUnit
from shipfit.tools.quantize.stored_points import stored_point


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def moments_of(rows: int, length: int, positions: int, pieces: int, seed: int) -> list[Moment]:
    """Correlated inputs, some of them always zero; rows and columns in pieces."""
    rng = np.random.default_rng(seed)
    x = (
        rng.standard_normal((positions, 3)) @ rng.standard_normal((3, length))
        + rng.standard_normal((positions, length)) / 3
    )
    x = (x * rng.choice([0, 1e-3, 1, 1, 30], length)).astype(np.float32)
    edges = [length * at // pieces for at in range(pieces + 1)]
    columns = [slice(*pair) for pair in itertools.pairwise(edges)]
    halves = [slice(0, rows // 2), slice(rows // 2, rows)]
    return [Moment(half, each, x[:, each].T @ x[:, each]) for half in halves for each in columns]


@given(
    st.sampled_from(["int4", "int8_block", "int8"]), st.integers(2, 40), st.integers(8, 90), st.integers(1, 100),
    st.integers(1, 3), st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_each_is_no_worse_at_the_output_than_the_one_before(
    form: Any, rows: int, length: int, positions: int, pieces: int, seed: int
) -> None:
    weight = noise(rows, length, seed=seed) * np.float32(10.0 ** (seed % 7 - 5))
    unit = StorageUnit("w", "Gemm", weight.shape, (0,), in_subgraph=False)
    moments = moments_of(rows, length, positions, pieces, seed)
    ways = ("nearest", "error_feedback", "learned")
    errors = [weight - stored_point(weight, unit, form, 16, way, moments).values(weight.shape) for way in ways]
    nearest, fed_back, learned = (error_energy(each, moments) for each in errors)
    least = 1e-6 * nearest + 1e-30
    assert np.all(fed_back <= nearest + least)
    assert np.all(learned <= fed_back + least)


def test_it_pays_where_inputs_are_alike() -> None:
    weight, moments = noise(64, 128), moments_of(64, 128, 400, 1, seed=3)
    unit = StorageUnit("w", "Gemm", weight.shape, (0,), in_subgraph=False)
    made = [stored_values(weight, unit, "int4", 32, way, moments) for way in ("nearest", "error_feedback", "learned")]
    energies = [float(error_energy(weight - each, moments).sum()) for each in made if each is not None]
    assert energies[1] < 0.5 * energies[0]
    assert energies[2] < 0.95 * energies[1]


def test_blind_inputs_leave_the_nearest() -> None:
    weight = noise(8, 200)
    unit = StorageUnit("w", "Gemm", weight.shape, (0,), in_subgraph=False)
    for matrix in (np.zeros((200, 200), np.float32), np.full((200, 200), np.inf, np.float32)):
        moments = [Moment(slice(0, 8), slice(0, 200), matrix)]
        for way in ("error_feedback", "learned"):
            found = stored_values(weight, unit, "int4", 32, way, moments)
            np.testing.assert_array_equal(found, stored_values(weight, unit, "int4", 32))


def test_inputs_of_vanishing_size_break_nothing() -> None:
    weight = noise(8, 64)
    unit = StorageUnit("w", "Gemm", weight.shape, (0,), in_subgraph=False)
    x = noise(100, 64, seed=1) * np.float32(1e-21)
    for way in ("error_feedback", "learned"):
        found = stored_values(weight, unit, "int4", 32, way, [Moment(slice(0, 8), slice(0, 64), x.T @ x)])
        assert found is not None
        assert np.abs(found - weight).max() < 1


@pytest.fixture
def chain(lab: Any) -> onnx.ModelProto:
    """A convolution, a recurrent layer and a product of matrices, with inputs that are alike."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], "conv", pads=[1, 1]),
        helper.make_node("Relu", ["c"], ["a"], "relu"),
        helper.make_node("Transpose", ["a"], ["t"], "turn", perm=[2, 0, 1]),
        helper.make_node("GRU", ["t", "w", "r"], ["", "last"], "gru", hidden_size=24),
        helper.make_node("MatMul", ["last", "m"], ["y"], "out"),
    ]
    weights = {"k": noise(32, 16, 3) / 7, "w": noise(1, 72, 32) / 6, "r": noise(1, 72, 24) / 5, "m": noise(24, 50)}
    return lab.build(nodes, {"x": [1, 16, 9]}, {"y": [1, 1, 50]}, weights)


def feeds(count: int) -> list[dict[str, np.ndarray]]:
    mixed = noise(4, 16, seed=9)
    return [{"x": np.einsum("bct,cd->bdt", noise(1, 4, 9, seed=at), mixed)} for at in range(count)]


def test_a_step_rounds_by_its_calibration_samples(lab: Any, chain: onnx.ModelProto) -> None:
    source, found = lab.save(chain), {}
    for way in ("nearest", "error_feedback", "learned"):
        target = lab.folder / f"{way}.onnx"
        step = QuantizeStep(storage="int4", rounding=way)
        report = quantize(step, source, target, lab.view(feeds(30)), Limits())
        assert {layer.form for layer in report.layers} == {"int4 stored"}
        assert opset(load(target)) == 21
        assert any("opset 17 became 21" in note for note in report.notes)
        assert way == "nearest" or any("rounding of 4 weights" in note for note in report.notes)
        again = lab.folder / f"{way}-again.onnx"
        quantize(step, source, again, lab.view(feeds(30)), Limits())
        assert again.read_bytes() == target.read_bytes()
        found[way] = lab.sqnr(source, target, feeds(60)[30:])
    assert found["nearest"] + 2 < found["error_feedback"] < found["learned"] + 0.5


def test_large_models_keep_their_weights_in_a_file_of_their_own(
    lab: Any, chain: onnx.ModelProto, request: pytest.FixtureRequest
) -> None:
    source = lab.save(chain)
    request.getfixturevalue("everything_is_large")
    target = lab.folder / "large" / "out.onnx"
    step = QuantizeStep(storage="int4", rounding="error_feedback")
    report = quantize(step, source, target, lab.view(feeds(8)), Limits())
    assert any("opset 17 became 21" in note for note in report.notes)
    assert {each.name for each in target.parent.iterdir()} == {"out.onnx", "model.onnx.data"}
    assert report.size_bytes < 0.25 * source.stat().st_size
    assert lab.sqnr(source, target, feeds(4)) > 15


def test_rounding_by_inputs_needs_inputs(lab: Any, chain: onnx.ModelProto) -> None:
    step = QuantizeStep(storage="int8", rounding="learned")
    with pytest.raises(DataError, match="needs calibration samples"):
        quantize(step, lab.save(chain), lab.folder / "out.onnx", None, Limits())


def test_what_cannot_be_lifted_holds_pairs_in_bytes(lab: Any, chain: onnx.ModelProto) -> None:
    name, inputs, outputs = chain.graph.node[1].name, list(chain.graph.node[1].input), list(chain.graph.node[1].output)
    scaler = helper.make_node("Scaler", inputs[:1], outputs, name, domain="ai.onnx.ml", offset=[0.0], scale=[0.5])
    chain.graph.node[1].CopyFrom(scaler)
    chain.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    target = lab.folder / "out.onnx"
    report = quantize(QuantizeStep(storage="int4"), lab.save(chain), target, lab.view(feeds(4)), Limits())
    assert opset(load(target)) == 17
    assert any("pairs of a byte" in note and "ai.onnx.ml" in note for note in report.notes)
    assert lab.sqnr(chain, target, feeds(4)) > 15
    assert target.stat().st_size < 0.25 * chain.ByteSize()


def test_what_cannot_be_looked_at_is_said(lab: Any) -> None:
    nodes = [helper.make_node("Add", ["x", "w"], ["a"]), helper.make_node("MatMul", ["a", "m"], ["y"])]
    model = lab.build(nodes, {"x": [40, 40]}, {"y": [40, 40]}, {"w": noise(40, 40), "m": noise(40, 40)})
    view = lab.view([{"x": noise(40, 40)}])
    report = quantize(
        QuantizeStep(storage="int4", rounding="error_feedback"), lab.save(model), lab.folder / "o.onnx", view, Limits()
    )
    assert [bool(layer.why) for layer in report.layers] == [True, False]
    assert any("1 × Add: rounded to the nearest" in note for note in report.notes)


def test_rounding_of_nothing_is_said(lab: Any, chain: onnx.ModelProto) -> None:
    step = QuantizeStep(storage="fp16", rounding="learned")
    report = quantize(step, lab.save(chain), lab.folder / "o.onnx", None, Limits())
    assert any("rounding learned changed nothing" in note for note in report.notes)
