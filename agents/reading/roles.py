"""The role of a measure: whether its clause asks for it, or tells of something that is.

A wish has a word that wishes, bounds or changes, or it is no sentence at all (`10 MB, 20 ms p99`). A clause with a
subject and a verb of its own and none of these (`the camera records at 60 fps`) tells, and what it tells is no bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .clauses import Clause
from .context import Context
from .items import Item
from .lexicon import Concept

_VERBS = ("asking", "doing")
_FIRMLY: tuple[Concept, ...] = (
    "goal", "modal", "upper", "lower", "only", "fine", "hedge", "keep", "possible", "superlative", "refused",
    "allotted",
)  # fmt: skip
# Words that wish where nothing is being told.
_WISHING: tuple[Concept, ...] = (*_FIRMLY, "direction", "change", "loss", "lossless")


def asks(clause: Clause) -> bool:
    """Tell whether a clause has a word that asks, bounds or changes."""
    return clause.has(*_WISHING) or leads_to(clause) or any(item.hint in _VERBS for item in clause.items)


def leads_to(clause: Clause) -> bool:
    """Tell whether `to` leads to an amount, rather than to a place."""
    pairs = pairwise(item for item in clause.items if not item.has("approximate", "article"))
    return any(one.has("to") and two.measure is not None for one, two in pairs)


def aims(clause: Clause) -> bool:
    """Tell whether a clause says what would be liked rather than what is the limit."""
    likes = any(item.value("goal") == "aspires" or item.value("targeting") == "aim" for item in clause.items)
    firm = any(item.has("goal") and item.value("goal") != "aspires" for item in clause.items)
    return likes and not firm and not clause.has("upper", "lower", "fine", "only")


def is_told(clause: Clause, measured: Item, context: Context) -> bool:
    """Tell whether a clause says how something is and asks for nothing: `marketing buys 64 GB cards`."""
    before = clause.before(measured)
    if context.correcting or clause.has(*_FIRMLY) or (before and before[-1].text in (":", "=")):
        return False
    if any(item.value("targeting") == "aim" for item in before):
        return False
    if context.telling and _goes_on(clause) and not any(item.hint in _VERBS for item in clause.items):
        return True
    if any(item.has(*_WISHING) for item in before) or leads_to(clause):
        return False
    if context.wishes and clause.opener is not None and not clause.first:
        return False
    colon = max((at for at, item in enumerate(before) if item.text == ":"), default=-1)
    return _is_owned(before[colon + 1 :]) or _names_something(clause, measured) or _is_setting(clause, measured)


def _goes_on(clause: Clause) -> bool:
    """Tell whether the clause is one more of what is told: `it has 32 GB of flash and 1 GB of RAM`."""
    opener = clause.opener
    return not clause.first and (opener is None or opener.has("and") or opener.text in (",", "(", "/"))


def _is_owned(before: Sequence[Item]) -> bool:
    """Tell whether something that no bound is of comes first, and no verb by which a model does it."""
    fragment = not any(not item.has("foreign") and is_of_its_own(item) for item in before) and (
        not any(item.has("article") for item in before)
    )
    for index, item in enumerate(before):
        if item.hint in _VERBS:
            return item.hint == "doing" and index > 0 and before[index - 1].has("model", "article")
        led = index and _is_place(before[max(index - 2, 0) : index])
        describes = index + 1 < len(before) and before[index + 1].has("quantity", "statistic")
        if is_of_its_own(item) and not led and not fragment and not describes:
            return True
    return False


def _names_something(clause: Clause, measured: Item) -> bool:
    """Tell whether the amount only says which thing is meant: `a 64 GB box`."""
    following = next(iter(clause.after(measured)), None)
    if following is None or measured.measure is None or measured.measure.kind == "bare":
        return False
    each = following.has("everything") and following.has("per")  # `three replicas, 12 GB each`
    return each or (is_of_its_own(following) and following.start - measured.end <= 1)


def _is_setting(clause: Clause, measured: Item) -> bool:
    """Tell whether a sentence begins with what there is: `with 3 GB of RAM on the oldest one we support, …`."""
    if clause.first and clause.items[0].has("out") and not clause.items[0].has("direction"):
        return True  # `out of the 2 GB of RAM, …`
    with_ = clause.first and clause.opener is not None and clause.opened_by("through")
    return with_ and any(is_of_its_own(item) for item in clause.after(measured))


def _is_place(before: Sequence[Item]) -> bool:
    """Tell whether words lead to where or what for: `for our kiosk`."""
    return before[-1].has("of", "through") or (before[-1].has("article") and before[0].has("of", "through"))


def is_of_its_own(item: Item) -> bool:
    """Tell whether the grammar knows nothing of a word, or knows it for something no bound is of."""
    unknown = not item.readings and item.kind == "word" and not item.hint and len(item.text) > 1
    return unknown or (item.has("foreign") and not item.has("quantity", "counted", "article"))
