"""Say in one sentence why a plan is tried; from the facts of the run, never from a model's name."""

from __future__ import annotations

from ...contracts import Attempt, Plan, PolicyState, Predicted, PruneLever, QuantizeLever, Recovery, units
from .quoting import quoted
from .say import ADVISERS

# Of an adviser's own words, which are shown beside ours and reach no tool.
WORDS_AT_MOST = 160

_RECOVERED: dict[Recovery, str] = {
    "equalize": "ranges equalized", "smooth": "activations smoothed into weights",
    "digits": "recurrent inputs in two digits", "feedback": "weights rounded with error feedback",
    "bias": "biases corrected",
}  # fmt: skip


def reason(plan: Plan, predicted: Predicted, state: PolicyState) -> str:
    """Return what the plan does, what speaks for it and what is expected of it."""
    expected = (
        f"expected {units.format_share(predicted.size_ratio)} of the size at "
        f"{units.format_factor(predicted.speedup)}, {units.format_decibels(predicted.fidelity_db)}"
    )
    return f"{_forms(plan, state)}; {expected}{_because(plan, state)}{_in_its_words(plan)}"


def _in_its_words(plan: Plan) -> str:
    """Return what an adviser gave as its reason."""
    told = plan.proposer in ADVISERS and plan.reason
    return f"; the language model says {quoted(plan.reason, WORDS_AT_MOST)}" if told else ""


def _forms(plan: Plan, state: PolicyState) -> str:
    parts: list[str] = []
    if plan.prune is not None:
        parts.append(_pruned(plan.prune))
    if plan.quantize is not None:
        parts.append(_quantized(plan.quantize, state))
    if not parts:
        parts.append("graph passes only" if plan.graph else "normalization only")
    return " and ".join(parts)


def _pruned(lever: PruneLever) -> str:
    if lever.ratio is not None:
        return f"take out {units.format_share(lever.ratio)} of the channels"
    return f"zero weights up to {lever.threshold:g}"


def _quantized(lever: QuantizeLever, state: PolicyState) -> str:
    parts: list[str] = []
    for form in ("static", "dynamic"):
        ops = sorted(op for op, chosen in lever.offered.items() if form in chosen)
        if ops:
            share = units.format_share(state.profile.time_share(*ops))
            parts.append(f"{form} int8 on {'/'.join(ops)} ({share} of the time)")
    if lever.storage != "none":
        parts.append(f"{'the other ' if parts else ''}weights stored as {lever.storage}")
    text = " with ".join(parts) or "nothing quantized"
    if lever.mixture:
        return _mixed(lever, text)
    if lever.min_fidelity_db is not None:
        text += f", sparing the most damaged units for {units.format_decibels(lever.min_fidelity_db)}"
    text += "".join(f", {_RECOVERED[each]}" for each in lever.recovery)
    text += ", recurrent inputs clipped" if lever.clip_recurrent is not None else ""
    return text + ("" if lever.calibration == "minmax" else f", {lever.calibration} calibration")


def _mixed(lever: QuantizeLever, text: str) -> str:
    """Return what a mixture chooses from, and what it aims at."""
    aims = [units.format_decibels(lever.min_fidelity_db)] if lever.min_fidelity_db is not None else []
    aims += [units.format_share(lever.max_size_ratio)] if lever.max_size_ratio is not None else []
    aims += [units.format_factor(lever.min_speedup)] if lever.min_speedup is not None else []
    corrected = ", with predictions corrected by what was measured" if lever.corrections.noise else ""
    return f"a form for each unit of: {text}; aimed at {', '.join(aims) or 'the objective'}{corrected}"


def _because(plan: Plan, state: PolicyState) -> str:
    last: Attempt | None = state.attempts[-1] if state.attempts else None
    if last is None or last.verdict.kind == "met":
        return "" if last is None else " (more may be had)"
    return f"; attempt {last.index} ended with {last.verdict.reason[:160]}"
