from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from shipfit.tools.measure.fidelity import OutputError


def decibels(reference: Any, candidate: Any) -> float:
    error = OutputError()
    error.add(reference, candidate)
    return error.decibels


def test_parts_of_sequences_and_maps_are_compared_as_numbers():
    signal, near = np.array([3.0, 4.0], np.float32), np.array([3.0, 4.5], np.float32)
    assert decibels(signal, near) == pytest.approx(20.0)
    assert decibels([signal], [near]) == pytest.approx(20.0)
    assert decibels([{0: 3.0, 1: 4.0}], [{0: 3.0, 1: 4.5}]) == pytest.approx(20.0)
    assert decibels({"a": [signal]}, {"a": [signal.copy()]}) == math.inf


def test_a_part_that_only_one_has_is_noise():
    signal = np.ones(2, np.float32)
    assert decibels([signal, signal], [signal]) == pytest.approx(10 * math.log10(3))
    assert decibels({1: 1.0}, {2: 1.0}) <= 0
    assert decibels(["a", "b"], ["a", "c"]) == pytest.approx(10 * math.log10(2))
