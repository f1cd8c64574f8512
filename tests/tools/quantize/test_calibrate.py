from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from shipfit.contracts import CalibrationMethod, DataError, ToolError
from shipfit.tools.quantize import calibrate
from shipfit.tools.quantize.calibrate import tensor_ranges
from shipfit.tools.quantize.clipping import BINS, Histogram, cut_percentile
from shipfit.tools.sample_runs import counted


def chain(lab: Any, *op_types: str) -> Any:
    names = ["x", *(f"t{at}" for at in range(len(op_types)))]
    nodes = [helper.make_node(op, [names[at]], [names[at + 1]], f"n{at}") for at, op in enumerate(op_types)]
    return lab.build(nodes, {"x": ["n"]}, {names[-1]: ["n"]}, {})


def feeds(*rows: Any) -> list[dict[str, np.ndarray]]:
    return [{"x": np.asarray(row, np.float32)} for row in rows]


def test_minmax_covers_all_samples_of_any_length(lab: Any) -> None:
    ranges = tensor_ranges(chain(lab, "Neg", "Relu"), ["x", "t0", "t1"], feeds([1, -3], [5, 0, 2]))
    assert (ranges["x"].low, ranges["x"].high) == (-3, 5)
    assert (ranges["t0"].low, ranges["t0"].high) == (-5, 3)
    assert (ranges["t1"].low, ranges["t1"].high) == (0, 3)


@pytest.mark.parametrize(("widens_at", "read"), [(99, 4), (3, 5), (5, 4)])
def test_samples_are_read_until_ranges_stand_still(
    lab: Any, widens_at: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "SETTLED_ELEMENTS", 400)
    monkeypatch.setattr(calibrate, "SETTLED_SAMPLES", 1)
    samples = feeds(*(np.linspace(-1, 2 if at == widens_at else 1, 100) for at in range(20)))
    before = counted()
    found = tensor_ranges(chain(lab, "Identity"), ["x"], samples)
    assert counted() - before == read
    assert found["x"].high == (2 if widens_at == 3 else 1)


def test_tensors_that_are_not_finite_have_no_range(lab: Any) -> None:
    ranges = tensor_ranges(chain(lab, "Log", "Exp"), ["x", "t0"], feeds([1, 0]))
    assert set(ranges) == {"x"}


def test_percentile_cuts_outliers_on_either_side(lab: Any) -> None:
    values = np.concatenate([np.linspace(-1, 1, 9998), [-50, 50]])
    ranges = tensor_ranges(chain(lab, "Identity"), ["x"], feeds(values), "percentile", 99.9)
    assert ranges["x"].low == pytest.approx(-1, abs=0.1)
    assert ranges["x"].high == pytest.approx(1, abs=0.1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), percentile=st.floats(90, 100))
def test_percentile_is_within_a_bin_of_the_exact_one(seed: int, percentile: float) -> None:
    counts = np.random.default_rng(seed).integers(0, 9, BINS)
    counts[0], counts[-1] = 1, 1
    span = cut_percentile(Histogram(0.0, float(BINS), counts), percentile)
    values = np.repeat(np.arange(BINS) + 0.5, counts)
    assert span.high >= np.percentile(values, percentile, method="lower") - 0.5
    assert span.high <= np.percentile(values, percentile, method="higher") + 1.5
    assert 0 <= span.low <= span.high <= BINS


@pytest.mark.parametrize("method", ["entropy", "mse", "percentile"])
def test_samples_of_any_length_are_counted_together(lab: Any, method: CalibrationMethod) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.standard_normal(size) for size in (5000, 1, 20_000)]
    span = tensor_ranges(chain(lab, "Identity"), ["x"], feeds(*rows, [30.0]), method)["x"]
    assert min(map(np.min, rows)) - 0.1 <= span.low < -2
    assert 2 < span.high < 30


def test_groups_bound_what_is_held(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, samples = chain(lab, "Neg", "Relu"), feeds(np.linspace(-1, 1, 100))
    whole = tensor_ranges(model, ["x", "t0", "t1"], samples, "percentile", 95)
    monkeypatch.setattr(calibrate, "GROUP_BYTES", 1)
    assert tensor_ranges(model, ["x", "t0", "t1"], samples, "percentile", 95) == whole


def test_constant_activations_have_a_range(lab: Any) -> None:
    ranges = tensor_ranges(chain(lab, "Identity"), ["x"], feeds([2, 2]), "percentile")
    assert ranges["x"].low == pytest.approx(2)
    assert ranges["x"].high == pytest.approx(2)


def test_no_samples_is_told(lab: Any) -> None:
    with pytest.raises(DataError, match="at least one sample"):
        tensor_ranges(chain(lab, "Identity"), ["x"], [])


def test_samples_that_do_not_fit_are_told(lab: Any) -> None:
    with pytest.raises(ToolError, match="does not run"):
        tensor_ranges(chain(lab, "Identity"), ["x"], [{"x": np.zeros((2, 2), np.float32)}])
