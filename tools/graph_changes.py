"""Check what a pass or a rewrite made of a model, and count what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from onnx import ModelProto

from ..contracts import ToolError
from .onnx_model import iter_nodes, iter_tensors

Check = Callable[[ModelProto], None]


def fault(model: ModelProto, check: Check) -> str:
    """Return why `check` does not take `model`, or nothing."""
    try:
        check(model)
    except ToolError as error:
        return error.message
    return ""


def counts(model: ModelProto) -> Counter[str]:
    """Count operators, and the stored tensors under the name `initializer`."""
    found = Counter(node.op_type for node in iter_nodes(model))
    found["initializer"] = sum(1 for _ in iter_tensors(model))
    return found


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each count grew, those that stayed left out."""
    names = sorted({*before, *after})
    return {name: after.get(name, 0) - before.get(name, 0) for name in names if after.get(name) != before.get(name)}
