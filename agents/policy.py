"""The built-in policy: of the plans that are left, the one most likely to meet every constraint and worth most."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..contracts import (
    Attempt,
    CalibrationMethod,
    Compute,
    GraphLever,
    OperatorShare,
    OptimizationMetrics,
    Plan,
    PolicyState,
    Predicted,
    Profile,
    PruneLever,
    QuantizeLever,
    Recalled,
    Storage,
)
from . import priors
from .explain import reason
from .predict import chance, estimate, quality_need, speed_bounds

FURTHER_GAIN = 1.10
WORTH_TRYING = 0.35
HOPELESS = 0.03
NEGLIGIBLE = 0.02
CANDIDATES_FOR_OFFERS = 3
SIMILAR_ENOUGH = 0.95
MARGINS_DB = (2.0, 4.0, 8.0, 12.0)
ROOM_DB = 4.0
# What may be tried after the extremes where the request leaves it open.
FINER_CALIBRATIONS: tuple[CalibrationMethod, ...] = ("mse", "percentile")


class BuiltInPolicy:
    """Deterministic search over levers and operator classes; needs no language model."""

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the next plan, or None when nothing left is promising (or everything is met and no gain is near)."""
        tried = [attempt.plan for attempt in state.attempts]
        remembered = next((plan for plan in _remembered(state) if not _in(plan, tried)), None)
        if remembered is not None and not state.attempts:
            return remembered
        ranked = [item for item in (_rank(plan, state) for plan in plans(state)) if not _in(item[1], tried)]
        best = max(ranked, key=lambda item: item[0], default=None)
        if best is None:
            return None
        met = [attempt for attempt in state.attempts if attempt.verdict.kind == "met"]
        if met:
            return _further(ranked, met, state)
        likely = best[1].predicted.chance if best[1].predicted else 0.0
        return best[1] if likely >= HOPELESS else _for_offers(ranked, state)


def _for_offers(ranked: list[tuple[float, Plan]], state: PolicyState) -> Plan | None:
    """Return the nearest plan that differs from what was built, until there is enough to choose offers from."""
    built = [item.plan.predicted for item in state.attempts if item.candidate is not None and item.plan.predicted]
    if len(built) >= CANDIDATES_FOR_OFFERS:
        return None
    others = [item for item in ranked if not any(_alike(item[1], before) for before in built)]
    return max(others, key=lambda item: item[0])[1] if others else None


def _alike(plan: Plan, before: Predicted) -> bool:
    """Tell whether a plan is expected to land where a candidate was, so that it would offer nothing new."""
    now = plan.predicted
    if now is None:
        return False
    same_size = abs(math.log(now.size_ratio / before.size_ratio)) < 0.1
    return same_size and abs(math.log(now.speedup / before.speedup)) < 0.3


def _in(plan: Plan, tried: list[Plan]) -> bool:
    return any(plan.same_as(other) for other in tried)


def _rank(plan: Plan, state: PolicyState) -> tuple[float, Plan]:
    """Return log utility (log chance + log worth) and the plan with its prediction and reason."""
    likely, predicted = chance(plan, state)
    worth = math.log(max(likely, 1e-300)) + math.log(value(state, predicted))
    return worth, plan.model_copy(update={"predicted": predicted, "reason": reason(plan, predicted, state)})


def value(state: PolicyState, reached: Predicted) -> float:
    """Return what a result is worth under the request's objective, above zero."""
    size, speed = 1 / max(reached.size_ratio, 1e-4), max(reached.speedup, 1e-3)
    objective = state.request.objective
    if objective == "size":
        return float(size * speed**0.1)
    if objective == "latency":
        return float(speed * size**0.1)
    if objective == "accuracy":
        return float((1 + min(reached.fidelity_db, 80.0) / 20) ** 2 * (size * speed) ** 0.1)
    return math.sqrt(size * speed)


def worth(state: PolicyState, comparison: OptimizationMetrics) -> float:
    """Return the worth of what was measured."""
    return value(
        state,
        Predicted(
            size_ratio=comparison.size_ratio.value,
            speedup=comparison.speedup.value if comparison.speedup else 1.0,
            fidelity_db=comparison.fidelity.value if comparison.fidelity else 0.0,
        ),
    )


def best_met(state: PolicyState) -> Attempt | None:
    """Return the met attempt of the greatest worth; within 3 %, the one that compresses best, then the earlier."""
    met = [item for item in state.attempts if item.verdict.kind == "met" and item.comparison]
    if not met:
        return None
    top = max(worth(state, item.comparison) for item in met if item.comparison)
    close = [item for item in met if item.comparison and worth(state, item.comparison) >= top / 1.03]
    return min(close, key=lambda item: (_compressed(item), item.index))


def _compressed(attempt: Attempt) -> float:
    size = attempt.metrics.compressed_size if attempt.metrics else None
    return size.value if size else math.inf


