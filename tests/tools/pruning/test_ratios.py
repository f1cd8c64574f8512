"""Widths of least damage within bounds: never worse than all alike, and near the best where all can be looked at."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from shipfit import PruningAdvisor
from shipfit.contracts import NoOpError, Recipe, RequestError
from shipfit.tools.mixture.problem import Targets
from shipfit.tools.pruning.blocks import offered_widths, uniform
from shipfit.tools.pruning.costs import Costs
from shipfit.tools.pruning.coupling import couplings
from shipfit.tools.pruning.damage import noise_at
from shipfit.tools.pruning.ratios import choose_widths
from shipfit.tools.pruning.widths import WidthBounds, find_widths

from ... import models
from .test_costs import FEEDS, network

_NOISES = st.floats(1e-6, 1.0)


@settings(max_examples=6, deadline=None)
@given(_NOISES, _NOISES, st.floats(0.35, 0.9))
def test_the_choice_is_within_and_near_the_best(first: float, second: float, ratio: float):
    model = network()
    groups = couplings(model).groups
    costs = Costs(model, groups, len(model.SerializeToString()), {})
    damages = {"w0": {32: first / 4, 16: first}, "w1": {24: second / 4, 8: second}}
    bound = Targets(size=max(ratio * costs.size, costs.bytes({"w0": 16, "w1": 8})))
    chosen = choose_widths(groups, costs, damages, bound)
    assert chosen.within
    assert chosen.totals.size == pytest.approx(costs.bytes(chosen.widths))
    assert chosen.totals.size <= (bound.size or 0) * (1 + 1e-6)
    best = math.inf
    for widths in itertools.product(offered_widths(64, 16), offered_widths(48, 8)):
        named: dict[str, int] = {"w0": widths[0], "w1": widths[1]}
        if costs.bytes(named) <= (bound.size or 0):
            noise = noise_at(64, widths[0], damages["w0"]) + noise_at(48, widths[1], damages["w1"])
            best = min(best, noise)
    assert chosen.totals.noise <= max(2 * best, 1e-6)


def test_what_is_out_of_reach_is_come_near_to_and_said():
    model = network()
    groups = couplings(model).groups
    costs = Costs(model, groups, len(model.SerializeToString()), {})
    damages = {"w0": {32: 0.1, 16: 0.4}}
    chosen = choose_widths(groups, costs, damages, Targets(size=10.0))
    assert not chosen.within
    assert chosen.widths == {"w0": 16}  # nothing is known of the other group, which keeps its channels


@given(st.integers(1, 63), _NOISES)
def test_noise_grows_with_what_goes(left: int, noise: float):
    measured = {32: noise / 4, 16: noise}
    assert noise_at(64, 32, measured) == pytest.approx(noise / 4)
    assert noise_at(64, 16, measured) == pytest.approx(noise)
    assert noise_at(64, 64, measured) == 0.0
    assert noise_at(64, left, measured) >= noise_at(64, min(64, left + 1), measured)


@pytest.mark.slow
def test_widths_are_found_by_measuring():
    model = network()
    size = len(model.SerializeToString())
    feeds = [{"x": np.random.default_rng(at).normal(size=(1, 3, 8, 8)).astype(np.float32)} for at in range(12)]
    found = find_widths(model, size, WidthBounds(max_size_ratio=0.6), feeds[:8], feeds[8:], seconds=60)
    assert found.within
    assert found.size_ratio <= 0.6
    assert {each.group for each in found.groups} == {"w0", "w1"}
    assert all(min(each.damage.values()) > 0 for each in found.groups)
    assert found.step.widths
    assert all(left % 8 == 0 for left in found.step.widths.values())


@pytest.mark.slow
def test_the_advisor_gives_a_step_that_prunes(tmp_path: Path):
    path = models.save(network(), tmp_path / "model.onnx")
    found = PruningAdvisor().widths(path, max_size_ratio=0.6)
    assert found.within
    with pytest.raises(RequestError, match="within bounds"):
        PruningAdvisor().widths(path)
    recipe = Recipe(model="0" * 64, steps=(found.step,))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_nothing_to_choose_from_is_said():
    with pytest.raises(ValueError, match="within bounds"):
        WidthBounds()
    with pytest.raises(NoOpError, match="no layer has channels"):
        find_widths(network(8, 4), 1000, WidthBounds(max_size_ratio=0.5), FEEDS, FEEDS)
    assert uniform(couplings(network(8, 4)).groups, 0.5) == {"w0": 8, "w1": 4}
