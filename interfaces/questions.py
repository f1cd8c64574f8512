"""A question to a person in words and rows, for a terminal, a chat and a log alike."""

from __future__ import annotations

from ..contracts import Decision, Plan, Question, units
from .answers import HOW
from .facts import bound_text, constraint_label, levers_text, measured_text, met_word, quality_text, speed_text
from .text import clean


def question_lines(question: Question) -> list[str]:
    """Return what is asked, what is known about it, and what may be answered."""
    heading = {
        "plan": f"Shall this be tried? Nothing has been changed so far (attempt {question.attempt}).",
        "result": f"Shall this be delivered? It meets everything (attempt {question.attempt}).",
    }[question.about]
    facts = plan_lines(question.plan) if question.about == "plan" else _result_lines(question)
    return [heading, *(f"  {line}" for line in (*facts, *_asked(question))), f"Answer {HOW}", _consequences(question)]


def plan_lines(plan: Plan) -> list[str]:
    """Return levers in words, what is expected of them, and why."""
    return [
        f"plan      {levers_text(plan)}",
        f"expected  {expected_text(plan)}",
        f"why       {clean(plan.reason, 1000)}",
    ]


def expected_text(plan: Plan) -> str:
    """Return the prediction of a plan, and that it is one."""
    predicted = plan.predicted
    if predicted is None:
        return "nothing is predicted"
    size, speed = units.format_share(predicted.size_ratio), units.format_factor(predicted.speedup)
    quality = units.format_decibels(predicted.fidelity_db)
    return f"size {size}, speed {speed}, fidelity {quality}; {predicted.chance:.0%} likely to meet all (predicted)"


def _asked(question: Question) -> list[str]:
    if question.about == "result":
        return []
    request = question.request
    bounds = [bound.text(request.scored_by) for bound in request.constraints.bounds()]
    lifted = [f"{name} may get worse" for name in request.allow_regression]
    return [f"asked     {', '.join([*bounds, *lifted]) or 'no bounds; everything is guarded'}"]


def _result_lines(question: Question) -> list[str]:
    comparison = question.comparison
    lines = [f"plan      {levers_text(question.plan)}"]
    if comparison is not None:
        size = f"{units.format_bytes(comparison.optimized_size.value)} of "
        size += units.format_bytes(comparison.original_size.value)
        lines.append(f"measured  size {size}, speed {speed_text(comparison)}, {quality_text(comparison)}")
    rows = [
        (constraint_label(item), bound_text(item), measured_text(item), met_word(item), clean(item.note))
        for item in question.constraints
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return lines


def _consequences(question: Question) -> str:
    if question.about == "plan":
        return "(reject: the next best plan is proposed · stop: the original is handed back)"
    return "(reject: the search goes on without it · stop: the original is handed back)"


def decision_text(decision: Decision) -> str:
    """Return a question with its answer on one line."""
    done = {"go": "approved", "reject": "rejected", "stop": "stopped", "edit": "edited"}[decision.action]
    edits = "; ".join(edit.text() for edit in decision.edits)
    what = f"{decision.about} of attempt {decision.attempt}: {done} by {clean(decision.by, 100)}"
    return f"{what}: {clean(edits, 1000)}" if edits else what
