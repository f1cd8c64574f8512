"""What is asked in any frame, with any comparison and any amount, is one bound; what is only told is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.agents.reading import read

_AMOUNTS = {
    "8 MB": ("max_size_bytes", 8_000_000),
    "two and a half megabytes": ("max_size_bytes", 2_500_000),
    "90 MB of RAM": ("max_memory_bytes", 90_000_000),
    "15 ms": ("max_latency_ms", 15),
    "0.2 s": ("max_latency_ms", 200),
}
_COMPARISONS = (
    "{}", "at most {}", "no more than {}", "under {}", "{} max", "{} tops", "{} or less", "up to {}", "within {}",
    "not exceeding {}", "never above {}", "an upper limit of {}", "capped at {}", "not beyond {}", "{} and no more",
)  # fmt: skip
_FRAMES = (
    "{}", "I need {}", "please stay {}", "Could you get it {}?", "{} would be great", "I'd settle for {}",
    "the target is {}", "the customer asks for {}", "let's say {}", "we have to hit {}", "Is {} possible?",
    "how about {}?", "what I need is {}", "the camera records at 60 fps, and I need {}", "{} is what we are after",
)  # fmt: skip
_LOSSES = (
    "lose at most {}", "without losing more than {}", "accuracy may drop by {}", "a drop of {} is acceptable",
    "no more than {} worse", "I'd sacrifice {} of accuracy", "within {} of the original accuracy", "tolerance {}",
    "any drop beyond {} is a dealbreaker", "if we lose more than {} it's useless", "{} below baseline is fine",
    "the accuracy penalty can't exceed {}", "we can lose {} at most", "accuracy decline of at most {}",
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(_FRAMES), st.sampled_from(_COMPARISONS), st.sampled_from(sorted(_AMOUNTS)))
def test_a_bound_is_read_in_any_frame(frame: str, comparison: str, amount: str) -> None:
    understanding = read(frame.format(comparison.format(amount)))
    field, value = _AMOUNTS[amount]
    asked = understanding.constraints.model_dump(exclude_unset=True)
    asked.pop("latency_statistic", None)
    assert asked == {field: value}
    assert not understanding.contradictions


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(_LOSSES), st.sampled_from(("1%", "half a point", "0.3 percentage points", "2 points")))
def test_a_loss_is_read_in_any_frame(frame: str, amount: str) -> None:
    lost = {"1%": 0.01, "half a point": 0.005, "0.3 percentage points": 0.003, "2 points": 0.02}[amount]
    assert read(frame.format(amount)).constraints.model_dump(exclude_unset=True) == {"max_accuracy_drop": lost}


@pytest.mark.parametrize(
    "words",
    [
        "The camera records video at 60 fps.",
        "Our database is 40 GB and growing 10% a month.",
        "Pictures come in at 5 MB each.",
        "Our competitor claims 95% accuracy at 3 MB.",
        "The network link is 100 Mbit/s with 30 ms of ping.",
        "With TFLite we got 22 ms and 9 MB.",
        "In the paper they report a 3x speedup.",
        "Two boards, 64 GB each.",
        "We're 20% over our latency budget.",
        "it took 40 s to load and 600 MB while running",
        "requests over 2 MB are rejected by nginx",
        "cut 20 ms from inference",
        "Penalty: 0.5 % per day late",
        "accuracy in the high 90s",
    ],
)  # fmt: skip
def test_what_is_told_bounds_nothing(words: str) -> None:
    assert not read(words).asks


@pytest.mark.parametrize(
    "words",
    [
        "if it takes longer than 20 ms, we can't ship it",
        "we can't ship it if it takes longer than 20 ms",
        "unless it stays under 20 ms I can't use it",
        "if it isn't under 20 ms it's useless",
        "over 20 ms and it's out",
        "users complain when it takes longer than 20 ms",
    ],
)
def test_a_verdict_sets_a_bound(words: str) -> None:
    assert read(words).constraints.max_latency_ms == 20


def test_tables_and_forms_are_read_by_column_and_tick() -> None:
    table = read("| | current | required |\n| size | 51 MB | 14 MB |\n| accuracy | 78.1 % | 77.5 % |")
    assert table.constraints.model_dump(exclude_unset=True) == {"max_size_bytes": 14_000_000, "min_accuracy": 0.775}
    assert read("[x] browser  [ ] server  [ ] edge").target.platform == "browser"
    assert read("[ ] under 10 MB").constraints.max_size_bytes == 10_000_000


def test_units_of_headings_and_digits_in_groups() -> None:
    assert read("Max. model size [MB]: 9").constraints.max_size_bytes == 9_000_000
    assert read("latency in ms: 20").constraints.max_latency_ms == 20
    assert read("1 000 kB max").constraints.max_size_bytes == 1_000_000
