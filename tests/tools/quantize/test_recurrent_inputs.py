from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper
from pydantic import ValidationError

from shipfit.contracts import DataError, Limits, QuantizeStep
from shipfit.tools.model_files import load
from shipfit.tools.quantize import quantize
from shipfit.tools.quantize.recurrent_fronts import Front, put_fronts
from shipfit.tools.quantize.sensitivity import measure_sensitivity
from shipfit.tools.quantize.units import Making

CHANNELS, UNITS = 12, 16


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def encoder(lab: Any, direction: str = "forward", batch: int = 1, seed: int = 0, bias: bool = True) -> onnx.ModelProto:
    ways = 2 if direction == "bidirectional" else 1
    weights = {"w": noise(ways, 4 * UNITS, CHANNELS, seed=seed) / 2, "r": noise(ways, 4 * UNITS, UNITS, seed=seed) / 4}
    weights |= {"b": noise(ways, 8 * UNITS, seed=seed)} if bias else {}
    node = helper.make_node("LSTM", ["x", *weights], ["y"], "lstm", hidden_size=UNITS, direction=direction)
    return lab.build([node], {"x": ["t", batch, CHANNELS]}, {"y": ["t", ways, batch, UNITS]}, weights)


def heavy(count: int, batch: int = 1, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Channels of very different ranges, with a rare peak."""
    feeds = []
    for each in range(count):
        x = noise(9, batch, CHANNELS, seed=1000 * seed + each) * np.logspace(-1, 1, CHANNELS, dtype=np.float32)
        x[each % 9] *= 40
        feeds.append({"x": x})
    return feeds


def perform(lab: Any, source: Path, data: Any, **step: Any) -> tuple[Path, Any]:
    target = lab.folder / f"out{len(list(lab.folder.glob('out*')))}.onnx"
    return target, quantize(QuantizeStep(compute={"LSTM": "dynamic"}, **step), source, target, data, Limits())


def test_heavy_tails_and_uneven_channels_keep_more(lab: Any) -> None:
    source, feeds = lab.save(encoder(lab)), heavy(24)
    plain, _ = perform(lab, source, None)
    even, report = perform(lab, source, lab.view(feeds), clip_recurrent=99.0, recovery=("digits",))
    unseen = heavy(8, seed=1)
    assert lab.sqnr(source, even, unseen) > lab.sqnr(source, plain, unseen) + 6
    assert report.step.clip_recurrent == 99.0
    assert any("equalised" in note for note in report.notes)


def test_a_channel_that_was_silent_on_the_samples_may_speak(lab: Any) -> None:
    feeds, unseen = heavy(24), heavy(8, seed=1)
    for feed in feeds:
        feed["x"][..., CHANNELS // 2 :: 2] = 0
    source = lab.save(encoder(lab))
    plain, _ = perform(lab, source, None)
    even, report = perform(lab, source, lab.view(feeds), clip_recurrent=99.0, recovery=("digits",))
    assert any("equalised" in note for note in report.notes)
    assert lab.sqnr(source, even, unseen) > lab.sqnr(source, plain, unseen) + 6


def test_tables_tell_the_damage_of_what_is_written(lab: Any) -> None:
    source, feeds = lab.save(encoder(lab)), heavy(24)
    unseen = heavy(4, seed=1)
    plain, even = (
        measure_sensitivity(source, "dynamic", unseen, Making(feeds, clip_recurrent=at)).units[0].damage_db
        for at in (None, 99.0)
    )
    written, _ = perform(lab, source, lab.view(feeds), clip_recurrent=99.0)
    assert even > plain + 2
    assert even == pytest.approx(lab.sqnr(source, written, unseen), abs=2)


def test_the_same_step_gives_the_same_bytes(lab: Any) -> None:
    source, view = lab.save(encoder(lab)), lab.view(heavy(8))
    first, report = perform(lab, source, view, clip_recurrent=99.0, recovery=("digits",))
    second = lab.folder / "again.onnx"
    quantize(report.step, source, second, view, Limits())
    assert first.read_bytes() == second.read_bytes()


def test_a_second_digit_is_written_only_where_it_was_asked_for(lab: Any) -> None:
    source, view, unseen = lab.save(encoder(lab)), lab.view(heavy(24)), heavy(8, seed=1)
    one, report = perform(lab, source, view, clip_recurrent=99.0)
    two, _ = perform(lab, source, view, clip_recurrent=99.0, recovery=("digits",))
    assert lab.sqnr(source, two, unseen) > lab.sqnr(source, one, unseen) + 3
    assert report.step.recovery == ()
    with pytest.raises(ValidationError, match="digits"):
        QuantizeStep(compute={"LSTM": "dynamic"}, recovery=("digits",))


def test_even_inputs_stay_and_the_step_says_so(lab: Any) -> None:
    source = lab.save(encoder(lab))
    feeds = [
        {"x": np.random.default_rng(each).uniform(-1, 1, (9, 1, CHANNELS)).astype(np.float32)} for each in range(8)
    ]
    plain, _ = perform(lab, source, None)
    even, report = perform(lab, source, lab.view(feeds), clip_recurrent=99.0, recovery=("digits",))
    assert report.step.clip_recurrent is None
    assert plain.read_bytes() == even.read_bytes()
    assert any("ranges are even" in note for note in report.notes)


def test_samples_are_needed(lab: Any) -> None:
    source = lab.save(encoder(lab))
    for data in (None, lab.view([])):
        with pytest.raises(DataError, match="calibration"):
            perform(lab, source, data, clip_recurrent=99.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_leave_the_input_alone(lab: Any, value: float) -> None:
    feeds = heavy(3)
    feeds[1]["x"][0, 0, 0] = value
    _, report = perform(lab, lab.save(encoder(lab)), lab.view(feeds), clip_recurrent=99.0)
    assert report.step.clip_recurrent is None
    assert any("not finite" in note for note in report.notes)


def test_a_shared_weight_and_a_node_in_a_branch_say_why(lab: Any) -> None:
    model = encoder(lab)
    inner = onnx.NodeProto.FromString(model.graph.node[0].SerializeToString())
    inner.output[0], inner.name = "inner", "inner_lstm"
    output = helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["t", 1, 1, UNITS])
    branches = [helper.make_graph([inner], "then", [], [output])]
    other = onnx.NodeProto.FromString(inner.SerializeToString())
    other.name, other.output[0] = "other_lstm", "otherwise"
    output = helper.make_tensor_value_info("otherwise", TensorProto.FLOAT, ["t", 1, 1, UNITS])
    branches.append(helper.make_graph([other], "else", [], [output]))
    model.graph.node.append(
        helper.make_node("If", ["flag"], ["z"], "choose", then_branch=branches[0], else_branch=branches[1])
    )
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["t", 1, 1, UNITS]))
    feeds = [{**feed, "flag": np.array(True)} for feed in heavy(3)]
    _, report = perform(lab, lab.save(model), lab.view(feeds), clip_recurrent=99.0)
    why = {layer.name: layer.why for layer in report.layers}
    assert "shared" in why["lstm"]
    assert "subgraph" in why["inner_lstm"]


fronts = st.builds(
    lambda seed, strength, digit, offset: (seed, strength, digit, offset),
    st.integers(0, 99),
    st.floats(0, 1),
    st.sampled_from([0.0, 16.0, 32.0]),
    st.booleans(),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fronts, st.sampled_from(["forward", "reverse", "bidirectional"]), st.integers(1, 3), st.booleans())
def test_a_front_that_cuts_nothing_is_the_same_function(
    lab: Any, drawn: Any, direction: str, batch: int, bias: bool
) -> None:
    seed, strength, digit, offset = drawn
    original = encoder(lab, direction, batch, seed, bias)
    reach = np.logspace(-1, 1, CHANNELS, dtype=np.float32)
    centre = noise(CHANNELS, seed=seed) if offset else np.zeros(CHANNELS, np.float32)
    front = Front(centre, reach ** np.float32(strength), np.full(CHANNELS, 1e3, np.float32), False, digit)
    model = onnx.ModelProto.FromString(original.SerializeToString())
    put_fronts(model, {"lstm": front})
    onnx.checker.check_model(model)
    feeds = [{"x": noise(5, batch, CHANNELS, seed=seed) * reach}, {"x": np.zeros((5, batch, CHANNELS), np.float32)}]
    assert lab.sqnr(original, model, feeds) > 90
    if not offset:
        assert "b" in {each.name for each in model.graph.initializer} or not bias
    assert "w" not in {each.name for each in model.graph.initializer}


def test_lengths_and_initial_states_stay(lab: Any) -> None:
    model = encoder(lab, batch=2)
    model.graph.node[0].input.extend(["lengths", "h", "c"])
    model.graph.input.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [2]))
    for name in ("h", "c"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, UNITS]))
    states = {"h": noise(1, 2, UNITS), "c": noise(1, 2, UNITS, seed=1), "lengths": np.array([9, 4], np.int32)}
    feeds = [{**feed, **states} for feed in heavy(8, batch=2)]
    source = lab.save(model)
    plain, _ = perform(lab, source, None)
    even, report = perform(lab, source, lab.view(feeds), clip_recurrent=99.0, recovery=("digits",))
    assert lab.sqnr(source, even, feeds) > lab.sqnr(source, plain, feeds) + 3
    assert [node.op_type for node in load(even).graph.node][-1] == "DynamicQuantizeLSTM"
    assert report.step.clip_recurrent == 99.0
