"""Levers that words rule out: `don't prune`, `no int4`, `never below 8 bits`, `int8 only`."""

from __future__ import annotations

from dataclasses import replace

from .clauses import Clause, trimmed
from .context import Context
from .items import Item
from .passage import is_content
from .statements import Outcome, Statement, Unread

_WIDTH_OF = {4: "int4", 8: "int8", 16: "fp16", 32: "fp32"}
_BITS = {"int4": 4, "int8": 8, "fp16": 16, "fp32": 32}
# What is narrower than a width, by name.
_NARROWER = {8: ("int4",), 16: ("int8", "int4"), 32: ("quantization",)}
# What is left out where one width is all that may be used.
_OTHERS = {"int8": ("int4", "fp16"), "int4": ("int8", "fp16"), "fp16": ("int8", "int4"), "fp32": ("quantization",)}


def read_levers(clause: Clause, context: Context) -> tuple[Clause, list[Outcome]]:
    """Return the clause without the levers it speaks of, and what it says of them."""
    named = [item for item in clause.items if _lever(item)]
    levers = [item for item in named if not _names_a_model(item, clause) and not _is_kind_of(item, named)]
    bare = [item for item in clause.items if item.has("unlevered")]
    if bare and not named:
        start, end = trimmed(clause.items, is_content)
        return clause.without(bare), _forbidden(tuple(item.value("unlevered") for item in bare), start, end, context)
    if not named:
        return _read_back(clause, context)
    if clause.items[-1].has("choice"):  # `no 4-bit either`
        clause = clause.without(clause.items[-1:])
    left = clause.without(named)
    if not levers:
        return left, []
    said = _said(clause, levers, context)
    if any(isinstance(each, Statement) and each.strength == "firm" for each in said):
        last = levers[-1].start
        left = left.without(item for item in left.items if item.has("negation", "or", "and") and item.start < last)
    return left, said


def _lever(item: Item) -> str:
    """Return the lever that an item is, empty where it is none; `4 bits` is one."""
    if item.measure is not None:
        return (
            _WIDTH_OF.get(int(item.measure.value), "")
            if item.measure.kind == "bits" and item.measure.value < 64
            else ""
        )
    return item.value("lever")


def _is_kind_of(item: Item, named: list[Item]) -> bool:
    """Tell whether a width before it says which kind is meant: `4-bit quantization`."""
    widths = [each for each in named if _lever(each) in _BITS and 0 <= item.start - each.end <= 1]
    return _lever(item) == "quantization" and bool(widths)


def _names_a_model(item: Item, clause: Clause) -> bool:
    """Tell whether a lever only says which model is meant: `the int8 model should be faster`."""
    after = clause.after(item)
    return bool(after) and after[0].has("model") and after[0].start - item.end <= 1 and not _is_negated(item, clause)


def _said(clause: Clause, levers: list[Item], context: Context) -> list[Outcome]:
    first = levers[0]
    width = next((_lever(item) for item in levers if _lever(item) in _BITS), "")
    start, end = trimmed(clause.items, is_content)
    if width and (narrower := _least(clause, levers, width)):
        return _forbidden(narrower, start, end, context)
    led = any(item.has("only") for item in clause.before(first))
    if width and _is_only(clause) and (led or not clause.has("fine")):
        return _forbidden(_OTHERS[width], start, end, context)
    excepted = clause.opened_by("except") and not context.forbids and (_is_bare_list(clause) or _is_allowed(clause))
    behind = _is_refused_behind(clause, levers)
    if _is_allowed(clause) and not excepted and not behind and not any(_is_negated(item, clause) for item in levers):
        return [Statement("forbid", _lever(item), start, end, "lift", _lever(item)) for item in levers]
    refused = clause.has("refused") or behind
    listed = _is_bare_list(clause) or (_is_or(clause) and not clause.has("fine", "modal", "only"))
    in_list = context.forbids and not clause.opened_by("but") and listed
    if refused or in_list or excepted or _is_negated(first, clause):
        waiting = [_lever(item) for item in context.levers] if refused else []
        context.levers.clear()
        context.forbids = True
        return _forbidden((*waiting, *map(_lever, levers)), start, end, context)
    if len(clause.having("lever")) == len([item for item in clause.items if not item.has("article")]):
        context.levers += levers  # what is said of them may follow
        return []
    if clause.measured is not None and all(_lever(item) == "fp32" for item in levers):
        return []  # what it is compared with
    context.mentioned = [_lever(item) for item in levers]
    return [Unread(start, end)]


