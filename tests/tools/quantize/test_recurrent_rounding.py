from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.contracts import DataError, Limits, QuantizeStep
from shipfit.tools.model_files import load
from shipfit.tools.onnx_model import to_array
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.recurrent_weights import RecurrentWeight

CHANNELS, UNITS = 12, 32


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(lab: Any, direction: str = "forward", loud: float = 1.0) -> onnx.ModelProto:
    """An LSTM; one unit's recurrent weights are `loud` times those of the others."""
    ways = 2 if direction == "bidirectional" else 1
    weights = {"w": noise(ways, 4 * UNITS, CHANNELS) / 2, "r": noise(ways, 4 * UNITS, UNITS, seed=1) / 8}
    weights["r"][:, 0] *= loud
    node = helper.make_node("LSTM", ["x", *weights], ["y"], "lstm", hidden_size=UNITS, direction=direction)
    return lab.build([node], {"x": ["t", 1, CHANNELS]}, {"y": ["t", ways, 1, UNITS]}, weights)


def samples(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    mixed = noise(4, CHANNELS, seed=9)  # correlated channels, as real ones are
    return [{"x": noise(9, 1, 4, seed=1000 * seed + each) @ mixed} for each in range(count)]


def perform(lab: Any, source: Path, data: Any, rounding: Any = "error_feedback") -> tuple[Path, Any]:
    target = lab.folder / f"out{len(list(lab.folder.glob('out*')))}.onnx"
    step = QuantizeStep(compute={"LSTM": "dynamic"}, rounding=rounding)
    return target, quantize(step, source, target, data, Limits())


def scales(path: Path) -> tuple[list[int], list[int]]:
    """The shapes of the scales of the input's and the recurrent weight."""
    model = load(path)
    (node,) = (each for each in model.graph.node if each.op_type == "DynamicQuantizeLSTM")
    tensors = {each.name: each for each in model.graph.initializer}
    return list(to_array(tensors[node.input[8]]).shape), list(to_array(tensors[node.input[10]]).shape)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_one_recurrent_scale_is_enough_where_errors_are_fed_back(lab: Any, direction: str) -> None:
    source, unseen = lab.save(network(lab, direction)), samples(8, seed=1)
    plain, _ = perform(lab, source, None, "nearest")
    fed, report = perform(lab, source, lab.view(samples(24)))
    ways = 2 if direction == "bidirectional" else 1
    assert scales(plain) == ([ways, 4 * UNITS], [ways, 4 * UNITS])
    assert scales(fed) == ([ways, 4 * UNITS], [ways])
    assert lab.sqnr(source, fed, unseen) > lab.sqnr(source, plain, unseen) - 1
    assert any("1 recurrent with one scale" in note for note in report.notes)


def test_a_loud_unit_keeps_a_scale_of_its_own(lab: Any) -> None:
    source = lab.save(network(lab, loud=200))
    fed, _ = perform(lab, source, lab.view(samples(24)))
    assert scales(fed) == ([1, 4 * UNITS], [1, 4 * UNITS])


def test_the_same_step_gives_the_same_bytes(lab: Any) -> None:
    source, view = lab.save(network(lab)), lab.view(samples(8))
    assert perform(lab, source, view)[0].read_bytes() == perform(lab, source, view)[0].read_bytes()


def test_samples_are_needed(lab: Any) -> None:
    source = lab.save(network(lab))
    for data in (None, lab.view([])):
        with pytest.raises(DataError, match="calibration"):
            perform(lab, source, data)


def test_inputs_that_say_nothing_leave_the_nearest(lab: Any) -> None:
    source = lab.save(network(lab))
    feeds = [{"x": np.full((3, 1, CHANNELS), np.nan, np.float32)}]
    fed, _ = perform(lab, source, lab.view(feeds))
    plain, _ = perform(lab, source, None, "nearest")
    assert fed.read_bytes() == plain.read_bytes()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.booleans(), st.integers(0, 99))
def test_rows_become_a_weight_in_the_runtimes_layout_with_the_same_values(
    ways: int, units: int, inputs: int, fine: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.integers(-127, 128, (ways * 4 * units, inputs)).astype(np.int8)
    drawn = generator.uniform(0.1, 1, (ways, 4 * units if fine else 1)).astype(np.float32)
    each = np.broadcast_to(drawn, (ways, 4 * units)).reshape(-1, 1)
    made = RecurrentWeight.of(rows, each, ways)
    assert made.is_fine == fine
    spread = made.scales[:, None, :] if fine else made.scales[:, None, None]
    values = (made.integers * spread).transpose(0, 2, 1)
    np.testing.assert_array_equal(values, (rows * each).reshape(ways, 4 * units, inputs))
