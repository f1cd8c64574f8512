"""Roll back: the original stays, and the nearest candidates become offers that were measured in full."""

from __future__ import annotations

import math
import time
from typing import get_args

from pydantic import ValidationError

from ..contracts import (
    Attempt,
    Benchmark,
    Bound,
    Constraints,
    Effort,
    Guarded,
    Measured,
    Offer,
    OptimizationMetrics,
    Request,
    ToolError,
    Verdict,
    is_error,
    metric_words,
    units,
)
from ..tools.judge import Evidence, judge
from .context import RunContext
from .evidence import candidate_metrics, compare, original_metrics
from .specialist import evaluate
from .state import RunState, add_effort
from .validator import timing_params

OFFERS = 3
MEASURED_AT_MOST = 4
# Offers are measured after the budget is spent; this is what they may take together.
ALLOWANCE_S, LEAST_ALLOWANCE_S = 60.0, 15.0
# What answers worse than this is of no use to anybody, whatever its size.
USELESS_DB, USELESS_DROP, USELESS_INCREASE = 10.0, 0.1, 0.5
_OPTIONS = {
    "max_size_bytes": "--max-size",
    "max_size_ratio": "--max-size",
    "max_memory_bytes": "--max-memory",
    "max_memory_ratio": "--max-memory",
    "max_latency_ms": "--max-latency",
    "min_speedup": "--min-speedup",
    "min_throughput_per_s": "--min-throughput",
    "min_accuracy": "--min-accuracy",
    "max_accuracy_drop": "--max-drop",
    "min_fidelity_db": "--min-fidelity",
    "min_logits_fidelity_db": "--min-logits-fidelity",
}
# Timings and memory move from run to run: an offer leaves them this room, so that it can be taken up.
_ROOM = {"max_latency_ms": 1.1, "max_memory_bytes": 1.1, "max_memory_ratio": 1.1, "min_speedup": 0.92}
_ROOM["min_throughput_per_s"] = 0.9


def rollback(state: RunState, context: RunContext) -> RunState:
    """Measure the nearest candidates in full, and offer each with the smallest relaxation it needs.

    Who stopped the run wants nothing measured any more.
    """
    if state.get("stopped"):
        return {}
    offers: list[Offer] = []
    effort = Effort()
    allowance = min(ALLOWANCE_S, max(LEAST_ALLOWANCE_S, context.request.budget.time_limit_s))
    started, waited = time.monotonic(), context.execute.waited_s
    for attempt in nearest(state.get("attempts", ()))[:MEASURED_AT_MOST]:
        left = allowance - (time.monotonic() - started) + (context.execute.waited_s - waited)
        if len(offers) >= OFFERS or left <= 0:
            break
        context.execute.limits = context.execute.limits.model_copy(update={"time_s": left})
        known, spent = _measured(state, context, attempt)
        effort = add_effort(effort, spent)
        offer = to_offer(context.request, attempt, known, context.measured_on) if known else None
        if offer is not None:
            context.emit(Measured(attempt=attempt.index, name="offer", text=offer.text))
            offers.append(offer)
    return {"offers": tuple(worth_offering(offers)), "effort": effort}


def worth_offering(offers: list[Offer]) -> list[Offer]:
    """Return the offers that no other beats in every respect; two at least, where there are two."""
    best = [offer for offer in offers if not any(_beats(other, offer) for other in offers if other is not offer)]
    rest = [offer for offer in offers if offer not in best]
    return best + rest[: max(0, 2 - len(best))]


def _beats(one: Offer, other: Offer) -> bool:
    """Tell whether `one` asks for no relaxation that `other` does not ask for too, at least as large."""
    if not set(one.relax) <= set(other.relax) or not set(one.allow_regression) <= set(other.allow_regression):
        return False
    smaller = [
        one.relax[name] <= other.relax[name] if name.startswith("max_") else one.relax[name] >= other.relax[name]
        for name in one.relax
    ]
    return all(smaller) and (one.relax, one.allow_regression) != (other.relax, other.allow_regression)


def nearest(attempts: tuple[Attempt, ...]) -> list[Attempt]:
    """Return one attempt per candidate, the smallest shortfall first; what failed or answers nonsense is no offer."""
    built = {
        attempt.candidate.id: attempt
        for attempt in attempts
        if attempt.candidate is not None
        and attempt.verdict.kind != "failed"
        and not attempt.rejected
        and attempt.comparison is not None
        and not _is_useless(attempt.comparison)
    }
    return sorted(built.values(), key=lambda attempt: (_shortfall(attempt.verdict), attempt.index))


def _shortfall(verdict: Verdict) -> float:
    return sum(math.log1p(item.shortfall) for item in verdict.violated)


