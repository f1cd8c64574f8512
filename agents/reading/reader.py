"""The deterministic reader: words → items → sentences → clauses → statements → what they mean together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...contracts import MAX_WORDS, Constraints, RequestError, Understanding
from .assemble import assemble
from .bounds import read_bound
from .clauses import Clause, clauses, sentences
from .context import Context
from .english import ENGLISH
from .items import Item, items_of
from .levers import read_levers
from .lexicon import Lexicon
from .roles import is_told
from .statements import Outcome, Retraction, Statement, Unread
from .tables import plain
from .targets import read_targets
from .together import together
from .verdicts import judged
from .wishes import WishReader


def read(words: str, lexicon: Lexicon = ENGLISH) -> Understanding:
    """Return what `words` ask for; what cannot be read is told, never guessed at.

    Args:
        words: a request as a person puts it.
        lexicon: of its language.

    Raises:
        RequestError: the words are longer than any request.
    """
    if len(words) > MAX_WORDS:
        raise RequestError(f"the request in words has {len(words):,} characters; keep it under {MAX_WORDS:,}")
    context = Context()
    for sentence in plain(sentences(together(items_of(words, lexicon)))):
        context.new_sentence()
        first = len(context.outcomes)
        for clause in judged(clauses(sentence)):
            _read_clause(clause, context)
        _tell_pending(context)
        if context.choice:
            _leave_choices(context, first)
    return assemble(words, context.outcomes)


def _read_clause(clause: Clause, context: Context) -> None:
    clause, context.correcting = _corrections(clause, context)
    if clause.opened_by("but") and clause.lead is not None and clause.lead.has("whole") and clause.measured:
        context.correcting = True  # `300 MB, of which the model may have 80 MB`
    if not clause.items:
        return
    rest, said = read_targets(clause, context)
    rest, levers = read_levers(rest, context)
    said += levers
    if not levers:
        context.forbids = context.forbids and not rest.items
    context.wishes = context.wishes or clause.has("goal", "modal", "only", "upper", "lower")
    context.choice = context.choice or _leaves_a_choice(clause)
    if rest.items and not (rest.measured is None and any(isinstance(each, Statement) for each in levers)):
        said += _bounds_and_wishes(rest, context, bool(levers))
    context.refusing = clause.has("negation") or (context.refusing and clause.opened_by("or"))
    context.telling = _tells(clause, context, said)
    context.outcomes += said
    if any(isinstance(each, Statement) for each in said):
        context.correcting = False


def _is_of_a_source(clause: Clause) -> bool:
    """Tell whether a sentence begins with where something is written: `in our paper (…)`."""
    return any(item.has("foreign") and not item.has("counted", "quantity") for item in clause.items[:3]) and (
        clause.measured is None
    )


def _leaves_a_choice(clause: Clause) -> bool:
    """Tell whether a clause offers this or that; `no 4-bit either` refuses."""
    return clause.has("choice") and not clause.items[-1].has("choice")


def _tells(clause: Clause, context: Context, said: list[Outcome]) -> bool:
    """Tell whether a clause says how things are and asks for nothing: `it has 11 million parameters and …`."""
    wished = context.wishes or clause.has("goal", "modal", "only", "upper", "lower", "fine", "keep", "hedge")
    asked = any(
        isinstance(each, Statement) and each.strength not in ("present", "fact") and each.about != "target.platform"
        for each in said
    )
    opener = clause.opener
    goes_on = (
        context.telling and not clause.first and (opener is None or opener.has("and") or opener.text in ("(", ",", "/"))
    )
    tells = clause.measured is not None and is_told(clause, clause.measured, context)
    tells = tells or clause.has("has", "attains", "present", "past") or (clause.first and _is_of_a_source(clause))
    return not wished and not asked and (goes_on or tells)


def _bounds_and_wishes(clause: Clause, context: Context, told: bool) -> list[Outcome]:
    if clause.measured is None:
        found = WishReader(clause, context).read()
        return [each for each in found if not (told and isinstance(each, Unread))]
    extra: list[Outcome] = []
    for item in _superlatives(clause):
        extra += WishReader(Clause(item), context).read()
        clause = clause.without(item)
    found = read_bound(clause, context)
    return [*extra, *found, *_shared(clause, context, found)]


def _superlatives(clause: Clause) -> list[tuple[Item, ...]]:
    """Return the items of `as small as possible` and `the smallest` beside a measure."""
    found: list[tuple[Item, ...]] = []
    for index, item in enumerate(clause.items):
        if item.has("possible"):
            start = next(
                (at for at in range(index, max(index - 5, -1), -1) if clause.items[at].has("as") and at < index), None
            )
            if start is not None:
                found.append(clause.items[start : index + 1])
        elif _is_aim(clause.items[index:]):
            found.append(clause.items[index : index + 2 + clause.items[index + 1].has("article")])
        elif item.has("lossless") or _is_superlative(clause.items[index:]):
            found.append((item,))
    return found


def _is_aim(items: Sequence[Item]) -> bool:
    """Tell whether items begin with what to gain most, and what bounds it follows: `minimise latency in 20 MB`."""
    rest = items[2:] if len(items) > 1 and items[1].has("article") else items[1:]
    if items[0].value("superlative") not in ("-", "+") or len(rest) < 2 or not rest[0].has("quantity"):
        return False
    return (
        not rest[1].has("is")
        and rest[1].measure is None
        and rest[1].text not in (":", "=")
        and (not items[0].has("upper", "lower"))
    )


def _is_superlative(items: Sequence[Item]) -> bool:
    """Tell whether items begin with a superlative that stands for itself, which `maximum accuracy loss` has not."""
    following = next((item for item in items[1:] if not item.has("is", "whole") and item.kind != "mark"), None)
    bounds = following is not None and (following.has("loss") or following.measure is not None)
    return items[0].value("superlative") not in ("", "-", "+") and not bounds


def _shared(clause: Clause, context: Context, found: list[Outcome]) -> list[Outcome]:
    """Return the same for quantities that waited: `size and memory below 50 MB`."""
    waiting, made = list(context.pending), next((each for each in found if isinstance(each, Statement)), None)
    context.pending.clear()
    if made is None or not waiting:
        return []
    extra: list[Outcome] = []
    for item in waiting:
        items = tuple(each for each in clause.items if not each.has("quantity"))
        extra += read_bound(replace(clause, items=(item, *items), lead=None), context)
    return extra


def _tell_pending(context: Context) -> None:
    """Forget nouns of which nothing was said, and tell of levers."""
    context.pending.clear()
    context.outcomes += [Unread(item.start, item.end) for item in context.levers]
    context.levers.clear()


def _leave_choices(context: Context, first: int) -> None:
    """Tell bounds that a sentence leaves a choice between as not understood: `either 10 MB or 20 ms`."""
    said = context.outcomes[first:]
    bounds = [each for each in said if isinstance(each, Statement) and each.field in Constraints.model_fields]
    weak = [each for each in said if isinstance(each, Statement) and each.strength == "weak"]
    context.outcomes[first:] = [each for each in said if each not in bounds and each not in weak]
    context.outcomes += [Unread(each.start, each.end) for each in bounds]


def _taken_back(clause: Clause, context: Context, item: Item) -> list[Outcome]:
    """Return what takes back the statement that `forget the 10 MB` names, or the last where it names none."""
    measured = clause.measured
    if measured is None or measured.measure is None:
        return [Retraction(item.start)]
    amount = measured.measure.value
    said = [each for each in context.outcomes if isinstance(each, Statement) and each.value == amount]
    return [Retraction(said[-1].start + 1)] if said else []


def _is_amount(item: Item) -> bool:
    return item.measure is not None and item.measure.kind != "bits"


def _corrections(clause: Clause, context: Context) -> tuple[Clause, bool]:
    """Return the clause without words of correction, and whether it corrects what came before."""
    correcting = context.correcting
    items = list(clause.items)
    if items and items[0].has("no") and len(items) == 1:
        return Clause((), clause.opener), True
    for item in clause.items:
        if item.value("retract") == "the" and not (item.has("indifferent") and clause.measured is None):
            context.outcomes += _taken_back(clause, context, item)
            return Clause((), clause.opener), True
        if item.has("retract") and item.value("retract") != "the":
            context.outcomes.append(Retraction(item.start))
            correcting = True
            items.remove(item)
        elif item.has("correct") and not item.has("direction") and not (item.has("instead")):
            correcting = True
            items.remove(item)
    skip = 2 if len(items) > 2 and items[1].kind == "mark" else 1
    corrects = bool(items) and (items[0].has("no") or (items[0].has("correct") and items[0].has("direction")))
    if corrects and len(items) > skip and _is_amount(items[skip]) and context.last():
        return replace(clause, items=tuple(items[skip:])), True
    return replace(clause, items=tuple(items)), correcting
