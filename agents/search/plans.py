"""Every plan that a request allows for a model, from the coarse to the fine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...contracts import (
    CalibrationMethod,
    Compute,
    GraphLever,
    OperatorShare,
    Plan,
    PolicyState,
    Profile,
    PruneLever,
    QuantizeLever,
    Recovery,
    Storage,
)
from . import priors
from .channel_forecast import kept_channels, tells_of_form
from .mixture_plans import mixture_levers
from .needs import QUALITY, fidelity_of, quality_need
from .sizes import same_forms

NEGLIGIBLE = 0.02
MARGINS_DB = (2.0, 4.0, 8.0, 12.0)
ROOM_DB = 4.0
# What may be tried after the extremes where the request leaves it open.
FINER_CALIBRATIONS: tuple[CalibrationMethod, ...] = ("mse", "percentile")
# Shares of the channels that pruning may take out; more where the rest is fitted to the whole, which it is of an onnx
# model, and which is tried where so much of the weights is about channels that can go.
PRUNED_SHARES = (0.25, 0.5)
FITTED_SHARES = (*PRUNED_SHARES, 0.7)
LEAST_INNER = 0.2
_KINDS = (priors.CONVOLUTIONS, priors.PRODUCTS, priors.RECURRENT)
_NO_STORAGE: tuple[Storage, ...] = ("none",)


def plans(state: PolicyState) -> Iterator[Plan]:
    """Yield every plan that the request allows, from the coarse to the fine."""
    if state.request.optimization.level == "none":
        yield Plan()
        return
    if state.profile.format == "torch":
        yield from _torch_plans(state)
        return
    switched, graph = switched_passes(state), passes_before(state)
    tune = _wants_tuning(state)
    if switched is not None:
        yield Plan(graph=switched, tune=tune)
    for lever in _quantize_levers(state):
        base = Plan(graph=graph, quantize=lever, tune=tune)
        yield base
        yield from (base.model_copy(update={"prune": prune}) for prune in _prune_levers(state, lever))
    yield from (Plan(prune=prune, graph=graph, tune=tune) for prune in _prune_levers(state, None))
    # The model as it came may meet everything already, as one that somebody has quantized before.
    yield Plan(tune=tune)


def _prune_levers(state: PolicyState, lever: QuantizeLever | None) -> Iterator[PruneLever]:
    """Yield what may be pruned of an onnx model before a form of quantization; a mixture has no channels taken out."""
    allowed = state.request.optimization
    if not allowed.may_prune:
        return
    if allowed.pruning.method in (None, "magnitude"):
        yield PruneLever(threshold=allowed.pruning.threshold)
    inner = state.profile.inner_share >= LEAST_INNER and (lever is None or not lever.mixture)
    if inner and allowed.pruning.method in (None, "structured"):
        kept = {kept_channels(share, state): share for share in reversed(FITTED_SHARES)}  # of those that cut alike, one
        yield from (PruneLever(ratio=share) for left, share in sorted(kept.items(), reverse=True) if left < 1)


def _torch_plans(state: PolicyState) -> Iterator[Plan]:
    """Yield the plans for an exported program.

    Channels are taken out first, while normalizations can still be estimated, so nothing is folded before; and
    layouts are tried only where no convolution becomes an integer operator, which has one of its own.
    """
    switched, may_prune = switched_passes(state), state.request.optimization.may_prune
    levers: list[QuantizeLever | None] = [None, *_quantize_levers(state)]
    for lever in levers:
        yield Plan(graph=torch_graph(switched, lever), quantize=lever)
        for ratio in PRUNED_SHARES if may_prune else ():
            yield Plan(prune=PruneLever(ratio=ratio), quantize=lever)
    if switched is not None:
        yield Plan()


def torch_graph(switched: GraphLever | None, lever: QuantizeLever | None) -> GraphLever | None:
    """Return the passes that go with a form: with layouts timed, or none where they would hide convolutions."""
    if switched is None:
        return None
    hides = lever is not None and any(lever.compute.get(name) for name in priors.CONVOLUTIONS)
    if hides or not switched.layer_optimization:
        return switched.model_copy(update={"layer_optimization": False})
    return switched.model_copy(update={"layout": "auto"})


def _wants_tuning(state: PolicyState) -> bool:
    bounds = state.request.constraints
    speed = bounds.max_latency_ms or bounds.min_speedup or bounds.min_throughput_per_s
    memory = bounds.max_memory_bytes or bounds.max_memory_ratio
    return bool(speed or memory or state.request.threads > 1 or state.request.objective == "latency")


def switched_passes(state: PolicyState) -> GraphLever | None:
    """Return the graph passes as the request's switches have them, or None where none is left."""
    lever = GraphLever(**state.request.optimization.graph.model_dump())
    return lever if lever.chosen and state.profile.quantized == "no" else None


