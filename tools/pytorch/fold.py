"""Compute at once what depends on held tensors alone, and hold equal tensors once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from .editor import Call, ProgramEditor, schema

# A folded result may be larger than what it was made from by this much; more would grow the file.
_SLACK_BYTES = 4096


def fold_constants(editor: ProgramEditor) -> int:
    """Replace calls of held tensors by their results, and return how many calls that took out."""
    before = sum(1 for _ in editor.calls())
    known: dict[Call, Any] = {}
    for node in editor.calls():
        if _is_foldable(node) and all(each in known or editor.holds(each) for each in node.all_input_nodes):
            known[node] = _evaluate(editor, node, known)
    for node, value in known.items():
        read_outside = any(user not in known for user in node.users)
        if read_outside and isinstance(value, torch.Tensor) and _pays(editor, node, value):
            editor.replace(node, editor.add_tensor(f"folded.{node.name}", value))
    return before - sum(1 for _ in editor.calls())


def _is_foldable(node: Call) -> bool:
    known = schema(node)
    if known is None or known.is_mutable or node.is_impure():
        return False
    return torch.Tag.nondeterministic_seeded not in node.target.tags and node.target.namespace == "aten"


def _evaluate(editor: ProgramEditor, node: Call, known: dict[Call, Any]) -> Any:
    def value(each: Any) -> Any:
        return (known[each] if each in known else editor.tensor(each)) if isinstance(each, Node) else each

    args, kwargs = pytree.tree_map(value, (node.args, node.kwargs))
    with torch.no_grad():
        return node.target(*args, **kwargs)


def _pays(editor: ProgramEditor, node: Call, value: torch.Tensor) -> bool:
    held = sum(each.nbytes for each in _sources(editor, node, set()))
    return value.untyped_storage().nbytes() <= held + _SLACK_BYTES


def _sources(editor: ProgramEditor, node: Call, seen: set[Call]) -> Iterator[torch.Tensor]:
    for each in node.all_input_nodes:
        if each in seen:
            continue
        seen.add(each)
        if editor.holds(each):
            yield editor.tensor(each)
        else:
            yield from _sources(editor, each, seen)


def share_equal(editor: ProgramEditor) -> int:
    """Let calls that read equal tensors read one of them, and return how many tensors became needless."""
    first: dict[str, Call] = {}
    shared = 0
    for node in editor.held():
        if not node.users:
            continue
        digest = _digest(editor.tensor(node))
        kept = first.setdefault(digest, node)
        if kept is not node:
            node.replace_all_uses_with(kept)
            shared += 1
    return shared


def _digest(value: torch.Tensor) -> str:
    facts = repr((value.dtype, tuple(value.shape), value.stride())).encode()
    plain = value.contiguous().reshape(-1).view(torch.uint8) if value.numel() else value.reshape(-1)
    return hashlib.sha256(facts + plain.numpy().tobytes()).hexdigest()
