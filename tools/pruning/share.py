"""How much of a model stands on channels that can go."""

from __future__ import annotations

from onnx import ModelProto

from ..onnx_model import elements
from .coupling import couplings


def channel_share(model: ModelProto) -> float:
    """Return the share of all weights' elements that give channels which can go, or read them."""
    names = {
        member.initializer for group in couplings(model).groups for member in group.members if member.role != "carries"
    }
    total = sum(map(elements, model.graph.initializer))
    return sum(elements(each) for each in model.graph.initializer if each.name in names) / max(total, 1)