def _further(ranked: list[tuple[float, Plan]], met: list[Attempt], state: PolicyState) -> Plan | None:
    """Return a plan that is likely to hold and to gain 10 % over what is met; a remembered one that met ends it."""
    if any(attempt.plan.proposer == "memory" for attempt in met):
        return None
    top = max(worth(state, attempt.comparison) for attempt in met if attempt.comparison)
    better = [
        (utility, plan)
        for utility, plan in ranked
        if plan.predicted is not None
        and plan.predicted.chance >= WORTH_TRYING
        and (value(state, plan.predicted) >= top * FURTHER_GAIN or _prunes_more(plan, met))
    ]
    return max(better, key=lambda item: item[0])[1] if better else None


def _prunes_more(plan: Plan, met: list[Attempt]) -> bool:
    """Tell whether the plan is a met one with pruning added: it compresses better at equal size and speed."""
    return plan.prune is not None and any(
        attempt.plan.prune is None and attempt.plan.quantize == plan.quantize for attempt in met
    )


def _remembered(state: PolicyState) -> Iterator[Plan]:
    """Yield plans that met at least these bounds on this model, or on one that is very similar.

    What was measured in full on this very model but missed the bounds of its day (an offer) counts as well.
    """
    ranked = sorted(state.recalled, key=lambda item: (not item.outcome.delivered, item.outcome.verdict != "met"))
    for item in ranked:
        past = item.outcome
        known = past.verdict == "met" or (item.same_model and past.verdict == "not_met" and past.speedup is not None)
        if not known or not (item.same_model or item.similarity >= SIMILAR_ENOUGH):
            continue
        if _would_meet(item, state) and _allowed(item.outcome.plan, state):
            where = "this model" if item.same_model else "a similar model"
            words = f"reached as much on {where} before, so it is tried first"
            _, predicted = chance(item.outcome.plan, state)
            update = {"proposer": "memory", "reason": words, "predicted": predicted}
            yield item.outcome.plan.model_copy(update=update)


def _would_meet(item: Recalled, state: PolicyState) -> bool:
    bounds, past = state.request.constraints, item.outcome
    size = past.size_ratio if past.size_ratio is not None else math.inf
    checks = (
        (bounds.max_size_ratio, size, True),
        (bounds.max_size_bytes, size * state.profile.size_bytes, True),
        (_speed_to_keep(item, state), _speed_here(item, state), False),
        (bounds.max_accuracy_drop, past.drop if past.metric == state.request.scored_by else None, True),
        (bounds.min_fidelity_db, past.fidelity_db, False),
    )
    return (past.verdict != "met" or past.objective == state.request.objective) and all(
        bound is None or (reached is not None and (reached <= bound if upper else reached >= bound))
        for bound, reached, upper in checks
    )


def _speed_here(item: Recalled, state: PolicyState) -> float | None:
    """Return the speedup to reckon with: what was measured on this machine, or what is expected on it."""
    if item.outcome.hardware == state.host.fingerprint:
        return item.outcome.speedup
    return estimate(item.outcome.plan, state).speedup


def _speed_to_keep(item: Recalled, state: PolicyState) -> float | None:
    """Return the speedup that is needed; what another machine measured does not vouch for the guard either."""
    if item.outcome.hardware == state.host.fingerprint:
        return state.request.constraints.min_speedup
    return max(speed_bounds(state), default=None)


def _allowed(plan: Plan, state: PolicyState) -> bool:
    """Tell whether the request's switches permit every lever; memory can never widen a request."""
    optimization = state.request.optimization
    if optimization.level == "none" and plan.levers:
        return False
    if plan.graph and not set(plan.graph.chosen) <= set(optimization.graph.chosen):
        return False
    if plan.prune and not (optimization.may_prune and _gentle(plan.prune, state)):
        return False
    lever = plan.quantize
    if lever is None:
        return True
    method = optimization.quantization.calibration.method
    if "static" in lever.compute.values() and method is not None and lever.calibration != method:
        return False
    bits = optimization.lowest_bits
    return not ((lever.compute or lever.storage == "int8") and bits > 8) and not (lever.storage == "fp16" and bits > 16)


def _gentle(lever: PruneLever, state: PolicyState) -> bool:
    """Tell whether the lever stays within what the request lets be pruned."""
    pruning = state.request.optimization.pruning
    if lever.ratio is not None:
        return state.profile.format == "torch"
    return lever.threshold is not None and lever.threshold <= pruning.threshold


def plans(state: PolicyState) -> Iterator[Plan]:
    """Yield every plan that the request allows, from the coarse to the fine."""
    switched, graph = _switched(state), _graph(state)
    if state.request.optimization.level == "none":
        yield Plan()
        return
    tune = _wants_tuning(state)
    if switched is not None:
        yield Plan(graph=switched, tune=tune)
    for lever in _quantize_levers(state):
        base = Plan(graph=graph, quantize=lever, tune=tune)
        yield base
        if state.request.optimization.may_prune:
            yield base.model_copy(update={"prune": PruneLever(threshold=state.request.optimization.pruning.threshold)})
    if state.request.optimization.may_prune:
        yield Plan(prune=PruneLever(threshold=state.request.optimization.pruning.threshold), graph=graph, tune=tune)
    # The model as it came may meet everything already, as one that somebody has quantized before.
    yield Plan(tune=tune)


