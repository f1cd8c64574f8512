"""A fit is never further from what is wanted than the weight as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from shipfit.tools.pruning.least_squares import Rows, Weight, least_squares, matched, squared_error


def problem(seed: int, groups: int, positions: int, columns: int, outputs: int, biased: bool) -> tuple[Rows, Weight]:
    rng = np.random.default_rng(seed)
    given_values = rng.normal(1, 10.0 ** rng.integers(-3, 3), (groups, positions, columns))
    given_values[..., 0] = rng.integers(0, 2)  # a column that never varies
    wanted = rng.normal(0.5, 1, (groups, positions, outputs))
    rows = Rows(given_values.astype(np.float32), wanted.astype(np.float32))
    bias = rng.normal(size=(groups, outputs)).astype(np.float32) if biased else None
    return rows, Weight(rng.normal(size=(groups, outputs, columns)).astype(np.float32), bias)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999), groups=st.integers(1, 3), positions=st.integers(2, 40), columns=st.integers(1, 24),
    outputs=st.integers(1, 5), biased=st.booleans(),
)  # fmt: skip
def test_no_fit_is_worse_than_the_weight_as_it_was(
    seed: int, groups: int, positions: int, columns: int, outputs: int, biased: bool
) -> None:
    rows, start = problem(seed, groups, positions, columns, outputs, biased)
    found = least_squares(rows, start)
    assert found.after <= found.before
    assert squared_error(rows, found.weight) == pytest.approx(found.after)
    assert found.weight.rows.shape == start.rows.shape
    assert (found.weight.bias is None) == (start.bias is None)


@pytest.mark.parametrize("biased", [True, False])
def test_what_a_weight_can_give_is_found(biased: bool) -> None:
    rows, start = problem(1, 2, 64, 6, 3, biased)
    true = np.random.default_rng(2).normal(size=start.rows.shape).astype(np.float32)
    wanted = rows.given @ true.swapaxes(1, 2) + (np.float32(3) if biased else np.float32(0))
    found = least_squares(Rows(rows.given, wanted), start)
    assert found.after < 1e-4 * found.signal


def test_matching_gives_the_wanted_mean_and_deviation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 400, 4)).astype(np.float32)
    start = Weight(rng.normal(size=(1, 3, 4)).astype(np.float32), np.zeros((1, 3), np.float32))
    wanted = (x @ start.rows.swapaxes(1, 2) * 2 + 5).astype(np.float32)
    found = matched(Rows(x, wanted), start).weight
    assert found.bias is not None
    answers = x @ found.rows.swapaxes(1, 2) + found.bias[:, None]
    np.testing.assert_allclose(answers.std(axis=1), wanted.std(axis=1), rtol=1e-3)
    np.testing.assert_allclose(answers.mean(axis=1), wanted.mean(axis=1), rtol=1e-3)