def _read_back(clause: Clause, context: Context) -> tuple[Clause, list[Outcome]]:
    """Return what a clause says of levers named before: `…, so please leave that one out`, `… without it`."""
    if not context.mentioned or not _refuses_back(clause):
        return clause, []
    start, end = trimmed(clause.items, is_content)
    said = _forbidden(tuple(context.mentioned), start, end, context)
    context.mentioned = []
    return replace(clause, items=()), said


def _refuses_back(clause: Clause) -> bool:
    """Tell whether a clause refuses what is not named: nothing it knows but a refusal and what points back."""
    refuses = clause.has("negation", "refused") or (clause.has("keep") and clause.has("out"))
    known = [item for item in clause.items if item.readings and item.kind == "word"]
    plain = all(
        item.has("negation", "refused", "keep", "out", "article", "that", "one", "no", "without", "so", "goal", "and",
                 "of", "second", "to", "through", "targeting", "model", "modal")
        for item in known
    )  # fmt: skip
    points = any(item.has("that", "article", "no") for item in known) or (bool(known) and known[-1].has("negation"))
    return refuses and plain and points and clause.measured is None


def _is_refused_behind(clause: Clause, levers: list[Item]) -> bool:
    """Tell whether a refusal follows the levers: `half precision we may not use`, `pruning: no`."""
    behind = clause.after(levers[-1])
    at = next(
        (index for index, item in enumerate(behind) if item.has("negation") and not item.has("indifferent")), None
    )
    return at is not None and clause.measured is None and not any(item.has("quantity") for item in behind[at:])


def _is_or(clause: Clause) -> bool:
    return clause.opened_by("or") or (clause.opener is not None and clause.opener.text == "/")


def _is_bare_list(clause: Clause) -> bool:
    """Tell whether a clause names levers and says nothing of them: `…, int4 or fp16`."""
    return all(_lever(item) or item.has("article", "lever", "quantity") for item in clause.items)


def _forbidden(levers: tuple[str, ...], start: int, end: int, context: Context) -> list[Outcome]:
    known = tuple(lever for lever in levers if lever != "fp32")
    if not known:
        return [Unread(start, end)]
    return [Statement("forbid", lever, start, end, about=lever, replaces=False) for lever in dict.fromkeys(known)]


def _is_negated(item: Item, clause: Clause) -> bool:
    previous = clause.before(item)[-1:]
    if previous and previous[0].value("loss") == "drop":  # `drop int4`
        return True
    kept_out = clause.has("keep") and any(each.has("out") for each in clause.after(item))
    return kept_out or any(each.has("negation") for each in clause.before(item))


def _is_only(clause: Clause) -> bool:
    return clause.has("only", "keep") and not clause.has("negation", "out", "refused")


def _is_allowed(clause: Clause) -> bool:
    return clause.has("fine", "modal") and not clause.has("refused")


def _least(clause: Clause, levers: list[Item], width: str) -> tuple[str, ...]:
    """Return what is narrower than the least width that is asked for, as in `not below 8 bits`."""
    place = next(item for item in levers if _lever(item) == width)
    comparators = [
        item
        for item in clause.items
        if item.has("upper", "lower") and (item.start < place.start or not item.has("over"))
    ]
    if not comparators:
        return ()
    comparator = comparators[0]
    negated = any(item.has("negation") and item.start < comparator.start for item in clause.items)
    lower = comparator.has("lower") and not comparator.has("upper")
    return _NARROWER.get(_BITS[width], ()) if lower != negated else ()
