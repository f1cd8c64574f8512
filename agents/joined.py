"""Products that graph passes join into one operator compute as they would have alone."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts import Compute, Profile

_INTEGERS = {"dynamic", "static"}


def joined_products(compute: Mapping[str, Compute], profile: Profile) -> dict[str, Compute]:
    """Return the form of `Attention`, which holds the products of Q, K and V, beside those of the other operators.

    It computes in int8 where products do, and its only int8 kernel is dynamic.
    """
    attends = profile.format == "onnx" and profile.operator("Softmax") is not None
    return {"Attention": "dynamic"} if attends and compute.get("MatMul") in _INTEGERS else {}
