"""A language model may cite only figures that stand in what it was given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.agents.figures import figures, sentences, stands_in

GIVEN = "size 27 %: 12.3 MB became 3.321 MB; speed 3.12×, p95 4.2 ms; accuracy -0.30 points; fidelity 34 dB; 1,240 /s"


@pytest.mark.parametrize(
    "text",
    [
        "It is 27% of the size.", "3.1x faster", "3.1 times as fast", "lost 0.3 points", "keeps 34 decibels", "3.3 MB",
        "static int8 with fp16 weights at p95, 8-bit and half precision", "from 12.3 MB to 3.32 MB", "no figures",
        "1,240 /s", "4 ms", "27 percent",
    ],
)  # fmt: skip
def test_figures_that_stand_there_may_be_cited(text: str) -> None:
    assert stands_in(text, GIVEN)


@pytest.mark.parametrize(
    "text",
    [
        "73 % smaller", "3.4x faster", "27 ms", "twice as fast", "a third of it", "3.125×", "1240000 /s", "99.9%",
        "0.3 %", "ten times", "34.5 dB", "12.3 GB", "1e3", ".31 points", "speed10x", "v99.9",
    ],
)  # fmt: skip
def test_figures_that_do_not_may_not(text: str) -> None:
    assert not stands_in(text, GIVEN)


def test_a_sentence_is_dropped_for_one_wrong_figure() -> None:
    said = "Int8 made it 3.12× as fast. Expect 10× on a GPU! Fidelity is 34 dB."
    assert [each for each in sentences(said) if stands_in(each, GIVEN)] == [
        "Int8 made it 3.12× as fast.",
        "Fidelity is 34 dB.",
    ]


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=200))
def test_every_text_stands_in_itself_and_nothing_breaks(text: str) -> None:
    assert stands_in(text, text)
    assert len(list(figures(text))) <= len(text)
