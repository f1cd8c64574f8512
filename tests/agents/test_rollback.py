"""Offers: the smallest relaxation, judged again before it is offered."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shipfit.agents.quantization import spare
from shipfit.agents.rollback import nearest, relaxed
from shipfit.contracts import Plan, UnitDamage

from .facts import make_attempt


@given(value=st.floats(1e-6, 1e9), name=st.sampled_from(["max_size_ratio", "min_speedup", "max_size_bytes"]))
def test_a_relaxed_bound_is_met_by_what_was_measured(value: float, name: str) -> None:
    bound = relaxed(name, value)
    assert bound >= value if name.startswith("max_") else bound <= value


def test_nearest_first_one_offer_a_candidate_and_no_failures() -> None:
    near = make_attempt(1, Plan(), "not_met", violated=("max_size_ratio",))
    far = make_attempt(2, Plan(), "not_met", violated=("max_size_ratio", "min_speedup"))
    same = far.model_copy(update={"index": 3})
    broken = make_attempt(4, Plan(), "failed")
    useless = make_attempt(5, Plan(), "not_met", drop=0.4)
    assert [item.index for item in nearest((far, near, same, broken, useless))] == [1, 3]


@given(levels=st.lists(st.floats(5, 80), min_size=1, max_size=30), target=st.floats(10, 60))
def test_sparing_reaches_the_target_with_the_fewest_units(levels: list[float], target: float) -> None:
    units = [UnitDamage(name=str(i), op_type="Conv", form="static", damage_db=db) for i, db in enumerate(levels)]
    spared = set(spare(units, target))
    left = sum(10 ** (-unit.damage_db / 10) for unit in units if unit.name not in spared)
    assert left <= 10 ** (-target / 10) * (1 + 1e-9) + 1e-15
    if spared:
        mildest = max(unit.damage_db for unit in units if unit.name in spared)
        assert left + 10 ** (-mildest / 10) > 10 ** (-target / 10) * (1 - 1e-9)


def test_zero_stays_zero() -> None:
    assert relaxed("max_accuracy_drop", 0.0) == pytest.approx(0.0)
