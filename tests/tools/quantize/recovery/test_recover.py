"""A recovery is kept where it helps, and the step that is reported leads to the same bytes."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from onnx import ModelProto, helper

from shipfit.contracts import DataError, Limits, QuantizeStep, Recovery, StepReport
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.recovery.judge import Fidelity
from shipfit.tools.quantize.recovery.recover import MEAN_ERRORS

STATIC = QuantizeStep(compute={"Conv": "static"}, min_terms=0, per_channel=False, recovery=("equalize",))


def _uneven(lab: Any, spread: float) -> tuple[ModelProto, list[dict[str, np.ndarray]]]:
    """Two convolutions whose channels differ by e^spread in the first and as much the other way in the second."""
    rng = np.random.default_rng(0)
    factor = np.exp(rng.normal(scale=spread, size=16))
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["t"], "a"),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("Conv", ["r", "b"], ["y"], "b"),
    ]
    weights = {
        "a": (rng.normal(size=(16, 64, 1, 1)) * factor[:, None, None, None]).astype(np.float32),
        "b": (rng.normal(size=(64, 16, 1, 1)) / factor[:, None, None]).astype(np.float32),
    }
    feeds = [{"x": rng.normal(size=(1, 64, 4, 4)).astype(np.float32)} for _ in range(6)]
    return lab.build(nodes, {"x": ["n", 64, 4, 4]}, {"y": ["n", 64, 4, 4]}, weights), feeds


def _quantize(
    lab: Any, model: ModelProto, feeds: Any, step: QuantizeStep, name: str
) -> tuple[QuantizeStep, StepReport]:
    """Return the step as it was performed, and the report."""
    source, target = lab.save(model), lab.folder / name
    report = quantize(step, source, target, lab.view(feeds), Limits())
    assert isinstance(report.step, QuantizeStep)
    return report.step, report


def test_equalizing_is_kept_where_it_helps(lab: Any) -> None:
    model, feeds = _uneven(lab, 2.0)
    performed, report = _quantize(lab, model, feeds, STATIC, "recovered.onnx")
    plain, _ = _quantize(lab, model, feeds, STATIC.model_copy(update={"recovery": ()}), "plain.onnx")
    assert performed.recovery == ("equalize",)
    recovered, without = (lab.sqnr(model, lab.folder / f"{name}.onnx", feeds) for name in ("recovered", "plain"))
    assert recovered > without + 6
    assert any(note.startswith("equalize: ") and "dB" in note for note in report.notes)
    assert plain.recovery == ()


def test_equalizing_is_dropped_where_it_hurts(lab: Any) -> None:
    model, feeds = _uneven(lab, 0.0)
    rng = np.random.default_rng(1)
    for tensor in model.graph.initializer:  # whole numbers up to 127 are stored without a loss until they are scaled
        values = rng.integers(-127, 128, size=tuple(tensor.dims))
        values.reshape(values.shape[0], -1)[:, 0] = 127
        tensor.raw_data = values.astype(np.float32).tobytes()
    step = QuantizeStep(storage="int8", recovery=("equalize",))
    performed, report = _quantize(lab, model, feeds, step, "recovered.onnx")
    assert performed.recovery == ()
    assert any(note.startswith("equalize dropped: no gain") for note in report.notes)
    _quantize(lab, model, feeds, QuantizeStep(storage="int8"), "plain.onnx")
    assert (lab.folder / "plain.onnx").read_bytes() == (lab.folder / "recovered.onnx").read_bytes()


@pytest.mark.parametrize("name", [each for each in get_args(Recovery) if each != "digits"])  # of LSTMs alone
def test_each_goes_alone(lab: Any, name: Recovery) -> None:
    model, feeds = _uneven(lab, 1.0)
    _, report = _quantize(lab, model, feeds, STATIC.model_copy(update={"recovery": (name,)}), "alone.onnx")
    assert any(note.startswith((f"{name}: ", f"{name} dropped: ")) for note in report.notes)


def test_reported_step_leads_to_the_same_bytes(lab: Any) -> None:
    model, feeds = _uneven(lab, 2.0)
    first, _ = _quantize(lab, model, feeds, STATIC, "first.onnx")
    second, _ = _quantize(lab, model, feeds, first, "second.onnx")
    assert first == second
    assert (lab.folder / "first.onnx").read_bytes() == (lab.folder / "second.onnx").read_bytes()


def test_samples_are_needed(lab: Any) -> None:
    model, _ = _uneven(lab, 1.0)
    with pytest.raises(DataError, match="recovery needs samples"):
        quantize(
            QuantizeStep(storage="int8", recovery=("equalize",)), lab.save(model), lab.folder / "y", None, Limits()
        )


def test_gain_of_one_sample_among_many_is_not_relied_on() -> None:
    signal = np.ones((8, 1))
    noise = np.full((8, 1), 1e-4)
    noise[0] = 1e-1
    before, after = Fidelity(signal, noise), Fidelity(signal, np.full((8, 1), 1e-4))
    gain, error = after.gain(before)
    assert gain > 10
    assert error > gain / 2
    mean, of_mean = after.mean_gain(before)
    assert mean < MEAN_ERRORS * of_mean
    assert Fidelity(signal, noise / 2).gain(before) == pytest.approx((3.01, 0.0), abs=0.01)


def test_one_sample_does_not_hide_what_all_others_gain() -> None:
    signal = np.ones((8, 1))
    noise = np.linspace(1e-4, 1.4e-4, 8)[:, None]
    noise[0] = 1e-2
    better = noise / np.linspace(1.8, 2.2, 8)[:, None]
    better[0] = noise[0] / 1.1
    before, after = Fidelity(signal, noise), Fidelity(signal, better)
    gain, _ = after.gain(before)
    mean, error = after.mean_gain(before)
    assert 0 < gain < 1
    assert mean == pytest.approx(2.7, abs=0.3)
    assert error < mean / 5
    assert Fidelity(signal, noise * 0).mean_gain(before) == (0.0, float("inf"))
    assert Fidelity(signal[:1], noise[:1]).mean_gain(Fidelity(signal[:1], noise[:1])) == (0.0, float("inf"))


def test_bias_is_kept_after_equalizing(lab: Any) -> None:
    model, feeds = _uneven(lab, 2.0)
    step = QuantizeStep(storage="int4", recovery=("bias", "equalize"))
    model.opset_import[0].version = 21
    model.ir_version = 10
    feeds = [{"x": np.abs(each["x"])} for each in feeds]
    performed, _ = _quantize(lab, model, feeds, step, "recovered.onnx")
    assert "bias" in performed.recovery
    assert performed.recovery in (("equalize", "bias"), ("bias",))
    _quantize(lab, model, feeds, performed, "again.onnx")
    assert (lab.folder / "recovered.onnx").read_bytes() == (lab.folder / "again.onnx").read_bytes()
