"""Measurements against bounds and guards."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shipfit.contracts import Benchmark, Constraints, Evaluation, Interval, Quantity, Request
from shipfit.tools.judge import Evidence, judge


def quantity(value: float, unit: str, low: float | None = None, high: float | None = None) -> Quantity:
    interval = Interval(low=low, high=high) if low is not None and high is not None else None
    return Quantity.model_validate({"value": value, "unit": unit, "interval": interval})


def benchmark(
    speed: float = 1.0, *, conclusive: bool = True, p95: tuple[float, float] = (1.0, 1.1), peak: float = 30e6
) -> Benchmark:
    latency = {"mean": quantity(1.0, "ms"), "p50": quantity(1.0, "ms"), "p95": quantity(p95[0], "ms", 0.9, p95[1])}

    def footprint(size: float) -> dict[str, object]:
        sizes = {name: quantity(size, "bytes") for name in ("peak", "average", "runtime_alone")}
        return {"memory": sizes, "load_time": quantity(10.0, "ms")}

    return Benchmark.model_validate(
        {
            "speedup": quantity(speed, "ratio", speed * 0.98, speed * 1.02),
            "same_arm": quantity(1.0, "ratio"),
            "conclusive": conclusive,
            "baseline": latency,
            "candidate": latency,
            "baseline_throughput": quantity(1000.0, "1/s"),
            "candidate_throughput": quantity(1000.0, "1/s", 950.0, 1050.0),
            "baseline_footprint": footprint(20e6),
            "candidate_footprint": footprint(peak),
        }
    )


def evaluation(net_loss: int = 0, samples: int = 400, db: float = 30.0, **extra: object) -> Evaluation:
    drop = net_loss / samples
    return Evaluation.model_validate(
        {
            "part": "final",
            "samples": samples,
            "original_accuracy": quantity(0.95, "fraction", 0.93, 0.97),
            "candidate_accuracy": quantity(0.95 - drop, "fraction", 0.92 - drop, 0.97 - drop),
            "net_loss": net_loss,
            "drop": quantity(drop, "fraction", drop - 0.01, drop + 0.01),
            "fidelity": quantity(db, "dB"),
            **extra,
        }
    )


def unlabelled(db: float) -> Evaluation:
    return Evaluation(part="final", samples=40, fidelity=quantity(db, "dB"))


def evidence(**changes: object) -> Evidence:
    known = {"original_bytes": 1000, "candidate_bytes": 300, "evaluation": evaluation(), "benchmark": benchmark()}
    return Evidence.model_validate({**known, **changes})


def request(**bounds: object) -> Request:
    return Request(model="m", constraints=Constraints.model_validate(bounds))


@pytest.mark.parametrize(
    ("bounds", "changes", "met"),
    [
        ({"max_size_ratio": 0.3}, {}, True),
        ({"max_size_ratio": 0.299}, {}, False),
        ({"max_size_bytes": 300}, {}, True),
        ({"min_speedup": 2.0}, {"benchmark": benchmark(2.0)}, True),
        ({"min_speedup": 2.0}, {"benchmark": benchmark(1.99)}, False),
        ({"max_latency_ms": 1.1}, {}, True),
        ({"max_latency_ms": 1.05}, {}, False),  # the interval's upper end is what must stay within
        ({"min_throughput_per_s": 950}, {}, True),
        ({"min_throughput_per_s": 990}, {}, False),
        ({"max_memory_bytes": 30_000_000}, {}, True),
        ({"max_memory_ratio": 1.4}, {}, False),
        ({"max_accuracy_drop": 0.01}, {"evaluation": evaluation(4)}, True),
        ({"max_accuracy_drop": 0.01}, {"evaluation": evaluation(5)}, False),
        ({"min_accuracy": 0.95}, {}, True),
        ({"min_accuracy": 0.96}, {}, False),
        ({"min_fidelity_db": 30}, {}, True),
        ({"min_fidelity_db": 31}, {}, False),
    ],
)
def test_each_bound(bounds: dict[str, object], changes: dict[str, object], met: bool) -> None:
    verdict = judge(request(**bounds), evidence(**changes))
    assert verdict.kind == ("met" if met else "not_met"), verdict.reason
    assert verdict.constraints[0].met is met
    assert (verdict.constraints[0].shortfall == 0) is met


@pytest.mark.parametrize(
    ("changes", "guard"),
    [
        ({"benchmark": benchmark(0.94)}, "guard_latency"),
        ({"benchmark": benchmark(peak=37e6)}, "guard_memory"),
        ({"candidate_bytes": 1021}, "guard_size"),
        ({"evaluation": evaluation(5)}, "guard_accuracy"),
        ({"evaluation": unlabelled(19.0)}, "guard_accuracy"),
    ],
)
def test_what_carries_no_bound_is_guarded_and_the_guard_can_be_lifted(changes: dict[str, object], guard: str) -> None:
    refused = judge(request(), evidence(**changes))
    assert refused.kind == "not_met"
    assert [item.name for item in refused.violated] == [guard]
    lifted = request().model_copy(update={"allow_regression": (guard.removeprefix("guard_"),)})
    assert judge(lifted, evidence(**changes)).kind == "met"


def test_sixteen_megabytes_more_are_within_the_memory_guard() -> None:
    assert judge(request(), evidence(benchmark=benchmark(peak=35.9e6))).kind == "met"


def test_logits_are_bounded_apart_from_outputs() -> None:
    """A softmax hides breakage: what is bounded before it must have been measured there, where there is one."""
    hidden = unlabelled(40.0).model_copy(update={"has_logits": True})
    seen = hidden.model_copy(update={"logits_fidelity": quantity(12.0, "dB")})
    assert judge(request(min_fidelity_db=20), evidence(evaluation=seen)).kind == "met"
    verdict = judge(request(min_logits_fidelity_db=20), evidence(evaluation=seen))
    assert verdict.reason == "logits fidelity 12 dB is below 20 dB"
    assert judge(request(min_logits_fidelity_db=12), evidence(evaluation=seen)).kind == "met"
    assert judge(request(min_logits_fidelity_db=20), evidence(evaluation=hidden)).kind == "not_met"
    plain = judge(request(min_logits_fidelity_db=20), evidence(evaluation=unlabelled(21.0)))
    assert plain.kind == "met"
    assert plain.constraints[0].note.startswith("at the outputs")


def test_a_bound_replaces_its_guard() -> None:
    assert judge(request(max_accuracy_drop=0.05), evidence(evaluation=evaluation(19))).kind == "met"
    assert judge(request(min_fidelity_db=10), evidence(evaluation=unlabelled(12.0))).kind == "met"


def test_a_drop_bound_finer_than_a_sample_is_met_only_at_no_net_loss_and_says_so() -> None:
    verdict = judge(request(max_accuracy_drop=0.001), evidence(evaluation=evaluation(0)))
    assert verdict.kind == "met"
    assert "no net loss" in verdict.constraints[0].note
    assert judge(request(max_accuracy_drop=0.001), evidence(evaluation=evaluation(1))).kind == "not_met"


def test_strict_accuracy_uses_the_interval() -> None:
    strict = request(max_accuracy_drop=0.01).model_copy(update={"strict_accuracy": True})
    assert judge(strict, evidence(evaluation=evaluation(1))).kind == "not_met"


def test_noise_that_could_change_the_verdict_is_inconclusive_and_counts_as_not_met() -> None:
    noisy = evidence(benchmark=benchmark(2.01, conclusive=False))
    verdict = judge(request(min_speedup=2.0), noisy)
    assert verdict.kind == "inconclusive"
    assert "noisy" in verdict.reason


def test_noise_far_from_the_bound_decides_nothing() -> None:
    noisy = evidence(benchmark=benchmark(3.0, conclusive=False))
    assert judge(request(min_speedup=2.0), noisy).kind == "met"
    assert judge(request(min_speedup=4.0), noisy).kind == "not_met"
    assert judge(request(), noisy).kind == "met"


def test_a_p99_bound_without_enough_calls_is_not_met() -> None:
    verdict = judge(request(max_latency_ms=50, latency_statistic="p99"), evidence())
    assert verdict.kind == "not_met"
    assert "not measured" in verdict.reason


def test_what_was_not_measured_is_never_met() -> None:
    assert judge(request(min_speedup=1.0), evidence(benchmark=None)).kind == "not_met"
    assert judge(request(max_accuracy_drop=0.5), evidence(evaluation=unlabelled(90.0))).kind == "not_met"


@pytest.mark.parametrize("fault", [{"finite": False}, {"constant": True}])
def test_broken_answers_fail_whatever_the_bounds(fault: dict[str, Any]) -> None:
    assert judge(request(), evidence(evaluation=evaluation(**fault))).kind == "failed"


def test_the_worst_violation_is_named_first() -> None:
    verdict = judge(request(max_size_ratio=0.01, min_fidelity_db=31), evidence())
    assert verdict.reason.startswith("size ratio 30 % is above 1 %")


def scored(metric: str, drop: float, high: float, original: float = 0.9) -> Evaluation:
    unit = "value" if metric == "mae" else "fraction"
    return Evaluation.model_validate(
        {
            "part": "final",
            "samples": 100,
            "metric": metric,
            "original_accuracy": quantity(original, unit),
            "candidate_accuracy": quantity(original - drop, unit),
            "drop": quantity(drop, "fraction", -0.1, high),
            "fidelity": quantity(40.0, "dB"),
        }
    )


@pytest.mark.parametrize(
    ("metric", "drop", "met", "words"),
    [
        ("f1", 0.02, False, r"F1 \(macro\) drop 2 % is above 1 %"),
        ("f1", 0.004, True, "every bound"),
        ("mae", 0.05, False, "mean absolute error increase 5 % is above 1 %"),
        ("wer", 0.03, False, r"word accuracy \(1 − WER\) drop 3 % is above 1 %"),
    ],
)
def test_verdicts_say_which_metric(metric: str, drop: float, met: bool, words: str) -> None:
    constraints = Constraints(max_accuracy_drop=0.01)
    request = Request(model="m.onnx", data="d.npz", metric=metric, constraints=constraints)
    evidence = Evidence(
        original_bytes=100, candidate_bytes=50, evaluation=scored(metric, drop, 0.2), benchmark=benchmark(2.0)
    )
    verdict = judge(request, evidence)
    assert (verdict.kind == "met") is met
    assert re.search(words, verdict.reason)
    result = next(item for item in verdict.constraints if item.name == "max_accuracy_drop")
    assert result.metric == metric
    strict = judge(request.model_copy(update={"strict_accuracy": True}), evidence)
    assert strict.kind == "not_met"  # the upper end of the interval counts


def test_a_guard_holds_other_metrics_too() -> None:
    request = Request(model="m.onnx", data="d.npz", metric="r2")
    evidence = Evidence(
        original_bytes=100, candidate_bytes=50, evaluation=scored("r2", 0.02, 0.2), benchmark=benchmark(2.0)
    )
    verdict = judge(request, evidence)
    assert verdict.kind == "not_met"
    assert "R² drop (guard) 2 % is above 1 %" in verdict.reason
