"""Name the nearest pixel of a whole-number enlargement by the rule that keeps the blocked layout.

Before: a Resize by whole numbers that takes the nearest of half-pixel centres. After: the one that rounds down without
an offset: with centres at (i + ½) / s − ½ the nearest is ⌊i / s⌋ for every whole s, and never a tie.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..quantize.graphs import attribute, int_attribute
from .scope import Scope, rewrite_graphs

MIN_OPSET = 11
_CHANGED = {"coordinate_transformation_mode", "nearest_mode"}


def round_down_resize(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < MIN_OPSET:
        return 0
    return sum(_rename(scope, node) for node in scope.nodes if node.op_type == "Resize")


def _rename(scope: Scope, node: NodeProto) -> int:
    centres = _text(node, "coordinate_transformation_mode", "half_pixel")
    rounding = _text(node, "nearest_mode", "round_prefer_floor")
    if _text(node, "mode", "nearest") != "nearest" or not rounding.startswith("round_prefer"):
        return 0
    if centres not in {"half_pixel", "pytorch_half_pixel"} or attribute(node, "axes") is not None:
        return 0
    scales = scope.floats(node.input[2]) if len(node.input) == 3 else None
    if (
        scales is None
        or (scales < 1).any()
        or (scales != np.floor(scales)).any()
        or int_attribute(node, "antialias", 0)
    ):
        return 0
    kept = [each for each in node.attribute if each.name not in _CHANGED]
    node.ClearField("attribute")
    node.attribute.extend(kept)
    node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
    node.attribute.append(helper.make_attribute("nearest_mode", "floor"))
    return 1


def _text(node: NodeProto, name: str, default: str) -> str:
    found = attribute(node, name)
    return default if found is None else found.s.decode(errors="replace")
