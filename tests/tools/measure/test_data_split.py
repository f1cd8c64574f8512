import hashlib
import random
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import DataError
from shipfit.tools.measure.data_split import SHARES, WITHOUT_CALIBRATION, Item, split

CONTENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=3, max_size=120)


def items(contents: list[tuple[int, int]]) -> list[Item]:
    """Samples by (content, label); equal contents are duplicates, whatever their label."""
    return [
        Item(index, hashlib.sha256(bytes([content])).hexdigest(), label)
        for index, (content, label) in enumerate(contents)
    ]


def enough(contents: list[tuple[int, int]]) -> bool:
    return len({content for content, _ in contents}) >= 3


@settings(max_examples=25, deadline=None)
@given(CONTENTS.filter(enough), st.integers(0, 5), st.booleans())
def test_parts_cover_all_once_and_none_is_empty(contents, seed: int, apart: bool):
    shares = WITHOUT_CALIBRATION if apart else SHARES
    parts = split(items(contents), shares, seed)
    assert set(parts) == set(shares)
    assert all(parts.values())
    assert sorted(index for part in parts.values() for index in part) == list(range(len(contents)))


@settings(max_examples=25, deadline=None)
@given(CONTENTS.filter(enough), st.integers(0, 5))
def test_duplicates_stay_together(contents, seed: int):
    parts = split(items(contents), SHARES, seed)
    owners = [{contents[index][0] for index in part} for part in parts.values()]
    assert sum(map(len, owners)) == len(set().union(*owners))


@settings(max_examples=25, deadline=None)
@given(CONTENTS.filter(enough), st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(contents, seed: int, rng: random.Random):
    shuffled = rng.sample(contents, len(contents))
    first = {part: [contents[i] for i in found] for part, found in split(items(contents), SHARES, seed).items()}
    again = {part: [shuffled[i] for i in found] for part, found in split(items(shuffled), SHARES, seed).items()}
    assert first == again


def test_shares_and_strata():
    contents = [(index, index % 4) for index in range(200)]
    parts = split(items(contents), SHARES, 0)
    assert {part: len(found) for part, found in parts.items()} == {"calibration": 50, "selection": 50, "final": 100}
    for found in parts.values():
        counts = Counter(contents[index][1] for index in found)
        assert max(counts.values()) - min(counts.values()) <= 2
        assert len({contents[index][1] for index in found[:4]}) == 4, "a prefix holds every class"


def test_seed_changes_the_split():
    contents = [(index, 0) for index in range(40)]
    assert split(items(contents), SHARES, 0) != split(items(contents), SHARES, 1)


def test_too_few_different_samples():
    with pytest.raises(DataError, match="2 different samples"):
        split(items([(1, 0), (1, 0), (2, 0), (2, 0)]), SHARES, 0)
