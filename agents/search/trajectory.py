"""What an adviser is told of a run: a short text made by rule, the same for the same state.

It holds figures and closed words. What came from the model or its files (operator types that we do not know, messages
of tools) is quoted, bounded and without control codes; paths, node names and the user's words are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...contracts import Attempt, ConstraintResult, PolicyState, Profile, label, units
from . import priors
from .needs import quality_need
from .quoting import plain, quoted

AT_MOST = 2000
_ATTEMPTS_TOLD = 6
_CLASSES = (("convolutions", priors.CONVOLUTIONS), ("products", priors.PRODUCTS), ("recurrent", priors.RECURRENT))
_OTHERS_TOLD = 3


def summarize(state: PolicyState) -> str:
    """Return the request, the model, the machine and every attempt, in at most `AT_MOST` characters."""
    head = "\n".join([_request(state), *_model(state.profile), _host(state)])
    attempts = [_attempt(attempt) for attempt in state.attempts[-_ATTEMPTS_TOLD:]]
    text = "\n".join([head, *(attempts or ["attempts: none yet"])])
    while len(text) > AT_MOST and len(attempts) > 1:
        attempts = attempts[1:]
        text = "\n".join([head, "earlier attempts left out", *attempts])
    return text[:AT_MOST]


def _request(state: PolicyState) -> str:
    request = state.request
    bounds = [
        f"{label(bound.name)} {'<=' if bound.upper else '>='} {units.format_value(bound.bound, bound.unit)}"
        for bound in request.constraints.bounds()
    ]
    switches = request.optimization
    allowed = [f"weights of {switches.lowest_bits} bits at least", f"pruning {'yes' if switches.may_prune else 'no'}"]
    allowed += [] if switches.may_halve else ["no fp16"]
    return (
        f"bounds: {'; '.join(bounds) or 'none, but nothing may get worse'}\n"
        f"objective: {request.objective}; allowed: {', '.join(allowed)}\n"
        f"quality that this is expected to need: {units.format_decibels(quality_need(state))}; "
        f"attempts left: {request.budget.max_attempts - len(state.attempts)}"
    )


def _model(profile: Profile) -> Iterator[str]:
    latency = f", {units.format_milliseconds(profile.latency_ms)} a call" if profile.latency_ms else ""
    yield (
        f"model: {profile.format}, {units.format_bytes(profile.size_bytes)}, {profile.nodes} nodes{latency}; "
        f"quantized already: {profile.quantized}"
    )
    for name, op_types in _CLASSES:
        if (told := _class(op_types, profile)) is not None:
            yield f"{name}: {told}"
    known = {op_type for _, op_types in _CLASSES for op_type in op_types}
    others = [item for item in profile.operators if item.op_type not in known][:_OTHERS_TOLD]
    if others:
        yield "others: " + ", ".join(
            f"{quoted(item.op_type, 24)} {units.format_share(item.time_share or 0.0)} of the time" for item in others
        )


def _class(op_types: tuple[str, ...], profile: Profile) -> str | None:
    found = [item for item in profile.operators if item.op_type in op_types]
    if not found:
        return None
    weights = sum(item.weight_bytes for item in found) / max(profile.weight_bytes, 1)
    depthwise = sum(item.depthwise for item in found)
    return (
        f"{sum(item.count for item in found)} nodes, {units.format_share(weights)} of the weights, "
        f"{units.format_share(profile.time_share(*op_types))} of the time"
        + (f", {depthwise} depthwise" * bool(depthwise))
    )


def _host(state: PolicyState) -> str:
    times = ", ".join(
        f"{item.operators.replace('_', ' ')} {item.form} {item.ratio:.2f}" for item in state.host.times[:8]
    )
    return f"machine: int8 time / float time: {times or 'not measured'}; vnni {'yes' if state.host.vnni else 'no'}"


def _attempt(attempt: Attempt) -> str:
    found = attempt.comparison
    figures = [f"size {units.format_share(found.size_ratio.value)}"] if found else []
    if found and found.speedup:
        figures.append(f"speed {units.format_factor(found.speedup.value)}")
    if found and (quality := found.logits_fidelity or found.fidelity):
        figures.append(f"fidelity {units.format_decibels(quality.value)}")
    if found and found.accuracy_delta:
        figures.append(points(found.accuracy_delta.value))
    reached = ", ".join(figures) or "not measured"
    return f"attempt {attempt.index}: {levers(attempt)}: {attempt.verdict.kind}; {reached}{_missed(attempt)}"


def points(delta: float) -> str:
    """Return a change of accuracy, a fraction, in points."""
    return f"accuracy {delta * 100 + 0.0:+.2f} points".replace("-0.00", "+0.00")


def _missed(attempt: Attempt) -> str:
    """Return the bounds that were missed; of an error its class, and the beginning of the message as a quotation."""
    if attempt.verdict.kind == "failed":
        return f"; {plain(attempt.error_type or 'error', 40)}: {quoted(attempt.verdict.reason, 80)}"
    if attempt.comparison is None:
        return f"; {quoted(attempt.verdict.reason, 100)}"
    if attempt.failed_on_final:
        return "; passed on the selection part, failed on the final part"
    return "".join(f"; missed {_miss(result)}" for result in attempt.verdict.violated[:4])


def _miss(result: ConstraintResult) -> str:
    measured = "?" if result.measured is None else units.format_value(result.measured, result.unit)
    return f"{label(result.name)} {measured} of {units.format_value(result.bound, result.unit)}"


def levers(attempt: Attempt) -> str:
    """Return what an attempt tried, in the words that proposals have."""
    plan, words = attempt.plan, list[str]()
    if plan.quantize:
        lever = plan.quantize
        for name, op_types in _CLASSES:
            forms = sorted(
                {form for op_type, chosen in lever.offered.items() if op_type in op_types for form in chosen}
            )
            words += [f"{name} {'/'.join(forms)}"] if forms else []
        words += [f"storage {lever.storage}"] if lever.storage != "none" else []
        words += ["per layer"] if lever.mixture else []
        words += [f"keep {units.format_decibels(lever.min_fidelity_db)}"] if lever.min_fidelity_db is not None else []
        words += [f"recovery {'/'.join(lever.recovery)}"] if lever.recovery else []
        words += [f"calibration {lever.calibration}"] if lever.calibration != "minmax" else []
    if plan.prune:
        words.append("small weights zeroed" if plan.prune.ratio is None else f"{plan.prune.ratio:.0%} of channels out")
    words += ["graph passes"] if plan.graph else []
    words += ["session settings"] if plan.tune else []
    return ", ".join(words) or "nothing"
