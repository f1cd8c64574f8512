"""Attention that graph passes may make of products is asked to compute as they are."""

from __future__ import annotations

import pytest

from shipfit.agents.joined import joined_products
from shipfit.contracts import Compute

from .facts import make_profile


@pytest.mark.parametrize(
    ("compute", "joined"),
    [({"MatMul": "dynamic"}, True), ({"Conv": "static", "MatMul": "static"}, True), ({"Conv": "static"}, False)],
)
def test_attention_computes_as_products_do(compute: dict[str, Compute], joined: bool):
    transformer = make_profile(MatMul=(8, 900_000, 0.8), Softmax=(2, 0, 0.1))
    assert joined_products(compute, transformer) == ({"Attention": "dynamic"} if joined else {})


def test_a_model_without_attention_is_not_asked():
    assert joined_products({"MatMul": "dynamic"}, make_profile(MatMul=(8, 900_000, 0.8))) == {}
