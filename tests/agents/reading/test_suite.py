"""The reader on the suite of phrasings: at least 95 % exact, no field invented, both halves and both levels."""

from __future__ import annotations

import pytest

from shipfit.agents.reading import read
from shipfit.interfaces.scenarios.language import Phrasing, Reading, compare, fields_of, phrasings, share_exact


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    return [compare(phrasing, read) for phrasing in phrasings()]


def test_the_suite_is_as_large_and_as_hard_as_it_has_to_be(readings: list[Reading]) -> None:
    hard = [each for each in readings if "hard" in each.phrasing.tags]
    words = [each.phrasing.words for each in readings]
    assert len(readings) >= 300
    assert len(hard) >= len(readings) / 3
    assert len(set(words)) == len(words)


def test_nothing_is_invented(readings: list[Reading]) -> None:
    assert [each.phrasing.words for each in readings if each.invented] == []


@pytest.mark.parametrize("tag", ["easy", "hard"])
def test_nearly_all_is_read_exactly(tag: str, readings: list[Reading]) -> None:
    tagged = [each for each in readings if tag in each.phrasing.tags]
    missed = [(each.phrasing.words, each.missed, each.remarks) for each in tagged if not each.exact]
    assert share_exact(tagged) >= 0.95, missed


def test_spans_stand_verbatim_in_the_words(readings: list[Reading]) -> None:
    for each in readings:
        spans = [one.span for one in each.understanding.understood] + list(each.understanding.not_understood)
        assert all(span and span in each.phrasing.words for span in spans), each.phrasing.words


def test_a_reading_that_is_wrong_shows() -> None:
    phrasing = Phrasing(words="under 10 MB", gold={"max_size_bytes": 9_000_000}, tags=("easy",))
    reading = compare(phrasing, read)
    assert reading.missed == ("max_size_bytes",)
    assert reading.invented == ("max_size_bytes",)
    assert fields_of(read("no int4")) == {"forbid": ["int4"]}