def _wants_tuning(state: PolicyState) -> bool:
    bounds = state.request.constraints
    speed = bounds.max_latency_ms or bounds.min_speedup or bounds.min_throughput_per_s
    memory = bounds.max_memory_bytes or bounds.max_memory_ratio
    return bool(speed or memory or state.request.threads > 1 or state.request.objective == "latency")


def _switched(state: PolicyState) -> GraphLever | None:
    """Return the graph passes as the request's switches have them, or None where none is left."""
    lever = GraphLever(**state.request.optimization.graph.model_dump())
    return lever if lever.chosen and state.profile.quantized == "no" else None


def _graph(state: PolicyState) -> GraphLever | None:
    """Return the passes that may come before quantization.

    Layer fusions may not: they hide products from the quantizer, and the session does them at load anyway.
    """
    lever = _switched(state)
    before = lever.model_copy(update={"layer_optimization": False}) if lever else None
    return before if before and before.chosen else None


def _quantize_levers(state: PolicyState) -> Iterator[QuantizeLever]:
    bits = state.request.optimization.lowest_bits
    for compute in _computes(state.profile) if bits <= 8 else [{}]:
        for storage in _storages(bits):
            if not compute and storage == "none":
                continue
            lever = QuantizeLever(compute=compute, storage=storage, calibration=_calibration(state))
            yield lever
            yield from _finer(lever, state)
            yield from _coarser(lever, state)


def _calibration(state: PolicyState) -> CalibrationMethod:
    return state.request.optimization.quantization.calibration.method or "minmax"


def _storages(bits: int) -> list[Storage]:
    return [*(["int8"] if bits <= 8 else []), *(["fp16"] if bits <= 16 else []), "none"]  # type: ignore[list-item]


def _computes(profile: Profile) -> list[dict[str, Compute]]:
    """Return the int8 compute forms that the operators of this model offer."""

    def present(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if (item := profile.operator(name)) is not None and _matters(item, profile)]

    conv, product = present(priors.CONVOLUTIONS), present(priors.PRODUCTS)
    recurrent = present(priors.RECURRENT)
    options: list[dict[str, Compute]] = [
        {},
        dict.fromkeys(conv + product, "static"),
        dict.fromkeys(conv, "static"),
        dict.fromkeys(product + recurrent, "dynamic"),
        dict.fromkeys(recurrent, "dynamic"),
        {**dict.fromkeys(conv, "static"), **dict.fromkeys(product + recurrent, "dynamic")},
        {**dict.fromkeys(conv + product, "static"), **dict.fromkeys(recurrent, "dynamic")},
    ]
    return [option for index, option in enumerate(options) if option not in options[:index]]


def _matters(operator: OperatorShare, profile: Profile) -> bool:
    """Tell whether an int8 form of this operator could change anything that is measured."""
    heavy = operator.weight_bytes >= NEGLIGIBLE * profile.weight_bytes
    slow = (operator.time_share or 0.0) >= NEGLIGIBLE and operator.weight_bytes > 0
    return heavy or slow


def _finer(lever: QuantizeLever, state: PolicyState) -> Iterator[QuantizeLever]:
    """Yield per-layer variants of a form whose coarse version lost too much, then another calibration."""
    missed = [
        attempt
        for attempt in state.attempts
        if attempt.plan.quantize is not None
        and (attempt.plan.quantize.compute, attempt.plan.quantize.storage) == (lever.compute, lever.storage)
        and any(result.name in _QUALITY for result in attempt.verdict.violated)
    ]
    if not missed or (lever.storage == "fp16" and not lever.compute):
        return
    need = quality_need(state)
    for margin in MARGINS_DB:
        yield lever.model_copy(update={"min_fidelity_db": round(need + margin, 1)})
    if "static" in lever.compute.values() and state.request.optimization.quantization.calibration.method is None:
        for method in FINER_CALIBRATIONS:
            yield lever.model_copy(update={"calibration": method})


def _coarser(lever: QuantizeLever, state: PolicyState) -> Iterator[QuantizeLever]:
    """Yield a less careful variant of a form that met everything with quality to spare."""
    need = quality_need(state)
    for attempt in state.attempts:
        tried = attempt.plan.quantize
        reached = attempt.comparison.fidelity if attempt.comparison else None
        if tried is None or tried.min_fidelity_db is None or reached is None or attempt.verdict.kind != "met":
            continue
        if (tried.compute, tried.storage) == (lever.compute, lever.storage) and reached.value > need + ROOM_DB:
            target = tried.min_fidelity_db - (reached.value - need) + MARGINS_DB[0]
            yield tried.model_copy(update={"min_fidelity_db": round(target, 1)})


_QUALITY = ("min_accuracy", "max_accuracy_drop", "min_fidelity_db", "guard_accuracy")
