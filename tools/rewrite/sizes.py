"""Batch, height and width of four-dimensional values, as far as their operators tell which are the same."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from onnx import NodeProto

from ..onnx_model import is_standard
from ..quantize.graphs import attribute, int_attribute
from .scope import Scope
from .tracing import ELEMENTWISE, KEEPING

# Each is a number, or a token that stands for a size that only a call knows.
Sizes = tuple[Hashable, Hashable, Hashable]
PLACES = (0, 2, 3)
_WINDOWS = frozenset({"AveragePool", "Conv", "ConvTranspose", "MaxPool"})
_POOLED = frozenset({"GlobalAveragePool", "GlobalMaxPool"})
_SAME = (ELEMENTWISE | KEEPING | {"BatchNormalization"}) - _WINDOWS - _POOLED
_JOINING = frozenset({"Add", "Div", "Mul", "Sub", "Sum"})
_WINDOW = ("auto_pad", "ceil_mode", "dilations", "output_padding", "output_shape", "pads", "strides")


class Sizing:
    """Sizes of the values of one graph."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._sizes: dict[str, Sizes] = {}
        self._tokens: dict[Hashable, str] = {}
        for node in scope.nodes:
            if is_standard(node) and node.input and node.output and (found := self._after(node)):
                self._sizes[node.output[0]] = found

    def of(self, name: str) -> Sizes | None:
        """Return the sizes of `name`, None where it may not have four dimensions or nothing is known of it."""
        return self._sizes.get(name)

    def _token(self, *made_of: Hashable) -> str:
        """A name for a size; the same one for a size that is made in the same way."""
        return self._tokens.setdefault(made_of, f"#{len(self._tokens)}")

    def _after(self, node: NodeProto) -> Sizes | None:
        given = self._sizes.get(node.input[0])
        if node.op_type in _WINDOWS:
            return self._slid(node)
        if node.op_type in _POOLED:
            return (given[0], 1, 1) if given else None
        if node.op_type in _SAME:
            return given
        if node.op_type in _JOINING:
            return self._joined(node)
        if node.op_type == "Concat":
            return given if int_attribute(node, "axis", 0) in (1, -3) else None
        return self._resized(node, given) if node.op_type == "Resize" and given else None

    def _slid(self, node: NodeProto) -> Sizes | None:
        """After a window has slid over height and width."""
        kernel = self._kernel(node)
        if kernel is None:
            return None
        own = (self._token(node.input[0], 0), self._token(node.input[0], 2), self._token(node.input[0], 3))
        batch, height, width = self._sizes.setdefault(node.input[0], own)
        return batch, self._side(node, height, kernel, 0), self._side(node, width, kernel, 1)

    def _kernel(self, node: NodeProto) -> Sequence[int] | None:
        if node.op_type in {"Conv", "ConvTranspose"}:
            weight = self._scope.floats(node.input[1])
            return None if weight is None or weight.ndim != 4 else weight.shape[2:]
        found = attribute(node, "kernel_shape")
        return found.ints if found is not None and len(found.ints) == 2 else None

    def _side(self, node: NodeProto, side: Hashable, kernel: Sequence[int], at: int) -> Hashable:
        words = {name: _at_side(node, name, at) for name in _WINDOW}
        stride, step = (words[name] or 1 for name in ("strides", "dilations"))
        slides = node.op_type != "ConvTranspose" and stride == 1 and not words["ceil_mode"]
        if slides and words["auto_pad"] in (None, "NOTSET") and step == 1:
            pads = words["pads"] or (0, 0)
            if isinstance(pads, tuple) and sum(pads) == kernel[at] - 1:
                return side
        return self._token(node.op_type == "ConvTranspose", side, kernel[at], *words.values())

    def _joined(self, node: NodeProto) -> Sizes | None:
        """After broadcasting: what is not one everywhere must be one size."""
        found = [self._operand(name) for name in node.input]
        given = [each for each in found if each is not None]
        if len(given) < len(found):
            return None
        sides = [{each[at] for each in given} - {1} for at in range(3)]
        if any(len(each) > 1 for each in sides):
            return None
        batch, height, width = (next(iter(each), 1) for each in sides)
        return batch, height, width

    def _operand(self, name: str) -> Sizes | None:
        value = self._scope.constant(name)
        if value is None:
            return self._sizes.get(name)
        shape = (1,) * (4 - value.ndim) + value.shape
        return (shape[0], shape[2], shape[3]) if len(shape) == 4 else None

    def _resized(self, node: NodeProto, given: Sizes) -> Sizes | None:
        scales = self._scope.constant(node.input[2]) if len(node.input) == 3 else None
        if scales is None or scales.shape != (4,) or not np.isfinite(scales).all():
            return None
        batch, height, width = (
            side if scales[place] == 1 else self._token("Resize", side, float(scales[place]))
            for side, place in zip(given, PLACES, strict=True)
        )
        return batch, height, width


def _at_side(node: NodeProto, name: str, at: int) -> Hashable:
    """Return what an attribute of a window says of height (0) or width (1)."""
    found = attribute(node, name)
    if found is None:
        return None
    if name == "auto_pad":
        return found.s.decode()
    if name == "ceil_mode":
        return found.i
    return (found.ints[at], found.ints[at + 2]) if name == "pads" else found.ints[at]