def passes_before(state: PolicyState) -> GraphLever | None:
    """Return the passes that may come before quantization.

    Layer fusions may not: they hide products from the quantizer, and the session does them at load anyway.
    """
    lever = switched_passes(state)
    before = lever.model_copy(update={"layer_optimization": False}) if lever else None
    return before if before and before.chosen else None


def _quantize_levers(state: PolicyState) -> Iterator[QuantizeLever]:
    bits = state.request.optimization.lowest_bits
    computes: list[dict[str, Compute]] = _computes(state.profile) if bits <= 8 else [{}]
    for compute in computes:
        for storage in _storages(state) if _stores(state.profile) else _NO_STORAGE:
            if not compute and storage == "none":
                continue
            lever = QuantizeLever(
                compute=compute,
                storage=storage,
                rounding=priors.rounding(storage, compute),
                calibration=_calibration(state),
                clip_recurrent=priors.clipped_at(compute),
            )
            yield lever
            yield from _finer(lever, state)
            if state.profile.format == "torch":
                yield from _coarser(lever, state)
    if state.profile.format == "onnx" and bits <= 8:
        yield from _mixtures(state, ["int4", "int8"] if bits <= 4 else ["int8"])


def _mixtures(state: PolicyState, storages: Sequence[Storage]) -> Iterator[QuantizeLever]:
    """Yield mixtures; once one that computes has missed, with finer ranges and with all that recovers quality too."""
    offers = _offers(state.profile)
    yield from mixture_levers(state, offers, storages, calibration=_calibration(state))
    computed = [offered for offered in offers if offered]
    missed = [attempt for attempt in state.attempts if attempt.forecast is not None and attempt.verdict.kind != "met"]
    if not any(attempt.plan.quantize and attempt.plan.quantize.compute for attempt in missed):
        return
    for offered in computed:
        free = state.request.optimization.quantization.calibration.method is None
        is_static = any("static" in forms for forms in offered.values())
        calibration = FINER_CALIBRATIONS[0] if free and is_static else _calibration(state)
        for recovery in dict.fromkeys([(), _recovery(offered, state.profile)]):
            yield from mixture_levers(state, [offered], storages, recovery, calibration)


def _recovery(offered: Mapping[str, Sequence[Compute]], profile: Profile) -> tuple[Recovery, ...]:
    """Return all that may make damage of these forms good, in the order in which it is done."""
    forms = {(op_type, form) for op_type, each in offered.items() for form in each}
    found: list[Recovery] = []
    static = any(op_type in priors.CONVOLUTIONS and form == "static" for op_type, form in forms)
    if static and priors.has_depthwise(profile):
        found.append("equalize")
    if any(op_type in priors.PRODUCTS for op_type, _ in forms) and _is_of_products(profile):
        found.append("smooth")
    if static:
        found.append("feedback")
    return (*found, "bias") if found else ()


def _calibration(state: PolicyState) -> CalibrationMethod:
    return state.request.optimization.quantization.calibration.method or "minmax"


def _stores(profile: Profile) -> bool:
    """Tell whether weights can be stored small: all of an onnx model, only looked-up tables of a torch program."""
    return profile.format == "onnx" or profile.storable_bytes > 0


def _storages(state: PolicyState) -> list[Storage]:
    """Return the forms of stored weights that are wide enough; a torch program has none of 4 bits."""
    allowed, is_onnx = state.request.optimization, state.profile.format == "onnx"
    widths: list[tuple[int, Storage]] = [(4, "int4"), (8, "int8"), (32, "none")]
    widths[2:2] = [(16, "fp16")] if allowed.may_halve else []
    return [storage for width, storage in widths if allowed.lowest_bits <= width and (width > 4 or is_onnx)]


def _computes(profile: Profile) -> list[dict[str, Compute]]:
    """Return the int8 compute forms that the operators of this model offer."""
    conv, product, recurrent = (present(each, profile) for each in _KINDS)
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


