"""Import the default operator set under one name, and no set that nothing uses.

Before: `ai.onnx` written out, or no import of the default set although its operators are used, which stock
quantizers refuse. After: the default set is imported as the empty name.
"""

from __future__ import annotations

from onnx import ModelProto, helper

from ..onnx_model import DEFAULT_DOMAINS, is_standard, iter_nodes, opset


def unify_domains(model: ModelProto, assumed_opset: int) -> str | None:
    """Rewrite domain names and imports in place; return a note, or None where nothing was to be done.

    Args:
        model: with any imports.
        assumed_opset: version imported where the model has none.
    """
    spelled = [node for node in iter_nodes(model) if is_standard(node) and node.domain]
    for node in spelled:
        node.domain = ""
    version = opset(model)
    used = {node.domain for node in iter_nodes(model)}
    used.update(each.domain for function in model.functions for each in function.opset_import)
    wanted = [helper.make_opsetid("", version or assumed_opset)]
    wanted += [each for each in model.opset_import if each.domain in used - set(DEFAULT_DOMAINS)]
    if not spelled and sorted(_pairs(wanted)) == sorted(_pairs(model.opset_import)):
        return None
    model.ClearField("opset_import")
    model.opset_import.extend(wanted)
    return "operator set imports unified"


def _pairs(imports: object) -> list[tuple[str, int]]:
    return [(each.domain, each.version) for each in imports]  # type: ignore[attr-defined]
