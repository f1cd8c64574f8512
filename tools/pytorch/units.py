"""What can take an 8-bit form in an exported program: calls of convolutions and linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ...contracts import QuantizeStep
from .editor import Call, ProgramEditor, schema

aten = torch.ops.aten

CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default)
LINEAR = aten.linear.default
RELUS = (aten.relu.default, aten.relu_.default)
FORMS = {"conv1d": ("static",), "conv2d": ("static",), "linear": ("static", "dynamic")}
# Stride, padding, dilation and groups where a call leaves them out.
_DEFAULTS: tuple[Any, ...] = ([1], [0], [1], 1)


@dataclass(frozen=True)
class Unit:
    """A call with a weight of its own, and the ReLU that is computed with it.

    Attributes:
        node: the call.
        last: what readers read: the ReLU, or the call itself.
        terms: length of the dot product behind one output.
    """

    node: Call
    last: Call
    op_type: str
    terms: int
    weight_bytes: int

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def has_relu(self) -> bool:
        return self.last is not self.node

    def geometry(self) -> tuple[list[int], list[int], list[int], int]:
        """Return stride, padding, dilation and groups of a convolution, one number for each dimension."""
        given = (*self.node.args[3:], *_DEFAULTS[len(self.node.args[3:]) :])
        rank = self.node.args[1].meta["val"].ndim - 2
        stride, padding, dilation = ([*each] * rank if len(each) == 1 else [*each] for each in given[:3])
        return stride, padding, dilation, given[3]


def op_type(node: Call) -> str:
    """Return the operator's name as profiles and plans have it, such as `conv2d`."""
    known = schema(node)
    return str(known.name).split("::")[-1] if known is not None else str(node.target)


def units(editor: ProgramEditor) -> list[Unit]:
    """Return every unit in the order of the graph."""
    found = []
    for node in editor.calls(*CONVOLUTIONS, LINEAR):
        weight = node.args[1]
        if not editor.holds(weight) or not (len(node.args) < 3 or node.args[2] is None or editor.holds(node.args[2])):
            continue
        value = editor.tensor(weight)
        if value.dtype == torch.float32 and not _is_scalar_batch(node):
            readers = list(node.users)
            relu = readers[0] if len(readers) == 1 and readers[0].target in RELUS else None
            found.append(Unit(node, relu or node, op_type(node), value[0].numel(), value.nbytes))
    return found


def _is_scalar_batch(node: Call) -> bool:
    """Tell whether the input lacks the batch axis, which the integer kernels need."""
    fake = node.args[0].meta.get("val")
    ranks = {aten.conv1d.default: 3, aten.conv2d.default: 4}
    return not isinstance(fake, torch.Tensor) or fake.ndim < ranks.get(node.target, 2)


def chosen(found: list[Unit], step: QuantizeStep) -> tuple[dict[str, str], dict[str, str]]:
    """Return unit name → form, and unit name → why it stays in floating point."""
    forms: dict[str, str] = {}
    left: dict[str, str] = {}
    for unit in found:
        form = step.nodes.get(unit.name, step.compute.get(unit.op_type))
        if form is None:
            continue
        if form == "fp32":
            left[unit.name] = "asked for"
        elif form not in FORMS[unit.op_type]:
            left[unit.name] = f"torch has no {form} {unit.op_type}"
        elif form == "static" and unit.terms < step.min_terms:
            left[unit.name] = f"its dot products have {unit.terms} terms, fewer than {step.min_terms}"
        else:
            forms[unit.name] = form
    return forms, left
