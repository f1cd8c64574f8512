"""Make initializers constant.

Before: initializers that are graph inputs too, as old exporters wrote them (required below IR version 4). A
caller could override them, so nothing may be folded into or computed from them. After: constants.
"""

from __future__ import annotations

from onnx import ModelProto, helper

from ..onnx_model import delete_named

# From this IR version on, an initializer need not be an input.
_FREE_INITIALIZERS = 4


def fix_initializers(model: ModelProto) -> str | None:
    """Take initializers out of the inputs in place; return a note, or None where none was there."""
    names = {each.name for each in model.graph.initializer}
    removed = delete_named(model.graph.input, names)
    needed = max(_FREE_INITIALIZERS, helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True))
    if removed or model.ir_version < _FREE_INITIALIZERS:
        model.ir_version = max(model.ir_version, needed)
    return f"{removed} initializers are no longer inputs" if removed else None
