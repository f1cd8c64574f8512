"""Graph passes are known by name, and switches and names together say which run."""

from __future__ import annotations

import pytest

from shipfit.contracts import GRAPH_PASSES, GraphConfig, GraphLever, OptimizationConfig, RequestError, validate


def test_a_wrong_name_is_refused_with_near_ones() -> None:
    wrong = {"graph": {"passes": ["fuse_pad_in_conv"]}}
    with pytest.raises(
        RequestError, match=r"graph.passes.0: there is no graph pass.*near ones are.*fuse_pad_into_conv"
    ):
        validate(OptimizationConfig, wrong)


def test_names_restrict_and_default_extends() -> None:
    plain = GraphLever().chosen
    assert plain
    assert all(GRAPH_PASSES[name].default for name in plain)
    assert GraphLever(passes=("fuse_pad_into_conv",)).chosen == ("fuse_pad_into_conv",)
    assert set(GraphLever(passes=("default", "fuse_qkv")).chosen) == {*plain, "fuse_qkv"}
    assert GraphLever(passes=()).chosen == ()


@pytest.mark.parametrize("family", ["elimination", "fusion", "constant_folding", "layer_optimization"])
def test_a_switch_takes_its_family_out(family: str) -> None:
    left = GraphLever.model_validate({family: False}).chosen
    assert {GRAPH_PASSES[name].family for name in left} == {each.family for each in GRAPH_PASSES.values()} - {family}


def test_naming_what_is_switched_off_is_a_contradiction() -> None:
    with pytest.raises(RequestError, match=r"fuse_pad_into_conv.*fusion is switched off"):
        validate(GraphConfig, {"fusion": False, "passes": ["fuse_pad_into_conv"]})
