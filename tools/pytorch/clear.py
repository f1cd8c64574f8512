"""Clear intermediates: calls that pass their input on, checks that inference does not need, what nothing reads."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from .editor import Call, ProgramEditor, schema

aten = torch.ops.aten

# What only copies or passes on. The graph of an exported program writes to no tensor that another call reads.
_COPIES = frozenset(
    {
        aten.alias.default,
        aten.clone.default,
        aten.detach.default,
        aten.detach_.default,
        aten.lift_fresh_copy.default,
        aten.positive.default,
    }
)
_DROPOUTS = frozenset(
    {aten.dropout.default, aten.feature_dropout.default, aten.alpha_dropout.default, aten.dropout_.default}
)
_CASTS = frozenset({aten.to.dtype, aten.to.dtype_layout, aten._to_copy.default, aten.type_as.default})
_SHAPED = frozenset({aten.view.default, aten.reshape.default, aten.expand.default, aten._unsafe_view.default})


def clear(editor: ProgramEditor) -> int:
    """Take out what changes nothing, and return how many calls that were."""
    before = sum(1 for _ in editor.calls())
    for node in editor.calls(aten._assert_tensor_metadata.default):
        editor.graph.erase_node(node)
    written = _writes(editor)
    for node in editor.calls():
        if not written and _passes_on(node):
            editor.replace(node, node.args[0])
    editor.graph.eliminate_dead_code()
    return before - sum(1 for _ in editor.calls())


def _writes(editor: ProgramEditor) -> bool:
    """Tell whether any call changes a tensor in place: then a copy may be there for a reason."""
    return any(
        (known := schema(node)) is not None
        and known.is_mutable
        and node.target not in _DROPOUTS
        and node.target is not aten.detach_.default
        for node in editor.calls()
    )


def _passes_on(node: Call) -> bool:
    source = node.args[0] if node.args else None
    if not isinstance(source, Node) or _is_answer_twice(node, source):
        return False
    if node.target in _DROPOUTS:
        return node.args[2] is False or node.args[1] == 0
    if node.target in _COPIES:
        return not _changes_layout(node)
    if node.target in _CASTS:
        return _same(node, source) and not _changes_layout(node)
    return node.target in _SHAPED and _same(node, source)


def _is_answer_twice(node: Call, source: Call) -> bool:
    """Tell whether the program would answer with its own input, or with one tensor twice, without this copy."""
    answered = any(user.op == "output" for user in node.users)
    return answered and (source.op == "placeholder" or any(user.op == "output" for user in source.users))


def _changes_layout(node: Call) -> bool:
    return node.kwargs.get("memory_format") not in (None, torch.preserve_format)


def _same(node: Call, source: Call) -> bool:
    """Tell whether both are described by the same type and shape, free dimensions included."""
    first, second = node.meta.get("val"), source.meta.get("val")
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor):
        return False
    return (
        first.dtype == second.dtype
        and first.device == second.device
        and len(first.shape) == len(second.shape)
        and all(_equal(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    )


def _equal(first: Any, second: Any) -> bool:
    """Compare two sizes without deciding anything about free ones."""
    if isinstance(first, torch.SymInt) or isinstance(second, torch.SymInt):
        return str(first) == str(second)
    return bool(first == second)
