"""The role of a measure: whether its clause asks for it, or tells of something that is.

A wish has a word that wishes, bounds or changes, or it is no sentence at all (`10 MB, 20 ms p99`). A clause with a
subject and a verb of its own and none of these (`the camera records at 60 fps`) tells, and what it tells is no bound.
"""

from __future__ import annotations

from .clauses import Clause
from .context import Context
from .items import Item
from .lexicon import Concept

_WISHING: tuple[Concept, ...] = (
    "goal", "modal", "upper", "lower", "only", "fine", "hedge", "keep", "to", "direction", "change", "loss",
    "lossless", "possible", "superlative", "refused",
)  # fmt: skip


def is_told(clause: Clause, measured: Item, context: Context) -> bool:
    """Tell whether a clause says how something is and asks for nothing: `marketing buys 64 GB cards`."""
    if context.correcting or clause.has(*_WISHING):
        return False
    if context.wishes and clause.opener is not None and not clause.first:
        return False
    before = clause.before(measured)
    return any(_is_of_its_own(item) for item in before) and not any(item.hint == "asking" for item in before)


def _is_of_its_own(item: Item) -> bool:
    """Tell whether the grammar knows nothing of a word, or knows it for something no bound is of."""
    unknown = not item.readings and item.kind == "word" and not item.hint
    return unknown or (item.has("foreign") and not item.has("quantity", "counted", "article"))
