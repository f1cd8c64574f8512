"""Bounds that a verdict sets: `if it takes longer than 20 ms, we can't ship it`, `over 10 MB and it is out`.

What lies beyond a comparison is called bad, in the same clause or in the next: the bound is the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .clauses import Clause

_NEAR = 2  # clauses that a verdict may stand away


def judged(clauses: Sequence[Clause]) -> list[Clause]:
    """Return clauses, those marked whose measure lies beyond what is accepted."""
    return [replace(each, judged=True) if _is_judged(clauses, at) else each for at, each in enumerate(clauses)]


def _is_judged(clauses: Sequence[Clause], at: int) -> bool:
    clause = clauses[at]
    measured = clause.measured
    if measured is None or not _is_condition(clause):
        return False
    if clause.has("verdict"):
        return True
    behind = clauses[at + 1 : at + 1 + _NEAR]
    for following in behind:
        if following.measured is not None or (following.opener is not None and following.opener.value("but") == "else"):
            break
        if following.has("verdict", "refused") and not following.has("fine"):
            return True
    before = clauses[at - 1] if at else None
    if before is None or before.measured is not None or not before.has("verdict", "refused"):
        return False
    return clause.opened_by("if", "but") and not before.has("fine")


def _is_condition(clause: Clause) -> bool:
    """Tell whether a clause compares and wishes for nothing of its own."""
    compared = clause.has("upper", "lower") or clause.has("direction", "not_worse", "loss", "adjective")
    conditional = clause.opened_by("if") or clause.has("if")
    wishes = clause.has("goal", "hedge") and not conditional
    return (compared or conditional) and not wishes and not clause.has("fine")
