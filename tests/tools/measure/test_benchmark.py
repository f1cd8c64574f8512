import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipfit.contracts import Benchmark, Interval, Job, Quantity, RequestError, RuntimeSettings, ToolError
from shipfit.tools import BenchmarkTool
from shipfit.tools.context import MODEL_FILE, ToolContext
from shipfit.tools.measure import footprint, footprint_child
from shipfit.tools.measure.benchmark import Patience, _different, benchmark_models, benchmark_tool, latency, throughput
from shipfit.tools.measure.footprint import measure_footprints
from shipfit.tools.measure.session import stock
from shipfit.tools.measure.synthesize import synthesize_feeds

SHORT = Patience(0.1, 0.1)


def around(quantity: Quantity) -> bool:
    """Whether the interval is there and holds the value."""
    interval = quantity.interval
    return interval is not None and interval.low <= quantity.value <= interval.high


@pytest.mark.parametrize(
    ("low", "high", "bounds", "elapsed", "enough"),
    [
        (1.99, 2.01, (), 1, True),  # precise
        (1.9, 2.1, (), 1, False),
        (1.92, 2.08, (), 9, True),  # time is up, and 5 % is conclusive
        (1.8, 2.2, (), 9, False),
        (1.99, 2.01, (2.0,), 9, False),  # a bound lies inside
        (1.99, 2.01, (3.0,), 1, True),
    ],
)
def test_patience(low: float, high: float, bounds: tuple[float, ...], elapsed: float, enough: bool):
    patience = Patience(8, 20, bounds)
    assert patience.is_enough(Interval(low=low, high=high), 0.02, elapsed) == enough


def test_latency_statistics():
    calls = [0.001 * value for value in range(1, 1001)]
    found = latency(calls)
    assert found.mean.value == pytest.approx(500.5)
    assert found.p99 is not None
    assert (found.p50.value, found.p95.value, found.p99.value) == pytest.approx((501, 951, 991))
    for quantity in (found.mean, found.p50, found.p95, found.p99):
        assert quantity.unit == "ms"
        assert around(quantity)
    assert latency(calls[:299]).p99 is None
    assert throughput([0.01] * 50).value == pytest.approx(100)


def test_benchmark_of_a_pair(digits_model: Path):
    feeds = synthesize_feeds(digits_model, 2, 0)
    told: list[str] = []
    result = benchmark_models(
        digits_model, digits_model, feeds, Patience(0.5, 0.5), progress=lambda each: told.append(each.message)
    )
    assert result.rounds >= 3
    assert around(result.speedup)
    assert result.baseline.p50.value > 0
    assert result.candidate.p50.samples >= 9
    assert result.speedup.interval is not None
    assert result.conclusive == (result.speedup.interval.half_width_ratio <= 0.05)
    assert result.baseline_footprint is None


@pytest.mark.slow
def test_a_model_is_as_fast_as_itself(digits_model: Path):
    result = benchmark_models(digits_model, digits_model, synthesize_feeds(digits_model, 4, 0))
    assert 0.8 < result.speedup.value < 1.25
    assert 0.8 < result.same_arm.value < 1.25


def test_feeds_that_do_not_fit(digits_model: Path, mlp_model: Path):
    with pytest.raises(ToolError, match="does not run"):
        benchmark_models(digits_model, digits_model, synthesize_feeds(mlp_model, 1, 0), SHORT)


def test_feeds_that_differ_in_values_alone_are_tried_once():
    images = [{"x": np.full((1, size), value, np.float32)} for size in (2, 3) for value in range(3)]
    assert [feed["x"].shape for feed in _different(images)] == [(1, 2), (1, 3)]
    words = [{"ids": np.full((1, 2), value)} for value in range(3)]  # a number may be beyond the table
    assert len(_different(words)) == 3


def test_settings_are_checked(digits_model: Path):
    bad = RuntimeSettings(config_entries={"session.optimized_model_filepath": "/tmp/x"})
    with pytest.raises(RequestError, match=r"session\.optimized_model_filepath.*not allowed"):
        benchmark_models(digits_model, digits_model, synthesize_feeds(digits_model, 1, 0), SHORT, settings=bad)


def test_tool_without_candidate_and_data(digits_model: Path, tmp_path: Path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / MODEL_FILE).write_bytes(digits_model.read_bytes())
    job = Job(tool="benchmark", params={"seconds": 0.2})
    answer = benchmark_tool(ToolContext(job, {"original": inputs}, tmp_path / "work"))
    assert isinstance(answer.report, Benchmark)


def test_footprint(digits_model: Path):
    feeds = synthesize_feeds(digits_model, 1, 0)
    (found,) = measure_footprints([(digits_model, stock())], feeds, processes=1)
    memory = found.memory
    assert 0 < memory.average.value <= memory.peak.value < 64e6
    assert memory.runtime_alone.value > 20e6
    assert 0 < found.load_time.value < 30
    assert found.load_time.unit == "s"


@pytest.mark.parametrize(("second", "processes"), [(100_500_000, 2), (104_000_000, 3)])
def test_processes_end_where_peaks_agree(
    digits_model: Path, second: int, processes: int, monkeypatch: pytest.MonkeyPatch
):
    peaks = itertools.cycle([100_000_000, 100_000_000, second, second])  # alone, with the model, and again
    monkeypatch.setattr(footprint, "_run_child", lambda *_: footprint._Sample(next(peaks), 1.0, 0.1))
    (found,) = measure_footprints([(digits_model, stock())], [])
    assert found.memory.peak.samples == processes


def test_a_footprint_holds_what_the_second_call_allocates(monkeypatch: pytest.MonkeyPatch):
    """A busy machine left time for one call, and the peak came out by a third too small."""
    monkeypatch.setattr(footprint_child, "_RUN_SECONDS", 0.0)
    fed: list[dict[str, Any]] = []
    footprint_child._average_while_running(fed.append, [{"x": 1}])
    assert fed == [{"x": 1}] * 2


def test_footprint_of_a_broken_model(digits_model: Path, tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ToolError, match="fresh process cannot load and run"):
        measure_footprints([(broken, stock())], synthesize_feeds(digits_model, 1, 0), processes=1)


def test_public_class(digits_model: Path, digits_data: Path):
    tool = BenchmarkTool()
    assert (tool.name, tool.category) == ("benchmark", "measurement")
    report = tool.run(digits_model, data=str(digits_data), seconds=0.2)
    assert report.preparation.samples == 8
    assert report.preparation.shapes == {"image": (1, 1, 8, 8)}
    assert not report.preparation.synthetic
    assert report.timing.rounds >= 3
    assert set(report.footprint) == {"original", "candidate"}
    with pytest.raises(RequestError, match="there is no model"):
        tool.run("nowhere.onnx")
