"""Offers of a run that was rolled back, taken by their number: "take offer 2", "the first offer"."""

from __future__ import annotations

import re

from ...contracts import Changes, Draft, Offer, RequestError
from ...contracts.metrics import Statistic

_ORDINALS = {"first": 1, "second": 2, "third": 3}
_TAKES = (
    "i(?:'d| would)? (?:like|want|prefer)|i'll (?:have|take)|take|accept|choose|use|go (?:with|for)|give me|make it"
)
_OFFER = re.compile(
    rf"^(?:(?:{_TAKES}) )?(?:the )?(?:(?P<ordinal>{'|'.join(_ORDINALS)}) )?offer"
    r"(?: ?(?:number |no\.? ?)?#?(?P<number>\d{1,2}))?$",
    re.IGNORECASE,
)


def offer_in(words: str, draft: Draft, offers: tuple[Offer, ...]) -> Changes | None:
    """Return what an offer asks for as changes of a draft; None where words take none.

    Raises:
        RequestError: there is no offer of that number.
    """
    found = _OFFER.match(words.replace("’", "'").strip(" .!"))
    if found is None:
        return None
    number = int(found["number"] or _ORDINALS.get((found["ordinal"] or "first").lower(), 1))
    if not 1 <= number <= len(offers):
        raise RequestError(f"there is no offer {number}; the last result has {len(offers) or 'none'}")
    offer = offers[number - 1]
    guards = tuple(dict.fromkeys((*draft.allow_regression, *offer.allow_regression)))
    return Changes(constraints=dict[str, float | Statistic | None](offer.relax), allow_regression=guards)
