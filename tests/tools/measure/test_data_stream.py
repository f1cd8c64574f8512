"""Streams: a running sum with a leak, whose candidate's error builds up through its own state."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipfit.contracts import DataError
from shipfit.tools.measure.evaluate import compare_models
from shipfit.tools.measure.statistics import resampled_groups

RNG = np.random.default_rng(0)
CALLS, STREAMS = 6, 16
X = RNG.standard_normal((STREAMS, CALLS, 4)).astype(np.float32)
STATE = {"state": "next"}


def summing(leak: float, rate: str = "") -> str:
    extra = ", int64 sr" if rate else ""
    used = "f = Cast<to = 1>(sr) g = Sub(f, f) a = Add(x, g)" if rate else "a = Identity(x)"
    return (
        f'<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x, float[2, 1, 2] state{extra}) => '
        "(float[n, 4] y, float[2, 1, 2] next) "
        f"<float[1] leak = {{{leak}}}, int64[2] flat = {{1, 4}}, int64[3] deep = {{2, 1, 2}}> "
        f"{{ {used} old = Reshape(state, flat) kept = Mul(old, leak) y = Add(a, kept) next = Reshape(y, deep) }}"
    )


@pytest.fixture
def summer(write_model) -> Path:
    return write_model(summing(0.9))


def npz(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "given.npz", **arrays)
    return str(folder / "given.npz")


def running(stream: np.ndarray, leak: float, first: np.ndarray | None = None) -> np.ndarray:
    total = np.zeros(4) if first is None else first
    rows = []
    for chunk in stream:
        total = chunk + leak * total
        rows.append(total)
    return np.stack(rows)


def test_calls_become_feeds_with_the_states_that_occur(summer: Path, tmp_path: Path, make_data):
    report, data = make_data(summer, source=npz(tmp_path, x=X), state=STATE)
    assert report.ref.state == STATE
    assert sum(report.ref.parts.values()) == STREAMS * CALLS
    feeds, starts = data.feeds("final"), data.starts("final")
    assert starts == ([True] + [False] * (CALLS - 1)) * (len(feeds) // CALLS)
    for start in range(0, len(feeds), CALLS):
        stream = np.concatenate([feeds[start + call]["x"] for call in range(CALLS)])
        states = np.stack([feeds[start + call]["state"].reshape(4) for call in range(CALLS)])
        assert feeds[start]["state"].shape == (2, 1, 2)
        np.testing.assert_allclose(states[0], 0)
        np.testing.assert_allclose(states[1:], running(stream, 0.9)[:-1], rtol=1e-5, atol=1e-6)
    first = [feed["state"] for feed in data.feeds("calibration", 3)]
    assert all(not state.any() for state in first)  # the first calls of several streams come first


def test_errors_build_up_through_each_models_own_state(summer: Path, write_model, tmp_path: Path, make_data):
    _, data = make_data(summer, source=npz(tmp_path, x=X), state=STATE)
    other = write_model(summing(0.8))
    result = compare_models(summer, other, data, "final")
    signal = noise = 0.0
    feeds = data.feeds("final")
    for start in range(0, len(feeds), CALLS):
        stream = np.concatenate([feeds[start + call]["x"] for call in range(CALLS)])
        known, answer = running(stream, 0.9), running(stream, 0.8)
        signal, noise = signal + (known**2).sum(), noise + ((known - answer) ** 2).sum()
    assert result.fidelity.value == pytest.approx(10 * np.log10(signal / noise), abs=1e-3)
    assert compare_models(summer, summer, data, "final").fidelity.value == np.inf


TWO_LEAKS = (
    '<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x, float[1, 4] state) => (float[n, 4] y, float[1, 4] next) '
    "<float[1] quick = {0.1}, float[1] leak = {%s}> "
    "{ kept = Mul(state, leak) next = Add(x, kept) hint = Mul(kept, quick) y = Add(x, hint) }"
)


def test_a_state_is_an_output_unless_another_is_named(write_model, tmp_path: Path, make_data):
    first, second = write_model(TWO_LEAKS % 0.9), write_model(TWO_LEAKS % 0.8)
    _, data = make_data(first, source=npz(tmp_path, x=X), state=STATE)
    told = compare_models(first, second, data, "final")
    assert told.output_fidelity_db["next"] < told.output_fidelity_db["y"] - 10
    assert told.fidelity.value == told.output_fidelity_db["next"]
    _, data = make_data(first, source=npz(tmp_path, x=X), state=STATE, output="y")
    assert compare_models(first, second, data, "final").fidelity.value == told.output_fidelity_db["y"]


@pytest.mark.parametrize("per_call", [True, False])
def test_labels_for_each_call_or_for_the_stream(per_call: bool, summer: Path, write_model, tmp_path: Path, make_data):
    answers = np.stack([running(stream, 0.9).argmax(1) for stream in X])
    labels = answers if per_call else answers[:, -1]
    report, data = make_data(summer, source=npz(tmp_path, x=X, labels=labels), state=STATE, needs_accuracy=True)
    assert report.ref.scores_streams is not per_call
    same = compare_models(summer, summer, data, "final")
    assert same.original_accuracy is not None
    assert same.original_accuracy.value == 1
    assert same.samples == len(data.feeds("final")) // (1 if per_call else CALLS)
    worse = compare_models(summer, write_model(summing(0.1)), data, "final")
    assert worse.drop is not None
    assert worse.drop.value > 0


def test_calls_of_a_stream_are_no_independent_samples(summer: Path, write_model, tmp_path: Path, make_data):
    answers = np.stack([running(stream, 0.9).argmax(1) for stream in X])
    worse, widths = write_model(summing(0.1)), {}
    for metric in ("top1", "f1"):
        _, data = make_data(summer, source=npz(tmp_path, x=X, labels=answers), state=STATE, metric=metric)
        result = compare_models(summer, worse, data, "final")
        assert result.drop is not None
        assert result.drop.interval is not None
        assert result.drop.interval.low <= result.drop.value <= result.drop.interval.high
        widths[metric] = result.drop.interval.high - result.drop.interval.low
    assert all(width > 0 for width in widths.values())


def test_groups_are_drawn_as_wholes():
    groups = [3, 1, 1, 7, 3, 1]
    for index in itertools.islice(resampled_groups(groups, seed=0), 20):
        drawn = [groups[i] for i in index]
        assert drawn.count(1) % 3 == drawn.count(3) % 2 == 0
    single = next(resampled_groups([5, 2, 9], seed=0))
    assert len(single) == 3


def test_targets_for_each_call(summer: Path, tmp_path: Path, make_data):
    targets = np.stack([running(stream, 0.9) for stream in X])
    _, data = make_data(summer, source=npz(tmp_path, x=X, targets=targets), state=STATE, metric="r2")
    result = compare_models(summer, summer, data, "final")
    assert result.original_accuracy is not None
    assert result.original_accuracy.value == pytest.approx(1)


def test_first_states_given_once_or_for_each_stream(summer: Path, tmp_path: Path, make_data):
    once = np.arange(4, dtype=np.float32).reshape(2, 1, 2)
    _, data = make_data(summer, source=npz(tmp_path, x=X, state=once), state=STATE)
    np.testing.assert_array_equal(data.feeds("final")[0]["state"], once)
    each = RNG.standard_normal((STREAMS, 2, 1, 2)).astype(np.float32)
    _, data = make_data(summer, source=npz(tmp_path, x=X, state=each), state=STATE)
    feed = data.feeds("final")[0]
    index = int(np.flatnonzero((X[:, 0] == feed["x"][0]).all(1))[0])
    np.testing.assert_array_equal(feed["state"], each[index])


def test_a_number_may_be_given_once_for_the_stream(write_model, tmp_path: Path, make_data):
    model = write_model(summing(0.9, rate="sr"))
    rate = np.full(STREAMS, 16000)
    _, data = make_data(model, source=npz(tmp_path, x=X, sr=rate), state=STATE)
    assert {feed["sr"].item() for feed in data.feeds("final")} == {16000}


def test_synthetic_streams(summer: Path, make_data):
    report, data = make_data(summer, state=STATE)
    assert report.ref.synthetic
    assert sum(data.starts("final")) == len(data.feeds("final")) / 4
    assert data.feeds("final")[1]["state"].any()


WRONG = {
    "input": ({"h": "next"}, {}, "'h', which is no input"),
    "output": ({"state": "z"}, {}, "'z', which is no output"),
    "everything": ({"state": "next", "x": "y"}, {}, "lists every input"),
    "shape": ({"state": "y"}, {"x": X}, r"float32\[2, 1, 2\], from 'y', which is float32\[1, 4\]"),
    "no calls": (STATE, {"x": X[:, 0]}, "a stream of calls"),
    "state": (STATE, {"x": X, "state": np.zeros((3, 1, 2), np.float32)}, "has shape"),
    "labels": (STATE, {"x": X, "labels": np.zeros((STREAMS, 2), int)}, "for 6 calls"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_states(name: str, summer: Path, tmp_path: Path, make_data):
    state, arrays, words = WRONG[name]
    with pytest.raises(DataError, match=words) as caught:
        make_data(summer, source=npz(tmp_path, **(arrays or {"x": X})), state=state)
    assert "\n" not in caught.value.message
