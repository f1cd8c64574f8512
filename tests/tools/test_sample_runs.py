"""Samples that a tool runs are counted, long ones are few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from shipfit.tools.measure.session import open_session
from shipfit.tools.normalize.equivalence import Equivalence
from shipfit.tools.quantize.trial import enough, opened, run
from shipfit.tools.sample_runs import counted


@pytest.fixture
def feed() -> dict[str, np.ndarray]:
    return {"image": np.zeros((1, 1, 8, 8), np.float32)}


def test_what_runs_a_sample_counts_it_unless_it_is_timed(digits_model: Path, feed: dict[str, np.ndarray]):
    before = counted()
    with opened(onnx.load(digits_model)) as session:
        run(session, feed)
        run(session, feed, timed=True)
    open_session(digits_model).run(feed)
    assert counted() - before == 2


def test_the_source_answers_once_for_all_that_is_compared_with_it(digits_model: Path):
    equivalence = Equivalence(digits_model, None)
    equivalence.check(onnx.load(digits_model))
    before = counted()
    equivalence.check(onnx.load(digits_model))
    assert counted() - before == 2


@pytest.mark.parametrize(("elements", "most", "left"), [(64, 40, 40), (2**19, 40, 2), (2**17, 40, 10), (2**24, 3, 2)])
def test_few_long_samples_are_enough(elements: int, most: int, left: int):
    feeds = [{"x": np.zeros(elements, np.int8)}] * 50
    assert len(enough(feeds, most)) == left
    assert len(enough(feeds[:2], most)) == 2
    assert not len(enough([], most))
