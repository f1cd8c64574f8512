"""Whether a request's switches permit a plan: asked of every plan that the policy did not make for this request."""

from __future__ import annotations

from collections.abc import Iterator

from ...contracts import Plan, PolicyState, PruneLever, QuantizeLever, Storage
from .plans import FITTED_SHARES, PRUNED_SHARES

STORED_BITS: dict[Storage, int] = {"none": 32, "fp16": 16, "int8": 8, "int8_block": 8, "int4": 4}


def allowed(plan: Plan, state: PolicyState) -> bool:
    """Tell whether the request's switches permit every lever; what comes from outside can never widen a request."""
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
    if "static" in lever.forms and method is not None and lever.calibration != method:
        return False
    halves = lever.storage == "fp16" or "half" in lever.forms
    return (optimization.may_halve or not halves) and all(optimization.lowest_bits <= width for width in _widths(lever))


def _widths(lever: QuantizeLever) -> Iterator[int]:
    """Yield the bits of what a lever makes of weights, at the narrowest."""
    if lever.compute:
        yield 16 if lever.forms == {"half"} else 8
    yield STORED_BITS[lever.storage]


def _gentle(lever: PruneLever, state: PolicyState) -> bool:
    """Tell whether the lever stays within what the request lets be pruned, by the method that it leaves open."""
    method = state.request.optimization.pruning.method
    if method is not None and (method == "structured") != (lever.ratio is not None):
        return False
    if lever.ratio is not None:
        return lever.ratio <= max(PRUNED_SHARES if state.profile.format == "torch" else FITTED_SHARES)
    return lever.threshold is not None and lever.threshold <= state.request.optimization.pruning.threshold
