"""Decide whether a candidate is accepted: measurements against bounds and guards, nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from ..contracts import (
    DEFAULT_METRIC,
    Benchmark,
    Bound,
    ConstraintResult,
    Contract,
    Evaluation,
    Interval,
    Quantity,
    Request,
    ToolError,
    Unit,
    Verdict,
    label,
    units,
)

LATENCY_GUARD = 1.05
MEMORY_GUARD = 1.10
MEMORY_GUARD_BYTES = 16 * 10**6
SIZE_GUARD = 1.02
DROP_GUARD = 0.01
FIDELITY_GUARD_DB = 20.0
NOT_FINITE = "the candidate answers NaN or infinity where the original does not"
CONSTANT = "the candidate answers the same to different inputs where the original does not"


class Evidence(Contract):
    """What is known about a candidate; an absent part was not measured (yet).

    Attributes:
        original_bytes, candidate_bytes: every byte needed to load each.
        evaluation: on the selection part while searching, on the final part for acceptance.
    """

    original_bytes: int
    candidate_bytes: int
    evaluation: Evaluation | None = None
    benchmark: Benchmark | None = None


def judge(request: Request, evidence: Evidence, measured_on: str = "-") -> Verdict:
    """Return the verdict on a candidate.

    A bound that was not measured leaves the verdict `not_met` at best, so `met` always rests on
    measurements of everything. Too noisy a timing is `inconclusive`, and so counts as not met.
    """
    metric = "" if request.scored_by == DEFAULT_METRIC else request.scored_by
    results = tuple(
        result.model_copy(update={"measured_on": "-" if "size" in result.name else measured_on, "metric": metric})
        for result in (*_bounds(request, evidence), *_guards(request, evidence))
    )
    broken = flaw(evidence.evaluation)
    if broken:
        return Verdict(kind="failed", reason=broken, constraints=results)
    missed = [item for item in results if item.met is False]
    if missed:
        worst = max(missed, key=lambda item: item.shortfall)
        return Verdict(kind="not_met", reason="; ".join(map(describe, _first(worst, missed))), constraints=results)
    unknown = [item for item in results if item.met is None]
    if unknown and evidence.benchmark is not None and not evidence.benchmark.conclusive:
        return Verdict(kind="inconclusive", reason=_noise(evidence.benchmark), constraints=results)
    if unknown:
        names = ", ".join(label(item.name, item.metric) for item in unknown)
        return Verdict(kind="not_met", reason=f"not measured: {names}", constraints=results)
    return Verdict(kind="met", reason="every bound and guard holds", constraints=results)


def describe(result: ConstraintResult) -> str:
    """Return one result in words, as `size ratio 41 % is above 30 %`."""
    name = label(result.name, result.metric)
    if result.measured is None:
        return f"{name} not measured"
    measured, bound = (units.format_value(value, result.unit) for value in (result.measured, result.bound))
    if result.met:
        return f"{name} {measured} (bound {bound})"
    above = result.measured > result.bound
    tail = f" ({result.note})" if result.note else ""
    return f"{name} {measured} is {'above' if above else 'below'} {bound}{tail}"


def _first(worst: ConstraintResult, missed: list[ConstraintResult]) -> list[ConstraintResult]:
    return [worst, *(item for item in missed if item is not worst)]


def _noise(benchmark: Benchmark) -> str:
    interval = benchmark.speedup.interval
    width = f"±{interval.half_width_ratio:.0%}" if interval else "unknown"
    return f"timing too noisy to decide: speed {units.format_factor(benchmark.speedup.value)} {width}"


def flaw(evaluation: Evaluation | None) -> str | None:
    """Return what makes a candidate useless whatever was asked, if anything does."""
    if evaluation is None:
        return None
    if not evaluation.finite:
        return NOT_FINITE
    if evaluation.constant:
        return CONSTANT
    return None


def without_flaw(evaluation: Evaluation) -> Evaluation:
    """Return `evaluation`.

    Raises:
        ToolError: the candidate is useless, whatever was asked.
    """
    if found := flaw(evaluation):
        raise ToolError(found)
    return evaluation


def _result(
    name: str, bound: float, unit: Unit, upper: bool, quantity: Quantity | None, *, note: str = ""
) -> ConstraintResult:
    """Compare the point estimate with the bound."""
    if quantity is None:
        return ConstraintResult(name=name, bound=bound, unit=unit, note=note)
    return _compare(name, bound, unit, upper, quantity.value, quantity.interval, note)


def _compare(
    name: str, bound: float, unit: Unit, upper: bool, value: float, interval: Interval | None, note: str
) -> ConstraintResult:
    tolerance = 1e-9 * max(1.0, abs(bound))
    met = value <= bound + tolerance if upper else value >= bound - tolerance
    # A share of a zero bound would be infinite; a fraction misses by points then.
    gap = (value - bound if upper else bound - value) / max(abs(bound), 0.01 if unit == "fraction" else 1e-9)
    return ConstraintResult(
        name=name,
        bound=bound,
        measured=value,
        unit=unit,
        met=met,
        interval=interval,
        shortfall=0.0 if met else gap,
        note=note,
    )


def _bounds(request: Request, evidence: Evidence) -> Iterable[ConstraintResult]:
    for bound in request.constraints.bounds():
        if "accuracy" in bound.name:
            yield _accuracy(bound, request, evidence.evaluation)
        elif bound.name == "max_latency_ms":
            yield _latency(bound, request, evidence.benchmark)
        elif bound.name == "min_logits_fidelity_db":
            yield _logits(bound, evidence.evaluation)
        else:
            yield _result(
                bound.name, bound.bound, bound.unit, bound.upper, _measured(bound.name, bound.bound, evidence)
            )


def _measured(name: str, bound: float, evidence: Evidence) -> Quantity | None:
    benchmark, evaluation = evidence.benchmark, evidence.evaluation
    if name == "max_size_bytes":
        return Quantity(value=evidence.candidate_bytes, unit="bytes")
    if name == "max_size_ratio":
        return Quantity(value=evidence.candidate_bytes / evidence.original_bytes, unit="fraction")
    if name == "min_fidelity_db":
        return evaluation.fidelity if evaluation else None
    if benchmark is None:
        return None
    if name == "min_speedup":
        return benchmark.speedup if is_decided(benchmark, bound) else None
    if name == "min_throughput_per_s":
        return _pessimistic(benchmark.candidate_throughput, upper=False)
    peaks = memory_peaks(benchmark)
    if peaks is None:
        return None
    original, candidate = peaks
    if name == "max_memory_bytes":
        return candidate
    return candidate.model_copy(update={"value": candidate.value / max(original.value, 1.0), "unit": "fraction"})


def _pessimistic(quantity: Quantity, *, upper: bool) -> Quantity:
    """Return the end of the interval that is further from being met."""
    if quantity.interval is None:
        return quantity
    return quantity.model_copy(update={"value": quantity.interval.high if upper else quantity.interval.low})


def _latency(bound: Bound, request: Request, benchmark: Benchmark | None) -> ConstraintResult:
    statistic = request.constraints.latency_statistic
    quantity = getattr(benchmark.candidate, statistic) if benchmark else None
    note = f"{statistic}, upper end of its interval"
    if benchmark is not None and quantity is None:
        note = f"{statistic} needs at least 300 calls"
    return _result(
        bound.name, bound.bound, bound.unit, True, _pessimistic(quantity, upper=True) if quantity else None, note=note
    )


def _logits(bound: Bound, evaluation: Evaluation | None) -> ConstraintResult:
    """Judge at the logits; at the outputs of a model without any, and say so."""
    if evaluation is None or evaluation.has_logits:
        reached, note = evaluation.logits_fidelity if evaluation else None, ""
        if evaluation is not None and reached is None:
            note = "the candidate's logits could not be compared with the original's"
    else:
        reached, note = evaluation.fidelity, "at the outputs: no softmax or sigmoid was found before them"
    return _result(bound.name, bound.bound, bound.unit, bound.upper, reached, note=note)


def _accuracy(bound: Bound, request: Request, evaluation: Evaluation | None) -> ConstraintResult:
    if bound.name == "min_accuracy":
        quantity = evaluation.candidate_accuracy if evaluation else None
        if quantity is not None and request.strict_accuracy:
            quantity = _pessimistic(quantity, upper=False)
        return _result(bound.name, bound.bound, bound.unit, False, quantity)
    return drop_result(bound.name, bound.bound, evaluation, strict=request.strict_accuracy)


def drop_result(name: str, bound: float, evaluation: Evaluation | None, *, strict: bool = False) -> ConstraintResult:
    """Judge a drop; of right and wrong answers, a bound finer than one is met only at no net loss, and says so."""
    if evaluation is None or evaluation.drop is None:
        return ConstraintResult(name=name, bound=bound, unit="fraction")
    quantity = _pessimistic(evaluation.drop, upper=True) if strict else evaluation.drop
    result = _result(name, bound, "fraction", True, quantity)
    if evaluation.net_loss is not None and bound < 1 / evaluation.samples and not strict:
        met = evaluation.net_loss <= 0
        note = f"finer than one of {evaluation.samples} samples: met only at no net loss"
        gap = 0.0 if met else max(result.shortfall, 0.1)
        return result.model_copy(update={"met": met, "note": note, "shortfall": gap})
    return result


def _guards(request: Request, evidence: Evidence) -> Iterable[ConstraintResult]:
    bounds, lifted = request.constraints, set(request.allow_regression)
    if "latency" not in lifted and not (bounds.max_latency_ms or bounds.min_speedup or bounds.min_throughput_per_s):
        yield _latency_guard(evidence.benchmark)
    if "memory" not in lifted and not (bounds.max_memory_bytes or bounds.max_memory_ratio):
        yield _memory_guard(evidence.benchmark)
    if "size" not in lifted and not (bounds.max_size_bytes or bounds.max_size_ratio):
        ratio = Quantity(value=evidence.candidate_bytes / evidence.original_bytes, unit="fraction")
        yield _result("guard_size", SIZE_GUARD, "fraction", True, ratio)
    if "accuracy" not in lifted and not bounds.needs_labels:
        yield from _quality_guard(request, evidence.evaluation)


def is_decided(benchmark: Benchmark, bound: float) -> bool:
    """Tell whether a speed can be compared with `bound`: the interval is narrow, or does not hold the bound."""
    interval = benchmark.speedup.interval
    return benchmark.conclusive or (interval is not None and not interval.low <= bound <= interval.high)


def _latency_guard(benchmark: Benchmark | None) -> ConstraintResult:
    if benchmark is None or not is_decided(benchmark, 1 / LATENCY_GUARD):
        return ConstraintResult(name="guard_latency", bound=LATENCY_GUARD, unit="fraction")
    speed = benchmark.speedup
    slower = Quantity(value=1 / speed.value, unit="fraction", interval=_inverse(speed.interval))
    return _result("guard_latency", LATENCY_GUARD, "fraction", True, slower)


def _inverse(interval: Interval | None) -> Interval | None:
    if interval is None or interval.low <= 0:
        return None
    return Interval(low=1 / interval.high, high=1 / interval.low)


def _memory_guard(benchmark: Benchmark | None) -> ConstraintResult:
    peaks = memory_peaks(benchmark)
    if peaks is None:
        return ConstraintResult(name="guard_memory", bound=MEMORY_GUARD_BYTES, unit="bytes")
    original, candidate = peaks
    bound = max(original.value * MEMORY_GUARD, original.value + MEMORY_GUARD_BYTES)
    return _result("guard_memory", bound, "bytes", True, candidate)


def _quality_guard(request: Request, evaluation: Evaluation | None) -> Iterable[ConstraintResult]:
    if evaluation is None:
        yield ConstraintResult(name="guard_accuracy", bound=DROP_GUARD, unit="fraction")
    elif evaluation.drop is not None:
        yield drop_result("guard_accuracy", DROP_GUARD, evaluation, strict=request.strict_accuracy)
    elif not request.constraints.bounds_fidelity:
        yield _result("guard_accuracy", FIDELITY_GUARD_DB, "dB", False, evaluation.fidelity)


def memory_peaks(benchmark: Benchmark | None) -> tuple[Quantity, Quantity] | None:
    """Return the peaks (original, candidate) above the bare runtime, where they were measured."""
    if benchmark is None or benchmark.baseline_footprint is None or benchmark.candidate_footprint is None:
        return None
    return benchmark.baseline_footprint.memory.peak, benchmark.candidate_footprint.memory.peak
