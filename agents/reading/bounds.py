"""Bounds: what a clause with a measure asks for."""

from __future__ import annotations

from dataclasses import replace

from .absolute import OF_KIND, AbsolutePassage
from .clauses import Clause
from .context import Context
from .measures import Measure
from .passage import Passage
from .relative import RelativePassage
from .roles import is_told
from .shares import rounded
from .statements import Outcome, Statement, Unread


def read_bound(clause: Clause, context: Context, about: str = "") -> list[Outcome]:
    """Return what a clause with a measure asks for; `about` is its quantity where another clause names it."""
    about = about or _pointed_at(clause, context) or _in_brackets_of(clause)
    passage = Passage(clause, context, about)
    if _is_retracted(passage):
        return []
    measure = _with_carried_unit(passage)
    if measure.kind == "foreign" and measure.bare and passage.quantity() in ("size", "memory"):
        measure = replace(measure, kind="bytes", value=measure.bare, bare=measure.value)
    if measure.kind == "bare" and _is_in_thousands(passage):  # `512K flash`
        measure = replace(measure, kind="bytes")
    if measure.kind in OF_KIND:
        return AbsolutePassage(clause, context, about, measure).read()
    if measure.kind in ("long", "foreign", "bits"):
        return [passage.unread()]
    told = is_told(clause, passage.item, context)
    found = None if told else RelativePassage(clause, context, about, measure).read()
    if found is None and measure.kind == "bare" and passage.item.text.isalpha() and not _is_telling(passage):
        return []  # `two things`
    return found if found is not None else [_unread_number(passage)]


def _pointed_at(clause: Clause, context: Context) -> str:
    """Return the quantity that `three quarters of that` points at."""
    points = any(item.has("reference") and item.has("that") for item in clause.items) or _changes_it(clause)
    points = points or (clause.has("that") and clause.has("change") and not clause.has("quantity", "reference"))
    if not points or context.measured is None:
        return ""
    told = context.measured
    context.outcomes[:] = [  # `40 MB, and it needs to be half of that`
        replace(each, strength="fact")
        if isinstance(each, Statement) and each.bare and each.start == told.start
        else each
        for each in context.outcomes
    ]
    return told.about


def _is_in_thousands(passage: Passage) -> bool:
    """Tell whether a bare number of size or memory is written with a K."""
    item, value = passage.item, passage.measure.value
    short = value >= 1000 and value % 1000 == 0 and item.end - item.start < len(f"{value:.0f}")
    counted = any(each.has("counted") for each in passage.quantities())
    return short and item.text.isdigit() and not counted and passage.quantity() in ("size", "memory")


def _in_brackets_of(clause: Clause) -> str:
    """Return the quantity that an amount in brackets is of: `accurate (95 %)`."""
    lead, opener = clause.lead, clause.opener
    if lead is None or opener is None or opener.text != "(" or clause.has("quantity"):
        return ""
    side = lead.value("adjective")
    return side[:-1] if side[:-1] == "accuracy" else ""


def _changes_it(clause: Clause) -> bool:
    """Tell whether a clause only asks for a multiple of what was told of: `halve it`, `double that`."""
    measured = clause.measured
    if measured is None or measured.measure is None or measured.measure.kind != "factor":
        return False
    after = [item for item in clause.after(measured) if not item.hint and not item.has("goal")]
    return len(after) == 1 and after[0].has("article", "that") and not clause.has("quantity", "direction")


def _unread_number(passage: Passage) -> Unread:
    """Return the passage of a number that was not used, with the word behind it that may have been its unit."""
    unread, after = passage.unread(), passage.after[:1]
    unknown = passage.measure.kind == "bare" and after and not after[0].readings and after[0].kind == "word"
    return Unread(unread.start, max(unread.end, after[0].end)) if unknown else unread


def _is_telling(passage: Passage) -> bool:
    return passage.has("quantity", "upper", "lower", "direction", "change", "loss", "goal")


def _is_retracted(passage: Passage) -> bool:
    """Tell whether the measure is what is not wanted any more: `not 20 ms but …`, `I never said 20 ms`."""
    asks_why = passage.clause.first and passage.clause.items[0].has("why")
    if asks_why or any(item.has("unsaid") for item in passage.before):
        return True
    previous = passage.before[-1] if passage.before else None
    if previous is None:
        return False
    if previous.has("article") and len(passage.before) > 1:
        previous = passage.before[-2]
    if passage.clause.judged:
        return False
    return previous.has("instead") or (previous.has("negation") and not previous.has("upper", "lower"))


def _with_carried_unit(passage: Passage) -> Measure:
    """Return the measure; a bare number takes up the unit of the last one where it can be of nothing else."""
    context, measure = passage.context, passage.measure
    last, told = context.measure, context.measured is not None and context.measured.strength in ("present", "fact")
    if measure.kind != "bare" or last is None or passage.quantities() or passage.is_of_loss():
        return measure
    after, led = passage.after[:1], bool(passage.before) and passage.before[-1].has("to")
    if after and not after[0].readings and after[0].kind == "word" and not after[0].hint:
        return measure  # it counts something: `3.4 GB, 11 levels`
    limits = passage.has("upper", "lower") and len(passage.clause.items) == 2
    carried = context.correcting or told or limits or passage.has("hedge", "fine")
    if not carried or (passage.has("direction", "adjective", "change", "reference") and not led):
        return measure
    scale = last.value / last.bare if last.bare else 0.0
    taken = replace(last, value=rounded(measure.value * scale), bare=measure.value, high=None, sign="")
    return taken if scale else measure