def _measured(state: RunState, context: RunContext, attempt: Attempt) -> tuple[Evidence | None, Effort]:
    """Return timing and the final part of one candidate; what is already known costs nothing."""
    if attempt.candidate is None:
        return None, Effort()
    original, data = state["original"], state["data"]
    try:
        timed = context.execute(
            "benchmark",
            Benchmark,
            inputs={"original": original, "candidate": attempt.candidate},
            data=data,
            params=timing_params(context),
        )
        judged = evaluate(context, original, attempt.candidate, data, "final")
    except ToolError:
        return None, Effort()
    known = Evidence(
        original_bytes=original.size_bytes,
        candidate_bytes=attempt.candidate.size_bytes,
        evaluation=judged.report,
        benchmark=timed.report,
    )
    return known, add_effort(timed.effort, judged.effort)


def to_offer(request: Request, attempt: Attempt, known: Evidence, measured_on: str = "-") -> Offer | None:
    """Return the offer with the smallest relaxation, judged again under it; None when even that does not hold."""
    verdict = judge(request, known, measured_on)
    if verdict.kind == "failed" or attempt.candidate is None or _is_useless(compare(known)):
        return None
    missed = verdict.violated
    bounds = {bound.name: bound for bound in request.constraints.bounds()}
    relax = {
        item.name: relaxed(item.name, item.measured)
        for item in missed
        if item.name in bounds and item.measured is not None
    }
    lifted: list[Guarded] = [name for name in get_args(Guarded) if any(item.name == f"guard_{name}" for item in missed)]
    easier = _relaxed(request, relax, lifted)
    if easier is None or judge(easier, known).kind != "met":
        return None
    return Offer(
        attempt=attempt.index,
        candidate=attempt.candidate,
        relax=relax,
        allow_regression=tuple(lifted),
        text=_text(known, relax, lifted, bounds),
        command=_command(relax, lifted),
        constraints=verdict.constraints,
        metrics=candidate_metrics(known),
        baseline=original_metrics(known),
        comparison=compare(known),
    )


def _is_useless(reached: OptimizationMetrics) -> bool:
    if reached.accuracy_delta is not None:
        return -reached.accuracy_delta.value > (USELESS_INCREASE if is_error(reached.metric) else USELESS_DROP)
    return reached.fidelity is not None and reached.fidelity.value < USELESS_DB


def relaxed(name: str, measured: float) -> float:
    """Return the bound that this measurement meets, rounded towards the easier side, with room for noise."""
    upper = name.startswith("max_")
    value = measured * _ROOM.get(name, 1.0)
    if name == "max_size_bytes" or name == "max_memory_bytes":
        return float(math.ceil(value))
    if value == 0:
        return 0.0
    scale = 10 ** (3 - math.ceil(math.log10(abs(value))))
    return float((math.ceil(value * scale) if upper else math.floor(value * scale)) / scale)


def _relaxed(request: Request, relax: dict[str, float], lifted: list[Guarded]) -> Request | None:
    """Return the request under the relaxation, None where a bound would have to be one that nobody can ask for."""
    bounds = request.constraints.model_dump(exclude_none=True) | relax
    names = {name: int(value) if name.endswith("_bytes") else value for name, value in bounds.items()}
    try:
        constraints = Constraints.model_validate(names)
    except ValidationError:
        return None
    lifted_all = tuple({*request.allow_regression, *lifted})
    return request.model_copy(update={"constraints": constraints, "allow_regression": lifted_all})


def _text(known: Evidence, relax: dict[str, float], lifted: list[Guarded], bounds: dict[str, Bound]) -> str:
    measured = [f"{units.format_share(known.candidate_bytes / known.original_bytes)} of the size"]
    if known.benchmark:
        measured.append(f"{units.format_factor(known.benchmark.speedup.value)} the speed")
    if known.evaluation and known.evaluation.drop:
        words = metric_words(known.evaluation.metric)
        what = "increase of the" if is_error(known.evaluation.metric) else "drop of"
        measured.append(f"{what} {words} {units.format_share(known.evaluation.drop.value)}")
    elif known.evaluation:
        measured.append(f"fidelity {units.format_decibels(known.evaluation.fidelity.value)}")
    metric = known.evaluation.metric if known.evaluation else ""
    asks = [bounds[name].model_copy(update={"bound": value}).text(metric) for name, value in relax.items()]
    asks += [f"a regression of {name}" for name in lifted]
    return f"{', '.join(measured)}: reachable with {' and '.join(asks) or 'the bounds as asked'}"


def _command(relax: dict[str, float], lifted: list[Guarded]) -> str:
    words = [f"{_OPTIONS[name]} {_written(name, value)}" for name, value in relax.items()]
    words += [f"--allow-regression {','.join(lifted)}"] if lifted else []
    return " ".join(words)


def _written(name: str, value: float) -> str:
    if name.endswith("_ratio"):
        return f"{value * 100:.6g}%"
    if name == "max_latency_ms":
        return f"{value:g}ms"
    if name.endswith("_db"):
        return f"{value:g}dB"
    if name == "min_throughput_per_s":
        return f"{value:g}/s"
    return f"{int(value)}B" if name.endswith("_bytes") else f"{value:g}"
