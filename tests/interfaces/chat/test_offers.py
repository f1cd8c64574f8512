"""Offers are taken by their number, whatever way that is put."""

from __future__ import annotations

import pytest

from shipfit.contracts import Draft, RequestError
from shipfit.interfaces.chat.offers import offer_in

from ..responses import rolled_back

_FIRST, _SECOND = rolled_back().offers[:2]
OFFERS = (_FIRST, _SECOND.model_copy(update={"allow_regression": ("memory",)}))


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("take offer 2", 1), ("I'll take the second offer.", 1), ("offer #2", 1), ("go with offer number 2", 1),
        ("Take the offer", 0), ("the first offer", 0), ("give me offer 1!", 0),
    ],
)  # fmt: skip
def test_an_offer_is_taken(words: str, taken: int) -> None:
    changes = offer_in(words, Draft(allow_regression=("latency",)), OFFERS)
    assert changes is not None
    assert changes.constraints == OFFERS[taken].relax
    assert changes.allow_regression == ("latency", *OFFERS[taken].allow_regression)


@pytest.mark.parametrize("words", ["make it 30 % of the size", "offer me something", "what is offered?", ""])
def test_other_words_take_none(words: str) -> None:
    assert offer_in(words, Draft(), OFFERS) is None


def test_an_offer_that_is_not_there_is_refused() -> None:
    with pytest.raises(RequestError, match="there is no offer 3; the last result has 2"):
        offer_in("take offer 3", Draft(), OFFERS)
