import math

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import Interval, Quantity
from shipfit.interfaces.text import clean, show, show_change, show_interval


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/features/0/Conv", "/features/0/Conv"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\there", "two lines here"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("größe ≤ 30 %", "größe ≤ 30 %"),
    ],
)
def test_clean(raw: str, shown: str):
    assert clean(raw) == shown


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_cleaned_text_can_be_shown(raw: str):
    shown = clean(raw)
    assert not set(shown) & set("\x1b\r\n\x00\u202e\u2066\x9b")
    shown.encode()


def test_long_text_is_cut():
    assert clean("x" * 1000, limit=10) == "x" * 10 + "…"


def test_quantities():
    quantity = Quantity(value=4.21, unit="ratio", interval=Interval(low=4.1, high=4.3))
    assert (show(quantity), show_interval(quantity), show(None), show_interval(None)) == (
        "4.21×", "4.1× … 4.3×", "–", "",
    )  # fmt: skip
    assert show(Quantity(value=math.inf, unit="dB")) == "exact"


@pytest.mark.parametrize(("change", "words"), [(-0.005, "−0.5 points"), (0.02, "+2 points"), (0.0, "no change")])
def test_change(change: float, words: str):
    assert show_change(change) == words