def present(names: tuple[str, ...], profile: Profile) -> list[str]:
    """Return those of the operators `names` that the model has, and that matter in it."""
    return [name for name in names if (item := profile.operator(name)) is not None and _matters(item, profile)]


def _offers(profile: Profile) -> list[dict[str, tuple[Compute, ...]]]:
    """Return what mixtures may choose from: storage alone, and every form that pays for some units of a type.

    Dynamic convolutions never do. With convolutions around them, products are static first, so that values stay in
    integers from one to the next.
    """
    conv, product, recurrent = (present(each, profile) for each in _KINDS)
    both: tuple[Compute, ...] = ("static", "dynamic") if conv else ("dynamic", "static")
    offered = {**dict.fromkeys(conv, ("static",)), **dict.fromkeys(product, both)}
    return [{}, {**offered, **dict.fromkeys(recurrent, ("dynamic",))}] if conv or product or recurrent else [{}]


def _matters(operator: OperatorShare, profile: Profile) -> bool:
    """Tell whether an int8 form of this operator could change anything that is measured."""
    heavy = operator.weight_bytes >= NEGLIGIBLE * profile.weight_bytes
    slow = (operator.time_share or 0.0) >= NEGLIGIBLE and operator.weight_bytes > 0
    return heavy or slow


def _finer(lever: QuantizeLever, state: PolicyState) -> Iterator[QuantizeLever]:
    """Yield variants of a form whose coarse version lost too much: recovery, another calibration; units spared.

    Units of an onnx model are spared by mixtures, which know what that costs.
    """
    missed = [
        attempt
        for attempt in state.attempts
        if attempt.plan.quantize is not None
        and same_forms(attempt.plan.quantize, lever)
        and tells_of_form(attempt, state)
        and (attempt.failed_on_final or any(result.name in QUALITY for result in attempt.verdict.violated))
    ]
    if not missed or (lever.storage == "fp16" and not lever.compute):
        return
    if state.profile.format == "torch":
        need = quality_need(state)
        for margin in MARGINS_DB:
            yield lever.model_copy(update={"min_fidelity_db": round(need + margin, 1)})
    else:
        yield from _recovered(lever, state.profile)
    if "static" in lever.compute.values() and state.request.optimization.quantization.calibration.method is None:
        for method in FINER_CALIBRATIONS:
            yield lever.model_copy(update={"calibration": method})


def _recovered(lever: QuantizeLever, profile: Profile) -> Iterator[QuantizeLever]:
    """Yield a form of compute with what may make its damage good, without labels and without training."""
    forms = {(op_type, form) for op_type, form in lever.compute.items()}
    if not forms:
        return
    if lever.clip_recurrent is not None:
        yield lever.model_copy(update={"recovery": ("digits",)})
    if any(op_type in priors.PRODUCTS for op_type, _ in forms) and _is_of_products(profile):
        yield lever.model_copy(update={"recovery": ("smooth", "bias")})
    if any(form == "static" and op_type in priors.CONVOLUTIONS for op_type, form in forms):
        recovery: tuple[Recovery, ...] = ("feedback", "bias")
        yield lever.model_copy(
            update={"recovery": ("equalize", *recovery) if priors.has_depthwise(profile) else recovery}
        )


def _is_of_products(profile: Profile) -> bool:
    return _weight_of(priors.PRODUCTS, profile) > _weight_of(priors.CONVOLUTIONS, profile)


def _weight_of(op_types: tuple[str, ...], profile: Profile) -> int:
    return sum(item.weight_bytes for item in profile.operators if item.op_type in op_types)


def _coarser(lever: QuantizeLever, state: PolicyState) -> Iterator[QuantizeLever]:
    """Yield a less careful variant of a form that met everything with quality to spare."""
    need = quality_need(state)
    for attempt in state.attempts:
        tried = attempt.plan.quantize
        reached = fidelity_of(attempt)
        if tried is None or tried.min_fidelity_db is None or reached is None or attempt.verdict.kind != "met":
            continue
        if same_forms(tried, lever) and reached > need + ROOM_DB:
            target = tried.min_fidelity_db - (reached - need) + MARGINS_DB[0]
            yield tried.model_copy(update={"min_fidelity_db": round(target, 1)})
