"""Store embedding tables small: rows are looked up in 16 or 8 bits and widened after, which costs next to nothing.

Other weights stay: torch has no operator that unfolds a weight at load, and unfolding it at every call is slow.
"""

from __future__ import annotations

from typing import Literal

import torch

from ...contracts import LayerForm, QuantizeStep, RequestError
from .editor import Call, ProgramEditor

aten = torch.ops.aten

EMBEDDING = "embedding"
_LEVELS = 127


def tables(editor: ProgramEditor) -> list[Call]:
    """Return the lookups in float32 tables that the program holds."""
    return [
        node
        for node in editor.calls(aten.embedding.default)
        if editor.holds(node.args[0]) and editor.tensor(node.args[0]).dtype == torch.float32
    ]


def form_of(name: str, step: QuantizeStep) -> Literal["fp32", "fp16", "int8"]:
    """Return the form in which `step` stores the table of lookup `name`."""
    form = step.stored.get(name, "fp32" if step.storage == "none" else step.storage)
    if form not in ("fp32", "fp16", "int8"):
        raise RequestError(f"torch stores tables as fp16 or int8, not as {form}")
    return form


def store(editor: ProgramEditor, step: QuantizeStep) -> list[LayerForm]:
    """Store every table in its form, and return what each became."""
    layers: list[LayerForm] = []
    for node in tables(editor):
        form, table = form_of(node.name, step), editor.tensor(node.args[0])
        if form == "fp32":
            continue
        answer = _half(editor, node, table) if form == "fp16" else _bytes(editor, node, table)
        layers.append(LayerForm(name=node.name, op_type=EMBEDDING, form=f"{form} stored", weight_bytes=table.nbytes))
        editor.replace(node, answer)
    return layers


def _half(editor: ProgramEditor, node: Call, table: torch.Tensor) -> Call:
    narrow = table.clamp(-65504.0, 65504.0).half()
    return _widened(editor, node, _looked_up(editor, node, "fp16", narrow))


def _bytes(editor: ProgramEditor, node: Call, table: torch.Tensor) -> Call:
    """Round each row to int8 with a scale of its own."""
    scales = (table.abs().amax(1, keepdim=True) / _LEVELS).clamp(min=torch.finfo(torch.float32).tiny)
    rows = _looked_up(editor, node, "int8", (table / scales).round().to(torch.int8))
    factors = _looked_up(editor, node, "scale", scales)
    return editor.call(node, aten.mul.Tensor, (_widened(editor, node, rows), factors), node.meta["val"])


def _looked_up(editor: ProgramEditor, node: Call, name: str, table: torch.Tensor) -> Call:
    held = editor.add_tensor(f"{node.name}.{name}", table)
    like = node.meta["val"].to(table.dtype)
    like = like[..., :1] if table.shape[1] == 1 else like
    return editor.call(node, node.target, (held, node.args[1]), like)


def _widened(editor: ProgramEditor, node: Call, value: Call) -> Call:
    return editor.call(node, aten.to.dtype, (value, torch.float32), node.meta["val"])
