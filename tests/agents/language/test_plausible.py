"""A number of a language model stands where it follows from an amount in its passage, and nowhere else."""

from __future__ import annotations

import pytest

from shipfit.agents.language.plausible import follows
from shipfit.agents.reading.english import ENGLISH
from shipfit.agents.reading.items import items_of

CASES = [
    ("a third of it", "max_size_ratio", 0.3333, True),
    ("a third of it", "max_size_ratio", 0.33, True),
    ("70 percent gone", "max_memory_ratio", 0.3, True),
    ("70 percent gone", "max_memory_ratio", 0.5, False),
    ("three times as brisk", "min_speedup", 3.0, True),
    ("three times as brisk", "max_size_ratio", 3.0, False),
    ("in a fifth of the time", "min_speedup", 5.0, True),
    ("5 MB", "max_size_bytes", 5_000_000.0, True),
    ("5 MB", "max_size_bytes", 5_000.0, False),
    ("5 MB", "max_latency_ms", 5.0, False),
    ("20 ms", "max_latency_ms", 20.0, True),
    ("half a second", "max_latency_ms", 500.0, True),
    ("30 a second", "min_throughput_per_s", 30.0, True),
    ("1 percent", "max_accuracy_drop", 0.01, True),
    ("99 percent", "max_accuracy_drop", 0.01, True),
    ("1 percent", "min_accuracy", 1.0, False),
    ("1 percent", "min_accuracy", 0.99, False),
    ("95 percent", "min_accuracy", 0.95, True),
    ("35 dB", "min_fidelity_db", 35.0, True),
    ("quickly", "min_speedup", 2.0, False),
    ("1 percent accuracy", "min_accuracy", 0.01, False),  # would lift the guard on accuracy
    ("three times", "min_speedup", 0.3333, False),  # and this the one on latency
    ("70 percent", "max_accuracy_drop", 0.7, False),
]


@pytest.mark.parametrize(("passage", "field", "value", "stands"), CASES)
def test_a_number_follows_from_its_passage(passage: str, field: str, value: float, stands: bool) -> None:
    amounts = [item.measure for item in items_of(passage, ENGLISH) if item.measure]
    assert follows(field, value, amounts) is stands
