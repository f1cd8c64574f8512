from pathlib import Path

from shipfit.contracts import Benchmark, LatencyMetrics, Quantity
from shipfit.tools.measure.labels import measured_beside, measured_in
from shipfit.tools.measure.session import runtime_label

TORCH, ONNX = Path("a/model.pt2"), Path("b/model.onnx")


def benchmark() -> Benchmark:
    def ms(value: float) -> Quantity:
        return Quantity(value=value, unit="ms", runtime=runtime_label())

    one = LatencyMetrics(mean=ms(1), p50=ms(1), p95=ms(1))
    ratio, rate = (Quantity(value=1, unit=unit, runtime=runtime_label()) for unit in ("ratio", "1/s"))
    return Benchmark(
        speedup=ratio, same_arm=ratio, conclusive=True, baseline=one, candidate=one, baseline_throughput=rate,
        candidate_throughput=rate, rounds=1, seconds=1.0, baseline_compressed=Quantity(value=1, unit="bytes"),
    )  # fmt: skip


def test_each_side_is_labelled_with_its_runtime():
    found = measured_beside(benchmark(), TORCH, ONNX)
    assert found.baseline.p95.runtime == runtime_label(TORCH)
    assert found.candidate.p95.runtime == found.speedup.runtime == runtime_label(ONNX)
    assert found.baseline_compressed is not None
    assert found.baseline_compressed.runtime == "-"


def test_one_runtime_labels_all():
    assert measured_in(benchmark(), TORCH).speedup.runtime == runtime_label(TORCH)
    assert measured_beside(benchmark(), ONNX, ONNX) == benchmark()
