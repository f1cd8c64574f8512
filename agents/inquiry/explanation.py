"""Explain a run from its trail, by rule: why each attempt was made, what it missed, and why nothing else was tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

from ...contracts import (
    Account,
    Alternative,
    Attempt,
    ConstraintResult,
    Explanation,
    Plan,
    PolicyState,
    Topic,
    label,
    units,
)
from ...tools.judge import describe
from .past import Past
from .topics import NAMES, TOPICS, open_plans, ruled_out_by, topics_in, topics_of

_ATTEMPT = re.compile(r"(?:\battempts?\s+(?:number\s+|no\.?\s*)?|#)(\d{1,4})\b", re.IGNORECASE)
_QUANTITIES: dict[str, tuple[str, ...]] = {
    r"size|bytes|small(?:er)?|MB|megabytes?": ("size",),
    r"speed|fast(?:er)?|slow(?:er)?|latency|throughput|time": ("latency", "speedup", "throughput"),
    r"memory|RAM": ("memory",),
    r"accuracy|drop|quality|wrong|F1|score": ("accuracy",),
    r"fidelity|quality|dB|decibels?|logits": ("fidelity",),
}
_VERDICTS = {
    "met": "met everything", "not_met": "missed", "inconclusive": "could not be judged", "failed": "failed",
}  # fmt: skip


def explain(seen: Past, question: str = "") -> Explanation:
    """Return why a run went as it did; a question that names attempts, kinds of plans or bounds is answered alone."""
    numbers = {int(number) for number in _ATTEMPT.findall(question)}
    topics, quantities = topics_in(question), _quantities(question)
    everything = not (numbers or topics or quantities)
    attempts = tuple(_account(item, seen) for item in seen.attempts if not numbers or item.index in numbers)
    wanted: Iterable[Topic] = topics or (TOPICS if everything else ())
    alternatives = tuple(_alternatives(wanted, seen))
    if topics and not numbers:
        tried = {index for item in alternatives for index in item.attempts}
        attempts = tuple(item for item in attempts if item.attempt in tried)
    text = [_head(seen)]
    text += [f"there is no attempt {number}" for number in sorted(numbers - {item.index for item in seen.attempts})]
    text += [_reached(quantity, seen) for quantity in quantities]
    text += [item.text for item in attempts] if not quantities or numbers else []
    text += [item.text for item in alternatives if topics or item.status != "tried"]
    if question.strip() and everything:
        text.append("the question names no attempt, no kind of plan and no bound, so this is everything")
    return Explanation(
        run=seen.run,
        question=question,
        status=seen.status,
        reason=seen.reason,
        attempts=attempts,
        alternatives=alternatives,
        decisions=seen.decisions if everything else (),
        text=tuple(text),
    )


def _head(seen: Past) -> str:
    bounds = [bound.text(seen.request.scored_by) for bound in seen.request.constraints.bounds()]
    asked = ", ".join(bounds) or "no bounds; everything is guarded"
    return f"{seen.status}{f': {seen.reason}' if seen.reason else ''} (asked: {asked})"


def missed_text(result: ConstraintResult) -> str:
    """Return what was missed and by how much, as `size ratio 41 % is above 30 % (by 37 % of the bound)`."""
    return f"{describe(result)} (by {units.format_share(result.shortfall)} of the bound)"


def _account(attempt: Attempt, seen: Past) -> Account:
    missed = tuple(sorted(attempt.verdict.violated, key=lambda item: -item.shortfall))
    delivered = attempt.index == seen.delivered
    came_to = _VERDICTS[attempt.verdict.kind]
    why = "; ".join(map(missed_text, missed)) if missed and not attempt.rejected else attempt.verdict.reason
    ended = " and was delivered" if delivered else f": {why}"
    return Account(
        attempt=attempt.index,
        plan=attempt.plan,
        verdict=attempt.verdict.kind,
        rejected=attempt.rejected,
        delivered=delivered,
        missed=missed,
        text=f"attempt {attempt.index} tried: {attempt.plan.reason}{_likely(attempt.plan)}; it {came_to}{ended}",
    )


def _likely(plan: Plan) -> str:
    return f" ({plan.predicted.chance:.0%} likely to meet everything)" if plan.predicted else ""


def expected(plan: Plan) -> str:
    """Return the prediction of a plan in words."""
    if plan.predicted is None:
        return "nothing is predicted of it"
    size, speed = units.format_share(plan.predicted.size_ratio), units.format_factor(plan.predicted.speedup)
    quality, chance = units.format_decibels(plan.predicted.fidelity_db), f"{plan.predicted.chance:.0%}"
    return f"{size} of the size at {speed} and {quality}, {chance} likely to meet everything"


def _alternatives(wanted: Iterable[Topic], seen: Past) -> Iterator[Alternative]:
    """Yield what became of kinds of plans; nothing of a model that was not inspected yet."""
    topics = tuple(wanted)
    if seen.state is not None and topics:
        left = open_plans(seen.state)
        yield from (_alternative(topic, seen, seen.state, left) for topic in topics)


def _alternative(topic: Topic, seen: Past, state: PolicyState, left_open: list[Plan]) -> Alternative:
    """Return what became of plans of a kind: tried, still open, or what keeps them out."""
    tried = tuple(item.index for item in seen.attempts if topic in topics_of(item.plan))
    best = _best(topic, left_open)
    left = f"what is left of it is expected to reach {expected(best)}" if best else "no plan of it is left"
    if tried:
        words = f"{NAMES[topic]} was tried by attempt {' and '.join(map(str, tried))}; {left}"
        return Alternative(topic=topic, status="tried", attempts=tried, plan=best, text=words)
    if best is not None:
        words = f"{NAMES[topic]} was not tried: at best it is expected to reach {expected(best)}"
        return Alternative(topic=topic, status="open", plan=best, text=words)
    if any(topic in topics_of(plan) for plan in state.rejected):
        words = f"{NAMES[topic]} was not tried: a person rejected it"
        return Alternative(topic=topic, status="ruled_out", ruled_out_by=("a person",), text=words)
    return _kept_out(topic, state)


def _kept_out(topic: Topic, state: PolicyState) -> Alternative:
    names, without = ruled_out_by(topic, state)
    best = _best(topic, open_plans(without)) if without is not None and names else None
    if without is None or not names:
        words = f"{NAMES[topic]} is nothing that this model offers in its runtime"
        return Alternative(topic=topic, status="impossible", text=words)
    told = " and ".join(f"{name} ({_setting(name, state)})" for name in names)
    words = f"{NAMES[topic]} is ruled out by {told}"
    words += f"; without that, at best it would be expected to reach {expected(best)}" if best else ""
    return Alternative(topic=topic, status="ruled_out", ruled_out_by=names, plan=best, text=words)


def _setting(name: str, state: PolicyState) -> str:
    value: object = state.request.optimization
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, tuple):
        return ", ".join(map(str, cast("tuple[object, ...]", value)))
    return "as switched" if name == "graph" else str(value).lower()


def _best(topic: Topic, likeliest: list[Plan]) -> Plan | None:
    return next((plan for plan in likeliest if topic in topics_of(plan)), None)


def _quantities(question: str) -> list[str]:
    found = [names for words, names in _QUANTITIES.items() if re.search(rf"\b(?:{words})\b", question, re.IGNORECASE)]
    return list(dict.fromkeys(name for names in found for name in names))


def _reached(quantity: str, seen: Past) -> str:
    """Return what each attempt reached of a quantity, against what bounds or guards it."""
    told = [
        f"attempt {attempt.index}: {describe(result)}"
        for attempt in seen.attempts
        for result in attempt.verdict.constraints
        if quantity in result.name and result.measured is not None
    ]
    bounds = [bound.text() for bound in seen.request.constraints.bounds() if quantity in bound.name]
    asked = ", ".join(bounds) or f"no bound on {label(quantity)}"
    return f"{asked}; {'; '.join(told) or 'no attempt measured it against a bound'}"
