"""Turn what an adviser proposes into a plan, or say why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...contracts import (
    Compute,
    GraphLever,
    Plan,
    PolicyState,
    Proposal,
    PruneLever,
    PruningProposal,
    QuantizationProposal,
    QuantizeLever,
    Recovery,
    RuntimeProposal,
    Share,
    Specialist,
    Storage,
)
from . import priors
from .allowed import allowed
from .mixture_plans import mixture_levers
from .plans import passes_before, present, switched_passes, torch_graph
from .predict import estimate

FAMILIES = ("elimination", "fusion", "constant_folding", "layer_optimization")
SHARES: dict[Share, float] = {"10%": 0.1, "25%": 0.25, "50%": 0.5}
Part = Proposal | QuantizationProposal | PruningProposal | RuntimeProposal


class UnusableProposal(ValueError):
    """A proposal that is no plan for this model and request; the message says why."""


def to_plan(part: Part, base: Plan, state: PolicyState, proposer: Specialist) -> Plan:
    """Return the plan that a proposal stands for; what a specialist leaves open is as in `base`.

    Raises:
        UnusableProposal: it names nothing, or what the model or the request rules out, or was tried.
    """
    words = part.why if isinstance(part, Proposal) else ""
    update = {"proposer": proposer, "predicted": None, "reason": words}
    plan = _assembled(part, base, state).model_copy(update=update)
    if why := unusable(plan, state):
        raise UnusableProposal(why)
    return plan


def unusable(plan: Plan, state: PolicyState) -> str:
    """Return why a proposed plan is not to be tried, empty where nothing speaks against it."""
    if not plan.levers:
        return "it names no lever"
    if not allowed(plan, state):
        return "the request's switches rule it out"
    same = next((attempt for attempt in state.attempts if attempt.plan.same_as(plan)), None)
    if same is not None:
        return f"it was tried as attempt {same.index}"
    if not state.is_open(plan):
        return "a person rejected it"
    guess = estimate(plan, state)
    if guess.failed:
        return "what it asks for broke before"
    return "it would make what was made before" if guess.repeats else ""


def _assembled(part: Part, base: Plan, state: PolicyState) -> Plan:
    if isinstance(part, QuantizationProposal):
        return _fitting(base.model_copy(update={"quantize": _quantize(part, state)}), state)
    if isinstance(part, PruningProposal):
        return _fitting(base.model_copy(update={"prune": _prune(part, state)}), state)
    if isinstance(part, RuntimeProposal):
        graph = _graph(part, base.quantize, state)
        return _fitting(base.model_copy(update={"graph": graph, "tune": _tunes(part, state)}), state)
    lever = _quantize(part.quantization, state)
    plan = Plan(
        graph=_graph(part.runtime, lever, state),
        prune=_prune(part.pruning, state),
        quantize=lever,
        tune=_tunes(part.runtime, state),
    )
    return _fitting(plan, state)


def _fitting(plan: Plan, state: PolicyState) -> Plan:
    """Return the plan with what its parts do not leave each other: see `plans.plans` for why."""
    lever, torch = plan.quantize, state.profile.format == "torch"
    if plan.prune is not None and plan.prune.ratio is not None and lever is not None and lever.mixture:
        raise UnusableProposal("channels are not taken out of a model whose layers get forms of their own")
    graph = plan.graph
    if torch:
        graph = None if plan.prune is not None or graph is None else torch_graph(graph, lever)
    elif graph is not None and lever is not None:
        graph = graph.model_copy(update={"layer_optimization": False})
    return plan.model_copy(update={"graph": graph if graph is not None and graph.chosen else None})


def _tunes(part: RuntimeProposal, state: PolicyState) -> bool:
    return part.tune and state.profile.format == "onnx"


def _graph(part: RuntimeProposal, lever: QuantizeLever | None, state: PolicyState) -> GraphLever | None:
    """Return the passes of the request that are left when the families that were not named are switched off."""
    open_to_it = switched_passes(state) if lever is None else passes_before(state)
    if open_to_it is None:
        return None
    return open_to_it.model_copy(update=dict.fromkeys(set(FAMILIES) - set(part.passes), False))


def _prune(part: PruningProposal, state: PolicyState) -> PruneLever | None:
    if part.what == "nothing":
        return None
    request, profile = state.request.optimization.pruning, state.profile
    structured = part.what == "channels"
    if structured:
        if profile.format == "onnx" and profile.inner_share <= 0:
            raise UnusableProposal("the model has no channels that could go")
        return PruneLever(ratio=SHARES[part.share])
    if profile.format == "torch":
        raise UnusableProposal("weights of a torch program are not zeroed one by one")
    return PruneLever(threshold=request.threshold)


def _quantize(part: QuantizationProposal, state: PolicyState) -> QuantizeLever | None:
    compute, storage = _compute(part, state), _storage(part, state)
    if not compute and storage == "none":
        return None
    recovery = _recovery(part.recovery, compute, state)
    per_layer = part.per_layer or part.keep_db is not None
    keep = None if part.keep_db is None else float(part.keep_db)
    if state.profile.format == "torch":
        if part.per_layer:
            raise UnusableProposal("a form for each layer is for onnx models")
        return _by_class(part, compute, storage, ()).model_copy(update={"min_fidelity_db": keep})
    if not per_layer:
        return _by_class(part, compute, storage, recovery)
    offered: dict[str, tuple[Compute, ...]] = {op_type: (form,) for op_type, form in compute.items()}
    lever = next(iter(mixture_levers(state, [offered], [storage], recovery, part.calibration)))
    return lever if keep is None else lever.model_copy(update={"min_fidelity_db": keep})


def _by_class(
    part: QuantizationProposal, compute: dict[str, Compute], storage: Storage, recovery: tuple[Recovery, ...]
) -> QuantizeLever:
    return QuantizeLever(
        compute=compute,
        storage=storage,
        calibration=part.calibration if "static" in compute.values() else "minmax",
        rounding=priors.rounding(storage, compute),
        clip_recurrent=priors.clipped_at(compute),
        recovery=recovery,
    )


def _compute(part: QuantizationProposal, state: PolicyState) -> dict[str, Compute]:
    """Return operator type → form, of the types that the model has."""
    classes: tuple[tuple[tuple[str, ...], Literal["float32", "static", "dynamic"]], ...] = (
        (priors.CONVOLUTIONS, part.convolutions),
        (priors.PRODUCTS, part.products),
        (priors.RECURRENT, part.recurrent),
    )
    found: dict[str, Compute] = {}
    for names, form in classes:
        if form != "float32":
            found |= dict.fromkeys(present(names, state.profile), form)
    return found


def _storage(part: QuantizationProposal, state: PolicyState) -> Storage:
    profile = state.profile
    if profile.format == "torch" and part.storage == "int4":
        raise UnusableProposal("weights of a torch program are not stored in 4 bits")
    return part.storage if profile.format == "onnx" or profile.storable_bytes > 0 else "none"


def _recovery(asked: Sequence[Recovery], compute: dict[str, Compute], state: PolicyState) -> tuple[Recovery, ...]:
    """Return what can be done for these forms, in the order in which it is done."""
    forms = set(compute.items())
    static_conv = any(op_type in priors.CONVOLUTIONS and form == "static" for op_type, form in forms)
    able: dict[Recovery, bool] = {
        "equalize": static_conv and priors.has_depthwise(state.profile),
        "smooth": any(op_type in priors.PRODUCTS for op_type, _ in forms),
        "digits": priors.clipped_at(compute) is not None,
        "feedback": "static" in compute.values(),
        "bias": bool(compute),
    }
    return tuple(name for name, can in able.items() if can and name in asked)
